//! Prepares the namespaces of one start before it is asked for: a forked helper makes them, builds the mount
//! tree inside, and is gone; descriptors keep them alive until the child joins.
//!
//! This takes the slow parts (a net namespace, mounts, pivot_root, waiting for the old root to go) out of the
//! launch itself, and lets them fail with a whole sentence instead of two numbers. Every start gets namespaces
//! of its own; none is ever used twice.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, Pid};

use crate::child::JoinedNamespaces;
use crate::error::{Error, file, system};
use crate::host::{Host, IdMap, Privilege, proc_of, raise, write_id_maps};
use crate::root::{Root, build};
use crate::sys::parent::{self, Reap};

/// The id every subject has inside its user namespace. Not 0: a uid that some program could take for root's.
pub(crate) const INSIDE_ID: u32 = 1000;

/// The longest sentence a failing helper sends.
const MAX_REPORT_BYTES: usize = 1024;
/// What a helper sends when it has done its part.
const DONE: &str = "done";

/// Whether the subject gets a net namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    /// An empty one.
    Own,
    /// The launcher's: the core's connections to the node.
    Launcher,
}

/// The uid and gid of the subject on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutsideId {
    /// Host uid.
    pub uid: u32,
    /// Host gid.
    pub gid: u32,
}

/// Makes the namespaces of one start.
///
/// # Errors
/// [`Error::Prepare`] with what the helper was doing and what to do about it.
pub(crate) fn prepare(
    host: &Host,
    subject: &str,
    root: &Root<'_>,
    net: Net,
    outside: OutsideId,
) -> Result<JoinedNamespaces, Error> {
    let (mut ours, theirs) = UnixStream::pair()
        .map_err(|error| prepare_error(subject, "make a socket pair", &error.to_string()))?;
    if host.privilege == Privilege::User {
        // A start makes the launcher's memory non-dumpable (the child changes its identity in it), and then
        // an ordinary user may not write the helper's id maps.
        nix::sys::prctl::set_dumpable(true).map_err(system("prctl PR_SET_DUMPABLE"))?;
    }
    let helper = match parent::fork().map_err(system("fork a helper"))? {
        ForkResult::Child => {
            drop(ours);
            help(theirs, root, net)
        }
        ForkResult::Parent { child } => Helper::new(child)?,
    };
    drop(theirs);
    collect(subject, &helper, &mut ours, net, outside)
}

/// Takes hold of the namespaces while the helper waits; the helper is killed and reaped when this returns.
fn collect(
    subject: &str,
    helper: &Helper,
    link: &mut UnixStream,
    net: Net,
    outside: OutsideId,
) -> Result<JoinedNamespaces, Error> {
    expect_done(subject, link)?;
    let proc = proc_of(helper.pid);
    let mount = open_namespace(&proc, "mnt")?;
    let ipc = open_namespace(&proc, "ipc")?;
    let net = match net {
        Net::Own => Some(open_namespace(&proc, "net")?),
        Net::Launcher => None,
    };
    // The user namespace comes last: the others are made by the launcher's user namespace and stay its own.
    link.write_all(b".").map_err(|error| prepare_error(subject, "tell the helper", &error.to_string()))?;
    expect_done(subject, link)?;
    write_id_maps(
        &proc,
        IdMap { inside: INSIDE_ID, outside: outside.uid },
        IdMap { inside: INSIDE_ID, outside: outside.gid },
    )?;
    let user = open_namespace(&proc, "user")?;
    Ok(JoinedNamespaces { mount, user, ipc, net })
}

fn expect_done(subject: &str, link: &mut UnixStream) -> Result<(), Error> {
    let mut buffer = [0_u8; MAX_REPORT_BYTES];
    let count = loop {
        match link.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(prepare_error(subject, "hear from the helper", &error.to_string())),
            Ok(count) => break count,
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
    match text.as_str() {
        DONE => Ok(()),
        "" => Err(prepare_error(subject, "prepare its namespaces", "the helper ended without a word")),
        _ => {
            let (doing, cause) = text.split_once('\n').unwrap_or((text.as_str(), ""));
            Err(prepare_error(subject, doing, cause))
        }
    }
}

fn prepare_error(subject: &str, doing: &str, cause: &str) -> Error {
    Error::Prepare {
        subject: subject.to_owned(),
        doing: doing.to_owned(),
        cause: cause.to_owned(),
        remedy: "`cofferdam check` tells what this host lacks; inside a container, allow namespaces and mounts",
    }
}

fn open_namespace(proc: &str, name: &str) -> Result<OwnedFd, Error> {
    let path = format!("{proc}/ns/{name}");
    let opened =
        File::open(&path).map_err(file("open", path, "is this kernel built with all namespaces?"))?;
    raise(&opened)
}

/// A forked helper, killed and reaped when dropped: it never outlives the preparation.
struct Helper {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Helper {
    fn new(pid: Pid) -> Result<Self, Error> {
        let pidfd = parent::pidfd_open(pid).map_err(system("pidfd_open"))?;
        Ok(Self { pid, pidfd })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        use std::os::fd::AsFd;
        // It may have ended by itself; then only the reaping is left.
        let _already_dead = parent::pidfd_kill(self.pidfd.as_fd());
        let _already_reaped = parent::reap(self.pidfd.as_fd(), Reap::Wait);
    }
}

/// The helper's life: make the namespaces, build the root, report, make the user namespace, report, wait.
fn help(mut link: UnixStream, root: &Root<'_>, net: Net) -> ! {
    let outcome = make(&mut link, root, net);
    let text = match &outcome {
        Ok(()) => DONE.to_owned(),
        Err((doing, cause)) => format!("{doing}\n{cause}"),
    };
    let bytes = text.as_bytes();
    // A launcher that is gone needs no report.
    let _launcher_gone = link.write_all(bytes.get(..MAX_REPORT_BYTES).unwrap_or(bytes));
    // Until the launcher has opened the namespaces it kills us; if it dies, the read ends.
    let _end = link.read(&mut [0_u8; 1]);
    parent::exit_now(0)
}

fn make(link: &mut UnixStream, root: &Root<'_>, net: Net) -> Result<(), (String, String)> {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    if net == Net::Own {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).map_err(|errno| ("make mount, ipc and net namespaces".to_owned(), errno.to_string()))?;
    build(root).map_err(|failure| (failure.doing, failure.cause))?;
    link.write_all(DONE.as_bytes()).map_err(|error| ("report".to_owned(), error.to_string()))?;
    let mut go = [0_u8; 1];
    link.read_exact(&mut go).map_err(|error| ("wait for the launcher".to_owned(), error.to_string()))?;
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| ("make a user namespace".to_owned(), errno.to_string()))
}
