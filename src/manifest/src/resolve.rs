//! Decides which modules can start, and in which order.
//!
//! What is decided depends on the set of manifests only, never on the order they were found in. A module
//! that cannot start takes down those that need it and no other. Nothing here recurses: the manifests are
//! hostile, and a long chain of them must not overflow the stack.

mod cycle;
mod order;
mod refuse;
mod report;

pub use report::{Chain, Note, Refusal, Why};

use crate::{Manifest, ModuleName};
use order::{Graph, Tie};
use refuse::Refused;
use std::collections::BTreeMap;

/// The manifests by the names in them.
type Installed<'m> = BTreeMap<&'m ModuleName, &'m Manifest>;

/// Which modules start, in which order, and why the others do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The modules that start: each after everything it needs, by name where that leaves a choice.
    pub order: Vec<ModuleName>,
    /// The modules that do not start. Every module is either here or in the order.
    pub refused: BTreeMap<ModuleName, Refusal>,
    /// Optional dependencies that are present and yet not used, or not waited for.
    pub notes: Vec<Note>,
}

/// Decides which of the modules start, and in which order.
///
/// A module is refused if one of its dependencies is missing, has another version than it asks for, is
/// refused itself, or needs the module in turn; and if two modules have its name. Optional dependencies
/// start earlier where that is possible, and never refuse anything.
///
/// At worst the time grows with the square of the number of modules: the caller bounds how many it finds.
#[must_use]
pub fn resolve(manifests: &[Manifest]) -> Resolution {
    let installed: Installed<'_> = manifests.iter().map(|manifest| (manifest.name(), manifest)).collect();
    let refused = Refused::find(manifests, &installed);
    let mut notes = Vec::new();
    let mut graph = Graph::default();
    for (name, manifest) in installed.iter().filter(|(name, _)| !refused.contains(name)) {
        graph.add(name);
        for dependency in manifest.dependencies().keys() {
            graph.tie(name, dependency, Tie::Required);
        }
        for dependency in manifest.optional_dependencies().keys() {
            match usable(manifest, dependency, &installed, &refused) {
                Usable::Yes => graph.tie(name, dependency, Tie::Optional),
                Usable::NotInstalled => {}
                Usable::No(note) => notes.push(note),
            }
        }
    }
    let (order, dropped) = graph.order();
    notes.extend(dropped);
    Resolution { order: order.into_iter().cloned().collect(), refused: refused.explain(), notes }
}

/// Whether a module can use one of its optional dependencies.
enum Usable {
    Yes,
    NotInstalled,
    No(Note),
}

fn usable(
    manifest: &Manifest,
    wanted: &ModuleName,
    installed: &Installed<'_>,
    refused: &Refused<'_>,
) -> Usable {
    let Some(found) = installed.get(wanted) else { return Usable::NotInstalled };
    let module = manifest.name().clone();
    let dependency = wanted.clone();
    if refused.contains(wanted) {
        return Usable::No(Note::Refused { module, dependency });
    }
    match manifest.optional_dependencies().get(wanted) {
        Some(constraint) if !constraint.matches(found.version()) => {
            let (constraint, found) = (constraint.clone(), found.version().clone());
            Usable::No(Note::Version { module, dependency, constraint, found })
        }
        _ => Usable::Yes,
    }
}

#[cfg(test)]
mod tests;
