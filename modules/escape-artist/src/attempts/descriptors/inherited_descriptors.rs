//! A descriptor that whoever started it had left open (CVE-2016-8649, LXC; CVE-2024-21626, runc). The launcher answers:
//! it gives the numbers 0 to 3 and nothing else.

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, nothing, succeeded};
use crate::steps::CONNECTION;

pub(super) const ATTEMPT: Attempt = Attempt::expecting(
    "inherited-descriptors",
    "find descriptors that were left open for it",
    Layer::Descriptors,
    Expected::Nothing,
    run,
);

fn run(context: &Context) -> Tried {
    let unexpected: Vec<_> = context.inherited.0.iter().filter(|number| **number != CONNECTION).collect();
    if unexpected.is_empty() {
        return nothing("none but its connection and the standard three");
    }
    succeeded(format!("open at its start: {unexpected:?}"))
}
