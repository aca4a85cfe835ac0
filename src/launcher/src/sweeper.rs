//! A small process that outlives the launcher by a moment: if the launcher is killed, even by SIGKILL, it
//! kills what is left in the launcher's cgroups and removes them.
//!
//! Core and modules die with the launcher by themselves (PR_SET_PDEATHSIG); a cgroup directory does not. A
//! launcher that ends in order leaves nothing for the sweeper to do.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, pipe2, setsid};

use crate::cgroup::remove_leftovers;
use crate::error::{Error, system};
use crate::sys::parent::{self, Reap};

/// The launcher's hold on its sweeper: the sweeper acts when this is closed, by drop or by death.
pub(crate) struct Sweeper {
    leash: Option<OwnedFd>,
    pidfd: OwnedFd,
}

impl Sweeper {
    /// Forks the sweeper. Called before any subject exists, so that it holds no descriptor of one.
    /// `lock` is the launcher's lock file.
    pub(crate) fn start(directories: Vec<PathBuf>, lock: PathBuf) -> Result<Self, Error> {
        let (theirs, leash) = pipe2(OFlag::O_CLOEXEC).map_err(system("make a pipe"))?;
        match parent::fork().map_err(system("fork the sweeper"))? {
            ForkResult::Child => {
                drop(leash);
                sweep(theirs, &directories, &lock)
            }
            ForkResult::Parent { child } => Self::hold(leash, child),
        }
    }

    fn hold(leash: OwnedFd, child: Pid) -> Result<Self, Error> {
        let pidfd = parent::pidfd_open(child).map_err(system("pidfd_open"))?;
        Ok(Self { leash: Some(leash), pidfd })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.leash = None;
        let _nothing_to_reap = parent::reap(self.pidfd.as_fd(), Reap::Wait);
    }
}

fn sweep(leash: OwnedFd, directories: &[PathBuf], lock: &Path) -> ! {
    // A Ctrl-C is meant for the launcher; the sweeper ends when the launcher has ended.
    let _own_session = setsid();
    let _blocked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    release_other_descriptors(&leash);
    let _end_of_launcher = File::from(leash).read(&mut [0_u8; 1]);
    // A launcher that has the lock is the one that ends in order, or a new one, which has swept: its cgroups have
    // the same names.
    let Some(_only_one) = take(lock) else { parent::exit_now(0) };
    let swept = remove_leftovers(directories);
    parent::exit_now(i32::from(swept.is_err()))
}

fn take(lock: &Path) -> Option<Flock<File>> {
    let opened = File::options().write(true).open(lock).ok()?;
    Flock::lock(opened, FlockArg::LockExclusiveNonblock).ok()
}

/// Holds on to nothing of the launcher's: not its state lock, nor the pipe that a shell waits on.
fn release_other_descriptors(leash: &OwnedFd) {
    let own = leash.as_raw_fd();
    for number in 0..own {
        parent::close_number(number);
    }
    parent::close_numbers_from(own + 1);
}
