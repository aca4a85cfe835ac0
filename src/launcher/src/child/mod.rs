//! The child between clone and exec: a list of steps, one a line.
//!
//! It shares the launcher's memory while the launcher waits, so it neither allocates, locks, logs, formats,
//! panics nor drops. All it needs is in the [`Plan`]; a failure is two numbers stored there, and `_exit`.
//! docs/launch-sequence.md gives the reason of each step's place.

mod layers;
mod plan;

use std::convert::Infallible;

pub(crate) use plan::{
    Failure, FailureSlot, Groups, JoinedNamespaces, LOWEST_PLANNED_FD, Numbers, Plan, Watching,
};

use crate::sys;

/// Exit status of a child that failed before exec; the launcher reads the failure from the plan.
const FAILED: usize = 127;

/// The child's whole life up to exec.
pub(crate) extern "C" fn run(plan: &Plan) -> ! {
    let Err(failure) = confine_and_execute(plan);
    plan.record(failure);
    sys::child::exit(FAILED)
}

fn confine_and_execute(plan: &Plan) -> Result<Infallible, Failure> {
    let session = layers::new_session()?;
    let process = layers::reset_process(plan)?;
    let cgroup = layers::enter_cgroup(plan)?;
    let namespaces = layers::join_namespaces(plan)?;
    let identity = layers::take_identity(plan, &namespaces)?;
    let limits = layers::set_limits(plan)?;
    let capabilities = layers::drop_capabilities(plan, &identity)?;
    let keyring = layers::new_keyring()?;
    let leash = layers::die_with_launcher(plan, &capabilities)?;
    let descriptors = layers::place_descriptors(plan)?;
    let privileges = layers::no_new_privileges()?;
    let landlock = layers::enforce_landlock(plan, &privileges, &descriptors)?;
    let signals = layers::unblock_signals()?;
    let filter = layers::load_filter(plan, &privileges, &descriptors)?;
    layers::execute(
        plan,
        layers::Confined {
            session,
            process,
            cgroup,
            namespaces,
            identity,
            limits,
            capabilities,
            keyring,
            leash,
            descriptors,
            privileges,
            landlock,
            signals,
            filter,
        },
    )
}

#[cfg(test)]
mod tests;
