//! One function a layer. Each returns a proof that only this file can make, and [`execute`] takes them all:
//! deleting a layer stops the build.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};

use syscalls::Errno;

use super::plan::{Failure, Groups, Plan, Watching};
use crate::step::Step;
use crate::sys::child as kernel;

/// The kernel's _NSIG.
const LAST_SIGNAL: libc::c_int = 64;

macro_rules! proofs {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[must_use] pub(super) struct $name(());)*
    };
}

proofs! {
    /// In a session of its own, without a terminal.
    Session,
    /// Default signal actions and file mode mask.
    Process,
    /// Charged to its cgroup.
    Cgroup,
    /// In namespaces of its own; the user namespace may still change it.
    Namespaces,
    /// Under the uid and gid of the module.
    Identity,
    /// Resource limits set.
    Limits,
    /// No Linux capability, now or after any exec.
    Capabilities,
    /// An empty session keyring.
    Keyring,
    /// Dies when the launcher dies.
    Leash,
    /// Only the descriptors of the plan are open.
    Descriptors,
    /// No exec adds rights.
    Privileges,
    /// Landlock enforced, or allowed to be missing by the operator.
    Landlock,
    /// Signals unblocked.
    Signals,
    /// The system call filter is in force and the launcher listens.
    Filter,
}

/// Every layer, taken.
pub(super) struct Confined {
    pub(super) session: Session,
    pub(super) process: Process,
    pub(super) cgroup: Cgroup,
    pub(super) namespaces: Namespaces,
    pub(super) identity: Identity,
    pub(super) limits: Limits,
    pub(super) capabilities: Capabilities,
    pub(super) keyring: Keyring,
    pub(super) leash: Leash,
    pub(super) descriptors: Descriptors,
    pub(super) privileges: Privileges,
    pub(super) landlock: Landlock,
    pub(super) signals: Signals,
    pub(super) filter: Filter,
}

fn at(step: Step) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { step, errno }
}

pub(super) fn new_session() -> Result<Session, Failure> {
    kernel::setsid().map_err(at(Step::NewSession))?;
    Ok(Session(()))
}

pub(super) fn reset_process(plan: &Plan) -> Result<Process, Failure> {
    kernel::umask(plan.file_mode_mask);
    // CLONE_CLEAR_SIGHAND reset the handlers, but what was ignored stays ignored: SIGPIPE by Rust, others perhaps
    // by the shell that started the launcher.
    for signal in (1..=LAST_SIGNAL).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        kernel::default_action(signal).map_err(at(Step::ResetProcess))?;
    }
    Ok(Process(()))
}

pub(super) fn enter_cgroup(plan: &Plan) -> Result<Cgroup, Failure> {
    for tasks in &plan.cgroup_tasks {
        kernel::write(tasks.as_fd(), b"0").map_err(at(Step::EnterCgroup))?;
    }
    Ok(Cgroup(()))
}

pub(super) fn join_namespaces(plan: &Plan) -> Result<Namespaces, Failure> {
    let join = |descriptor: BorrowedFd<'_>, kind, step| kernel::setns(descriptor, kind).map_err(at(step));
    let prepared = &plan.namespaces;
    join(prepared.ipc.as_fd(), libc::CLONE_NEWIPC, Step::JoinIpcNamespace)?;
    if let Some(net) = &prepared.net {
        join(net.as_fd(), libc::CLONE_NEWNET, Step::JoinNetNamespace)?;
    }
    join(prepared.mount.as_fd(), libc::CLONE_NEWNS, Step::JoinMountNamespace)?;
    kernel::sethostname(&plan.hostname).map_err(at(Step::SetHostname))?;
    Ok(Namespaces(()))
}

/// The user namespace comes last of all: the others stay owned by the launcher's, so that even a full set of
/// Linux capabilities in the module's own would mean nothing to them.
pub(super) fn take_identity(plan: &Plan, _joined: &Namespaces) -> Result<Identity, Failure> {
    if let Groups::Only(groups) = &plan.groups {
        kernel::set_groups(groups).map_err(at(Step::DropGroups))?;
    }
    kernel::setns(plan.namespaces.user.as_fd(), libc::CLONE_NEWUSER).map_err(at(Step::JoinUserNamespace))?;
    kernel::setresgid(plan.inside_id).map_err(at(Step::SetIdentity))?;
    kernel::setresuid(plan.inside_id).map_err(at(Step::SetIdentity))?;
    Ok(Identity(()))
}

pub(super) fn set_limits(plan: &Plan) -> Result<Limits, Failure> {
    for (resource, value) in &plan.rlimits {
        kernel::setrlimit(*resource, *value).map_err(at(Step::SetLimits))?;
    }
    Ok(Limits(()))
}

