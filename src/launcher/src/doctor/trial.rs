//! Runs one trial in a forked child, so that what it changes of itself, or what kills it, stays there. A trial
//! never outlives its deadline.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, Pid, getegid, geteuid, pipe2};

use crate::host::{IdMap, write_id_maps};
use crate::sys::parent::{self, Ended, Reap};

/// What was seen; or why a thing cannot be had.
pub(super) type Found = Result<String, String>;

/// How long one trial may take. They take milliseconds; the kernel may be slow to make a namespace.
const DEADLINE_S: u16 = 30;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1024;

/// What the child writes first.
const SEEN: u8 = b'+';
const REFUSED: u8 = b'-';

/// Runs the trial in a child of its own.
pub(super) fn in_child(trial: &dyn Fn() -> Found) -> Found {
    attempt(trial).unwrap_or_else(|errno| Err(format!("fork a trial: {errno}")))
}

fn attempt(trial: &dyn Fn() -> Found) -> Result<Found, Errno> {
    let (ours, theirs) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match parent::fork()? {
        ForkResult::Child => {
            drop(ours);
            answer(theirs, &trial());
            parent::exit_now(0)
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            collect(child, ours)
        }
    }
}

fn answer(pipe: OwnedFd, found: &Found) {
    let (kind, text) = match found {
        Ok(text) => (SEEN, text),
        Err(text) => (REFUSED, text),
    };
    let mut bytes = vec![kind];
    bytes.extend(text.bytes().take(MAX_ANSWER_BYTES - 1));
    // A parent that is gone needs no answer.
    let _parent_gone = std::fs::File::from(pipe).write_all(&bytes);
}

fn collect(child: Pid, pipe: OwnedFd) -> Result<Found, Errno> {
    let pidfd = parent::pidfd_open(child)?;
    let mut waiting = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(i32::from(DEADLINE_S) * 1000).unwrap_or(PollTimeout::MAX);
    let ready = poll(&mut waiting, timeout)?;
    let mut bytes = Vec::new();
    if ready > 0 {
        let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
        let read = std::fs::File::from(pipe).take(limit).read_to_end(&mut bytes);
        read.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    } else {
        // It is in the kernel and does not come back; killed, it goes when the kernel lets it.
        let _already_dead = parent::pidfd_kill(pidfd.as_fd());
        return Ok(Err(format!("no answer within {DEADLINE_S} s")));
    }
    let ended = parent::reap(pidfd.as_fd(), Reap::Wait)?;
    Ok(match (bytes.split_first(), ended) {
        (Some((&SEEN, text)), _) => Ok(String::from_utf8_lossy(text).into_owned()),
        (Some((_, text)), _) => Err(String::from_utf8_lossy(text).into_owned()),
        (None, Some(Ended::Signaled(signal))) => {
            Err(format!("the trial was killed by signal {signal} (a seccomp filter around this process?)"))
        }
        (None, _) => Err("the trial ended without a word".to_owned()),
    })
}

/// Runs a part of a trial in a child of the trial's; gives how that ended.
pub(super) fn end_of(part: &dyn Fn()) -> Result<Option<Ended>, String> {
    match parent::fork().map_err(named("fork"))? {
        ForkResult::Child => {
            part();
            parent::exit_now(1)
        }
        ForkResult::Parent { child } => {
            let pidfd = parent::pidfd_open(child).map_err(named("pidfd_open"))?;
            parent::reap(pidfd.as_fd(), Reap::Wait).map_err(named("waitid P_PIDFD"))
        }
    }
}

/// Gives a trial the rights that the launcher has: a user's enters a user namespace of its own.
pub(super) fn as_launcher() -> Result<(), String> {
    if geteuid().is_root() { Ok(()) } else { new_user_namespace() }
}

/// Enters a new user namespace in which the own ids stay what they are.
pub(super) fn new_user_namespace() -> Result<(), String> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(named("unshare(CLONE_NEWUSER)"))?;
    write_id_maps("/proc/self", IdMap { inside: uid, outside: uid }, IdMap { inside: gid, outside: gid })
        .map_err(|error| error.to_string())
}

/// Names the call that was refused.
pub(super) fn named(call: &'static str) -> impl Fn(Errno) -> String {
    move |errno| format!("{call}: {errno}")
}
