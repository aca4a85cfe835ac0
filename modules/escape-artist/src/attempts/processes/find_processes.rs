//! sched_getaffinity(2) tells of any process id whether there is such a process, and is allowed for its own. The pid
//! namespace answers: there is nobody else.

use nix::unistd::Pid;

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, nothing, succeeded};
use crate::steps::PIDS;

pub(super) const ATTEMPT: Attempt = Attempt::expecting(
    "find-processes",
    "find another process by its id",
    Layer::Namespaces,
    Expected::Nothing,
    run,
);

fn run(_: &Context) -> Tried {
    let own = nix::unistd::getpid();
    let exists = |pid: &Pid| nix::sched::sched_getaffinity(*pid).is_ok();
    match PIDS.map(Pid::from_raw).filter(|pid| *pid != own).find(exists) {
        Some(pid) => succeeded(format!("process {pid} exists")),
        None => nothing(format!("no process but itself among {} ids", PIDS.end())),
    }
}