pub(super) fn drop_capabilities(plan: &Plan, _identity: &Identity) -> Result<Capabilities, Failure> {
    let step = at(Step::DropCapabilities);
    for capability in 0..=plan.last_capability {
        kernel::drop_bounding(capability).map_err(&step)?;
    }
    kernel::clear_ambient().map_err(&step)?;
    kernel::lock_securebits().map_err(&step)?;
    kernel::drop_capabilities().map_err(&step)?;
    Ok(Capabilities(()))
}

pub(super) fn new_keyring() -> Result<Keyring, Failure> {
    match kernel::new_session_keyring() {
        // A kernel without CONFIG_KEYS has no keyring to inherit.
        Ok(()) | Err(Errno::ENOSYS) => Ok(Keyring(())),
        Err(errno) => Err(Failure { step: Step::NewKeyring, errno }),
    }
}

/// Every change of identity clears the parent-death signal, so this follows the last one. A launcher that
/// died before the signal was set is seen by its pidfd.
pub(super) fn die_with_launcher(plan: &Plan, _last: &Capabilities) -> Result<Leash, Failure> {
    let step = at(Step::DieWithLauncher);
    kernel::die_with_parent().map_err(&step)?;
    match kernel::has_ended(plan.launcher.as_fd()).map_err(&step)? {
        kernel::Ended::No => Ok(Leash(())),
        kernel::Ended::Yes => Err(step(Errno::ESRCH)),
    }
}

/// The plan's descriptors all have high numbers, so no placement overwrites one that is still needed.
pub(super) fn place_descriptors(plan: &Plan) -> Result<Descriptors, Failure> {
    let step = at(Step::PlaceDescriptors);
    for (number, descriptor) in (0..).zip(&plan.inherited) {
        kernel::place(descriptor.as_fd(), number).map_err(&step)?;
    }
    let numbers = plan.numbers;
    kernel::place_until_exec(plan.program.as_fd(), numbers.program).map_err(&step)?;
    kernel::place_until_exec(plan.listener_channel.as_fd(), numbers.channel).map_err(&step)?;
    if let Some(ruleset) = &plan.ruleset {
        kernel::place_until_exec(ruleset.as_fd(), numbers.ruleset).map_err(&step)?;
    }
    kernel::close_from(numbers.listener).map_err(&step)?;
    Ok(Descriptors(()))
}

pub(super) fn no_new_privileges() -> Result<Privileges, Failure> {
    kernel::no_new_privs().map_err(at(Step::NoNewPrivileges))?;
    Ok(Privileges(()))
}

pub(super) fn enforce_landlock(
    plan: &Plan,
    _privileges: &Privileges,
    _descriptors: &Descriptors,
) -> Result<Landlock, Failure> {
    if plan.ruleset.is_some() {
        kernel::landlock_restrict_self(plan.numbers.ruleset).map_err(at(Step::EnforceLandlock))?;
    }
    Ok(Landlock(()))
}

pub(super) fn unblock_signals() -> Result<Signals, Failure> {
    kernel::unblock_signals().map_err(at(Step::UnblockSignals))?;
    Ok(Signals(()))
}

/// The listener takes the lowest free number, which the prepared message names; another number would mean
/// that a descriptor is open that should not be.
pub(super) fn load_filter(
    plan: &Plan,
    _privileges: &Privileges,
    _descriptors: &Descriptors,
) -> Result<Filter, Failure> {
    let step = at(Step::LoadFilter);
    let listener = match plan.watching {
        Watching::No => kernel::seccomp_with_listener(&plan.filter),
        Watching::Yes => kernel::seccomp_watched(&plan.filter),
    };
    let listener = listener.map_err(&step)?;
    if i32::try_from(listener) != Ok(plan.numbers.listener) {
        return Err(step(Errno::EBADF));
    }
    plan.listener_message.send(plan.numbers.channel, plan.ticket).map_err(&step)?;
    Ok(Filter(()))
}

/// Takes the proof of every layer. Everything that was not inherited closes by itself here.
pub(super) fn execute(plan: &Plan, proofs: Confined) -> Result<Infallible, Failure> {
    let Confined {
        session: Session(()),
        process: Process(()),
        cgroup: Cgroup(()),
        namespaces: Namespaces(()),
        identity: Identity(()),
        limits: Limits(()),
        capabilities: Capabilities(()),
        keyring: Keyring(()),
        leash: Leash(()),
        descriptors: Descriptors(()),
        privileges: Privileges(()),
        landlock: Landlock(()),
        signals: Signals(()),
        filter: Filter(()),
    } = proofs;
    Err(Failure { step: Step::Execute, errno: plan.image.exec(plan.numbers.program, plan.ticket) })
}
