//! Everything a start needs, opened, compiled and allocated before clone.

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use syscalls::Errno;

use crate::step::Step;
use crate::sys::image::{DescriptorMessage, ExecImage};

/// Descriptors of the plan have at least this number, so that placing 0 to 7 overwrites none of them.
pub(crate) const LOWEST_PLANNED_FD: RawFd = 64;

/// A step that failed, and the kernel's reason.
#[derive(Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

/// Namespaces made beforehand, to be joined.
pub(crate) struct JoinedNamespaces {
    pub(crate) mount: OwnedFd,
    pub(crate) user: OwnedFd,
    pub(crate) ipc: OwnedFd,
    /// None: the subject lives in the launcher's net namespace (the core).
    pub(crate) net: Option<OwnedFd>,
}

/// What becomes of supplementary groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    /// It has these and no others: none, or the core those of modules whose files it reads and writes for them.
    Only(Vec<u32>),
    /// A rootless launcher may not: setgroups(2) is denied in its user namespace (user_namespaces(7)).
    Keep,
}

/// Whether `cofferdam learn` watches the subject: its filter then reports the calls that it allows, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watching {
    No,
    Yes,
}

/// All that one start needs. Read-only for the child but for the failure it stores.
pub(crate) struct Plan {
    /// `tasks` files of cgroup v1, opened by the launcher: permission is judged by the opener.
    pub(crate) cgroup_tasks: Vec<OwnedFd>,
    pub(crate) namespaces: JoinedNamespaces,
    pub(crate) hostname: CString,
    pub(crate) groups: Groups,
    /// What the modes of new files lack (umask(2)).
    pub(crate) file_mode_mask: usize,
    /// User and group id inside the user namespace.
    pub(crate) inside_id: u32,
    /// Resource numbers and values.
    pub(crate) rlimits: Vec<(u32, u64)>,
    /// The kernel's highest Linux capability, from /proc/sys/kernel/cap_last_cap.
    pub(crate) last_capability: u32,
    /// A pidfd of the launcher.
    pub(crate) launcher: OwnedFd,
    /// What becomes descriptors 0, 1, 2, and 3 where the subject has one.
    pub(crate) inherited: Vec<OwnedFd>,
    pub(crate) program: OwnedFd,
    /// Takes the filter's listener to the launcher.
    pub(crate) listener_channel: OwnedFd,
    /// `None` only where the operator allows Landlock to be missing and it is.
    pub(crate) ruleset: Option<OwnedFd>,
    pub(crate) filter: Vec<libc::sock_filter>,
    pub(crate) watching: Watching,
    /// What the filter wants as the sixth argument of the two calls that the child makes under it.
    pub(crate) ticket: u64,
    pub(crate) listener_message: DescriptorMessage,
    pub(crate) image: ExecImage,
    pub(crate) numbers: Numbers,
    pub(crate) failure: FailureSlot,
}

/// Descriptor numbers of the child between clone and exec. They follow the inherited ones without a gap, so
/// that the lowest free number, which the kernel gives the filter's listener, is known beforehand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) program: RawFd,
    pub(crate) channel: RawFd,
    pub(crate) ruleset: RawFd,
    pub(crate) listener: RawFd,
}

impl Numbers {
    pub(crate) fn new(inherited: &[OwnedFd], ruleset: Option<&OwnedFd>) -> Self {
        // At most four descriptors are inherited: a profile has no more.
        let program = RawFd::try_from(inherited.len()).unwrap_or(RawFd::MAX - 4);
        let (channel, ruleset_at) = (program + 1, program + 2);
        let listener = if ruleset.is_some() { ruleset_at + 1 } else { ruleset_at };
        Self { program, channel, ruleset: ruleset_at, listener }
    }
}

/// Where the child stores why it failed. The parent reads it after the kernel has let it go on.
#[derive(Default)]
pub(crate) struct FailureSlot(AtomicU64);

impl FailureSlot {
    fn put(&self, failure: Failure) {
        let errno = u64::from(failure.errno.into_raw().unsigned_abs());
        self.0.store(u64::from(failure.step.number()) << 32 | errno, Ordering::Relaxed);
    }

    /// The failed step and its error number, if the child failed.
    pub(crate) fn take(&self) -> Option<(Step, nix::errno::Errno)> {
        let stored = self.0.swap(0, Ordering::Relaxed);
        let step = u8::try_from(stored >> 32).ok().and_then(Step::from_number)?;
        let errno = i32::try_from(stored & u64::from(u32::MAX)).unwrap_or(i32::MAX);
        Some((step, nix::errno::Errno::from_raw(errno)))
    }
}

impl Plan {
    pub(crate) fn record(&self, failure: Failure) {
        self.failure.put(failure);
    }
}
