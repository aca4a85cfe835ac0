//! tgkill(2), which a program needs to abort, aimed at every id: other modules, the core, the launcher. The pid
//! namespace answers: there is nobody else.

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, nothing, succeeded};
use crate::raw::call;
use crate::steps::PIDS;

pub(super) const ATTEMPT: Attempt = Attempt::expecting(
    "signal-every-id",
    "signal any other process by its id",
    Layer::Namespaces,
    Expected::Nothing,
    run,
);

/// Signal 0 is checked like any other, and harms nobody.
fn run(_: &Context) -> Tried {
    let own = nix::unistd::getpid().as_raw();
    let answers = |id: &i32| call(libc::SYS_tgkill, &[(*id).into(), (*id).into(), 0]).is_ok();
    match PIDS.filter(|id| *id != own).find(answers) {
        Some(id) => succeeded(format!("may signal {id}")),
        None => nothing(format!("nobody but itself among {} ids", PIDS.end())),
    }
}
