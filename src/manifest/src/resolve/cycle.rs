//! Finds a cycle by walking until a module comes up again.

use crate::ModuleName;
use std::collections::BTreeMap;

/// The cycle that a walk from `start` ends in, each module after the one that waits for it, the first not
/// repeated. `next` gives the module that a module waits for. `None` if the walk comes to an end.
pub(super) fn find<'m>(
    start: &'m ModuleName,
    next: impl Fn(&'m ModuleName) -> Option<&'m ModuleName>,
) -> Option<Vec<&'m ModuleName>> {
    let mut path = Vec::new();
    let mut place = BTreeMap::new();
    let mut current = start;
    loop {
        if let Some(first) = place.insert(current, path.len()) {
            return Some(path.split_off(first));
        }
        path.push(current);
        current = next(current)?;
    }
}
