//! Finds the modules that cannot start.

use super::report::{Chain, Refusal, Why};
use super::{Installed, cycle};
use crate::{Manifest, ModuleName, Version, VersionConstraint};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why one module cannot start, as far as it can tell: for the rest, ask the module it names.
enum Cause<'m> {
    SameName,
    NotInstalled(&'m ModuleName),
    Version {
        dependency: &'m ModuleName,
        constraint: &'m VersionConstraint,
        found: &'m Version,
    },
    /// The module is in a cycle; this is the one it waits for.
    Cycle(&'m ModuleName),
    /// This dependency is refused.
    Needs(&'m ModuleName),
}

/// The modules that cannot start.
#[derive(Default)]
pub(super) struct Refused<'m> {
    causes: BTreeMap<&'m ModuleName, Cause<'m>>,
    /// The modules that require a module.
    dependants: BTreeMap<&'m ModuleName, BTreeSet<&'m ModuleName>>,
}

impl<'m> Refused<'m> {
    pub(super) fn find(manifests: &'m [Manifest], installed: &Installed<'m>) -> Self {
        let mut refused = Self::default();
        for manifest in installed.values() {
            for dependency in manifest.dependencies().keys() {
                refused.dependants.entry(dependency).or_default().insert(manifest.name());
            }
        }
        refused.refuse_same_names(manifests);
        refused.refuse_unmet(installed);
        refused.spread(refused.causes.keys().copied().collect());
        refused.refuse_cycles(installed);
        refused
    }

    pub(super) fn contains(&self, name: &ModuleName) -> bool {
        self.causes.contains_key(name)
    }

    fn refuse_same_names(&mut self, manifests: &'m [Manifest]) {
        let mut seen = BTreeSet::new();
        for manifest in manifests {
            if !seen.insert(manifest.name()) {
                self.causes.insert(manifest.name(), Cause::SameName);
            }
        }
    }

    fn refuse_unmet(&mut self, installed: &Installed<'m>) {
        let ambiguous: BTreeSet<&ModuleName> = self.causes.keys().copied().collect();
        for (name, manifest) in installed {
            let unmet = manifest.dependencies().iter().find_map(|(dependency, constraint)| {
                let Some(found) = installed.get(dependency).map(|found| found.version()) else {
                    return Some(Cause::NotInstalled(dependency));
                };
                // Where two modules have the name, which version is found depends on their order.
                let unmet = !ambiguous.contains(dependency) && !constraint.matches(found);
                unmet.then_some(Cause::Version { dependency, constraint, found })
            });
            if let Some(cause) = unmet {
                self.causes.entry(name).or_insert(cause);
            }
        }
    }

    /// Refuses whoever needs one of `fresh`, and whoever needs those. Nearest first, so that the chain in
    /// a message is a shortest one.
    fn spread(&mut self, mut fresh: VecDeque<&'m ModuleName>) {
        while let Some(name) = fresh.pop_front() {
            for dependant in self.dependants.get(name).into_iter().flatten() {
                if !self.causes.contains_key(dependant) {
                    self.causes.insert(dependant, Cause::Needs(name));
                    fresh.push_back(dependant);
                }
            }
        }
    }

    /// Refuses the modules that need each other. Every walk ends in a cycle, and everything it went
    /// through needs that cycle: no module is walked through twice.
    fn refuse_cycles(&mut self, installed: &Installed<'m>) {
        let stuck = self.stuck(installed);
        for start in &stuck {
            if self.contains(start) {
                continue;
            }
            let next = |name: &'m ModuleName| {
                installed.get(name)?.dependencies().keys().find(|dependency| stuck.contains(dependency))
            };
            let Some(cycle) = cycle::find(start, next) else { continue };
            let following = cycle.iter().cycle().skip(1);
            for (name, next) in cycle.iter().zip(following) {
                self.causes.insert(name, Cause::Cycle(next));
            }
            self.spread(cycle.into_iter().collect());
        }
    }

    /// The modules left when everything that can start has started: those in cycles, and those that need
    /// a cycle. Each needs another of them.
    fn stuck(&self, installed: &Installed<'m>) -> BTreeSet<&'m ModuleName> {
        let mut waits_for: BTreeMap<&ModuleName, usize> = installed
            .iter()
            .filter(|(name, _)| !self.contains(name))
            .map(|(name, manifest)| (*name, manifest.dependencies().len()))
            .collect();
        let mut ready: Vec<&ModuleName> =
            waits_for.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
        while let Some(name) = ready.pop() {
            waits_for.remove(name);
            for dependant in self.dependants.get(name).into_iter().flatten() {
                if let Some(count) = waits_for.get_mut(dependant) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        ready.push(dependant);
                    }
                }
            }
        }
        waits_for.into_keys().collect()
    }

    /// Follows each module's causes to the end.
    pub(super) fn explain(&self) -> BTreeMap<ModuleName, Refusal> {
        self.causes.keys().map(|name| ((*name).clone(), self.explain_one(name))).collect()
    }

    fn explain_one(&self, name: &'m ModuleName) -> Refusal {
        let mut chain = vec![name];
        let mut current = name;
        let why = loop {
            match self.causes.get(current) {
                Some(Cause::Needs(next)) => {
                    chain.push(next);
                    current = next;
                }
                Some(Cause::NotInstalled(dependency)) => {
                    chain.push(dependency);
                    let (module, needed_by) = ((*dependency).clone(), current.clone());
                    break Why::NotInstalled { module, needed_by };
                }
                Some(Cause::Version { dependency, constraint, found }) => {
                    chain.push(dependency);
                    break Why::Version {
                        module: (*dependency).clone(),
                        found: (*found).clone(),
                        needed_by: current.clone(),
                        constraint: (*constraint).clone(),
                    };
                }
                Some(Cause::Cycle(_)) => {
                    chain.extend(self.around(current));
                    break Why::Cycle;
                }
                Some(Cause::SameName) | None => break Why::SameName { module: current.clone() },
            }
        };
        Refusal { chain: Chain::new(&chain), why }
    }

    /// The modules of a cycle after `start`, and `start` again.
    fn around(&self, start: &'m ModuleName) -> Vec<&'m ModuleName> {
        let mut cycle = Vec::new();
        let mut current = start;
        while let Some(Cause::Cycle(next)) = self.causes.get(current) {
            cycle.push(*next);
            current = next;
            if current == start {
                break;
            }
        }
        cycle
    }
}
