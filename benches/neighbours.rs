//! What the others notice of a module that does its worst: how long a second module's small call takes, and the core's
//! answer to the operator, while it does it, against the same while it is quiet, by turns in one run of the real
//! launcher.
//!
//! Idle-priority spinners keep the processors awake: on a virtual machine a processor that wakes up costs more than the
//! call, and a neighbour that keeps it awake would make things faster. `cargo bench --bench neighbours`, with names of
//! acts after `--` for some of them only; as root, or with `COFFERDAM_TEST_CGROUP_ROOT`. Nothing here fails for being
//! slow.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod awake;
#[path = "neighbours/figures.rs"]
mod figures;
#[path = "neighbours/operator.rs"]
mod operator;
#[path = "../tests/rig/mod.rs"]
mod rig;
#[path = "neighbours/scene.rs"]
mod scene;

use scene::{SCENES, play};

fn main() {
    awake::spin_if_told();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let _awake = awake::Spinners::start();
    figures::head();
    for scene in SCENES.iter().filter(|scene| wanted.is_empty() || wanted.iter().any(|act| act == scene.act))
    {
        figures::rows(scene.what, &play(scene));
    }
}
