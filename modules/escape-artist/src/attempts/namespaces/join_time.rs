//! setns(2) into the time namespace of another process: other clocks. The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-time", "join the time namespace of another process", |context| {
        join_namespace(context, "time", CloneFlags::from_bits_retain(0x80))
    });
