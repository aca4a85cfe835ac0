//! A child from the end of clone: unverified and killed when dropped, then running.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::error::{Error, system};
use crate::sys::clone::Child;
use crate::sys::parent::{self, Ended, Reap};

/// A confined process that runs.
pub struct Running {
    /// Its process id in the launcher's pid namespace.
    pub(crate) pid: Pid,
    /// Its pidfd: readable when it has ended.
    pub(crate) pidfd: OwnedFd,
    /// Its end, where that came before the launcher could look at it.
    pub(crate) ended: Option<Ended>,
    /// The listener of its system call filter.
    pub(crate) listener: OwnedFd,
    /// What it writes to descriptor 1.
    pub(crate) stdout: OwnedFd,
    /// What it writes to descriptor 2.
    pub(crate) stderr: OwnedFd,
    /// The other end of its socket: a module's goes to the core, the core's stays with the launcher.
    pub(crate) peer: OwnedFd,
    /// Its cgroup; `None` only where the config allows that.
    pub(crate) cgroup: Option<Cgroup>,
}

impl Running {
    /// The confined process's id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What it writes to descriptor 1; reading does not wait.
    #[must_use]
    pub fn stdout(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    /// The other end of its socket.
    #[must_use]
    pub fn peer(&self) -> BorrowedFd<'_> {
        self.peer.as_fd()
    }

    /// Kills it, waits for its end, and removes its cgroup.
    ///
    /// # Errors
    /// When the kernel does not let go of its cgroup.
    pub fn kill(self) -> Result<(), Error> {
        if self.ended.is_none() {
            // It may have ended by itself; then only the reaping is left.
            let _already_dead = parent::pidfd_kill(self.pidfd.as_fd());
            parent::reap(self.pidfd.as_fd(), Reap::Wait).map_err(system("wait for a child"))?;
        }
        self.cgroup.map_or(Ok(()), Cgroup::remove)
    }
}

/// A child until it is known to be confined: killed and reaped when dropped.
pub(super) struct Unverified {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Unverified {
    pub(super) fn new(child: Child) -> Self {
        Self { pid: Pid::from_raw(child.pid), pidfd: Some(child.pidfd) }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// It is what it should be: it lives on.
    pub(super) fn accept(mut self) -> Result<Accepted, Error> {
        let pidfd =
            self.pidfd.take().ok_or(Error::System { doing: "keep the pidfd", errno: Errno::EBADF })?;
        Ok(Accepted { pid: self.pid, pidfd, ended: None })
    }

    /// It does not look as it should: it is killed at once. One that had ended by itself before shows nothing in
    /// /proc and was no danger; its own end tells.
    pub(super) fn end(mut self) -> Result<Option<Accepted>, Error> {
        let Some(pidfd) = self.pidfd.take() else { return Ok(None) };
        // It may have ended by itself; then only the reaping is left.
        let _already_dead = parent::pidfd_kill(pidfd.as_fd());
        let ended = parent::reap(pidfd.as_fd(), Reap::Wait).map_err(system("wait for a child"))?;
        match ended {
            None | Some(Ended::Signaled(libc::SIGKILL)) => Ok(None),
            ended => Ok(Some(Accepted { pid: self.pid, pidfd, ended })),
        }
    }
}

/// A child that may run, or that has run and ended already.
pub(super) struct Accepted {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) ended: Option<Ended>,
}

impl Drop for Unverified {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended by itself; then only the reaping is left.
            let _already_dead = parent::pidfd_kill(pidfd.as_fd());
            let _already_reaped = parent::reap(pidfd.as_fd(), Reap::Wait);
        }
    }
}

/// Exec has closed the child's copy of the listener, and before it the message was sent: it is there or never.
pub(super) fn receive_listener(label: &str, channel: &OwnedFd) -> Result<OwnedFd, Error> {
    let mut byte = [0_u8; 1];
    let received = parent::receive_with_descriptor(channel.as_fd(), &mut byte, MsgFlags::MSG_DONTWAIT);
    match received {
        Ok(Some((1, Some(listener)))) => Ok(listener),
        other => Err(Error::NotConfined {
            subject: label.to_owned(),
            finding: format!("its system call filter has no listener: {other:?}"),
        }),
    }
}
