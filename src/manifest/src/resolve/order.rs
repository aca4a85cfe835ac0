//! Puts modules in an order in which each comes after what it waits for.

use super::cycle;
use super::report::{Chain, Note};
use crate::ModuleName;
use std::collections::{BTreeMap, BTreeSet};

/// How much a module's place depends on another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// It cannot start before. These ties must be free of cycles.
    Required,
    /// It would rather start after.
    Optional,
}

/// The modules that start, and what each still waits for.
#[derive(Default)]
pub(super) struct Graph<'m> {
    waits_for: BTreeMap<&'m ModuleName, BTreeMap<&'m ModuleName, Tie>>,
    dependants: BTreeMap<&'m ModuleName, BTreeSet<&'m ModuleName>>,
}

impl<'m> Graph<'m> {
    pub(super) fn add(&mut self, name: &'m ModuleName) {
        self.waits_for.entry(name).or_default();
    }

    pub(super) fn tie(&mut self, name: &'m ModuleName, dependency: &'m ModuleName, tie: Tie) {
        self.waits_for.entry(name).or_default().insert(dependency, tie);
        self.dependants.entry(dependency).or_default().insert(name);
    }

    /// The modules in order, and the optional ties that had to be dropped.
    pub(super) fn order(mut self) -> (Vec<&'m ModuleName>, Vec<Note>) {
        let mut order = Vec::with_capacity(self.waits_for.len());
        let mut notes = Vec::new();
        let free = self.waits_for.iter().filter(|(_, waits_for)| waits_for.is_empty());
        let mut ready: BTreeSet<&ModuleName> = free.map(|(name, _)| *name).collect();
        loop {
            if let Some(name) = ready.pop_first() {
                order.push(name);
                self.waits_for.remove(name);
                for dependant in self.dependants.remove(name).into_iter().flatten() {
                    ready.extend(self.untie(dependant, name));
                }
            } else if let Some(dropped) = self.optional_tie_of_a_cycle() {
                ready.extend(self.untie(dropped.module, dropped.dependency));
                notes.push(dropped.note());
            } else {
                return (order, notes);
            }
        }
    }

    /// Forgets that `name` waits for `dependency`; gives `name` if it now waits for nothing.
    fn untie(&mut self, name: &'m ModuleName, dependency: &ModuleName) -> Option<&'m ModuleName> {
        let waits_for = self.waits_for.get_mut(name)?;
        waits_for.remove(dependency)?;
        waits_for.is_empty().then_some(name)
    }

    /// Of a cycle among the modules left, the optional tie of the first module by name.
    fn optional_tie_of_a_cycle(&self) -> Option<Dropped<'m>> {
        let (start, _) = self.waits_for.first_key_value()?;
        let cycle = cycle::find(start, |name| self.waits_for.get(name)?.keys().next().copied())?;
        let following = cycle.iter().cycle().skip(1);
        let ties = cycle.iter().zip(following).enumerate();
        let optional = ties.filter(|(_, (name, dependency))| {
            self.waits_for.get(*name).and_then(|waits_for| waits_for.get(*dependency)) == Some(&Tie::Optional)
        });
        let (place, (module, dependency)) = optional.min_by_key(|(_, (name, _))| **name)?;
        let around = cycle.iter().cycle().skip(place).take(cycle.len().saturating_add(1)).copied();
        Some(Dropped { module, dependency, around: around.collect() })
    }
}

/// An optional tie that is not kept, and the cycle it would close.
struct Dropped<'m> {
    module: &'m ModuleName,
    dependency: &'m ModuleName,
    around: Vec<&'m ModuleName>,
}

impl Dropped<'_> {
    fn note(&self) -> Note {
        Note::Cycle {
            module: self.module.clone(),
            dependency: self.dependency.clone(),
            chain: Chain::new(&self.around),
        }
    }
}
