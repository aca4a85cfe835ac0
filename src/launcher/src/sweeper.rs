//! A small process that outlives the launcher by a moment: if the launcher is killed, even by SIGKILL, it
//! kills what is left in the launcher's cgroups and removes them.
//!
//! Core and modules die with the launcher by themselves (PR_SET_PDEATHSIG); a cgroup directory does not. A
//! launcher that ends in order leaves nothing for the sweeper to do.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, pipe2, setsid};

use crate::cgroup::remove_leftovers;
use crate::error::{Error, system};
use crate::sys::parent::{self, Reap};

/// How long a dead launcher's helpers may hold its lock: two seconds, where they need some milliseconds.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// The launcher's hold on its sweeper: the sweeper acts when this is closed without a word, which is by death.
pub(crate) struct Sweeper {
    leash: OwnedFd,
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
        Ok(Self { leash, pidfd })
    }

    /// Tells the sweeper that nothing is left to do. Without this word, after an error or a panic as after a kill, it
    /// waits until the launcher is gone, and sweeps.
    pub(crate) fn dismiss(self) {
        let Self { leash, pidfd } = self;
        let _gone_already = nix::unistd::write(&leash, b".");
        let _nothing_to_reap = parent::reap(pidfd.as_fd(), Reap::Wait);
    }
}

fn sweep(leash: OwnedFd, directories: &[PathBuf], lock: &Path) -> ! {
    // A Ctrl-C is meant for the launcher; the sweeper ends when the launcher has ended.
    let _own_session = setsid();
    let _blocked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    release_other_descriptors(&leash);
    let in_order = File::from(leash).read(&mut [0_u8; 1]).is_ok_and(|count| count > 0);
    if in_order {
        parent::exit_now(0);
    }
    // A helper that the launcher had forked may hold the lock for a moment longer. Whoever has it after that is a new
    // launcher, which has swept: its cgroups have the same names.
    let Some(_only_one) = (0..TRIES).find_map(|_| take(lock)) else { parent::exit_now(0) };
    let swept = remove_leftovers(directories);
    parent::exit_now(i32::from(swept.is_err()))
}

/// Takes the lock, or waits a moment.
fn take(lock: &Path) -> Option<Flock<File>> {
    let opened = File::options().write(true).open(lock).ok()?;
    let taken = Flock::lock(opened, FlockArg::LockExclusiveNonblock).ok();
    if taken.is_none() {
        std::thread::sleep(PAUSE);
    }
    taken
}

/// Holds on to nothing of the launcher's: not its state lock, nor the pipe that a shell waits on.
fn release_other_descriptors(leash: &OwnedFd) {
    let own = leash.as_raw_fd();
    for number in 0..own {
        parent::close_number(number);
    }
    parent::close_numbers_from(own + 1);
}
