//! kill(2) of its parent, which is the launcher. The pid namespace answers: its parent has no id in it.

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, nothing, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::expecting("signal-parent", "signal its parent", Layer::Namespaces, Expected::Nothing, run);

fn run(_: &Context) -> Tried {
    match rustix::process::getppid() {
        None => nothing("its parent has no process id in here"),
        Some(parent) => {
            rustix::process::test_kill_process(parent)?;
            succeeded("may signal it")
        }
    }
}
