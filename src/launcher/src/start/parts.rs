//! The parts of a plan: directories, pipes, sockets, the descriptors and strings that the child is handed.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use cofferdam_policy::profile::{Descriptor, Profile, Resource, Subject};
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

use super::Loaded;
use super::tasks::TaskRlimit;
use crate::cgroup::{Cgroup, Entry};
use crate::error::{Error, file, system};
use crate::host::{raise, set_nonblocking};
use crate::root::Bind;
use crate::sys::image::{ExecImage, c_string_lossy};
use crate::sys::parent;

pub(super) fn binds(loaded: &Loaded) -> Vec<Bind<'_>> {
    let data = &loaded.profile.data;
    let mut binds = vec![Bind {
        path: &loaded.data_path,
        source: &loaded.data,
        inside: &data.inside,
        access: data.access,
    }];
    binds.extend(loaded.profile.module_files.iter().zip(&loaded.module_files).map(|(rule, files)| Bind {
        path: &files.path,
        source: &files.directory,
        inside: &rule.directory.inside,
        access: rule.directory.access,
    }));
    binds.extend(loaded.profile.libraries.iter().zip(&loaded.libraries).map(|(rule, source)| Bind {
        path: Path::new(&rule.inside),
        source,
        inside: &rule.inside,
        access: rule.access,
    }));
    binds
}

pub(super) fn open_directory(path: &str) -> Result<OwnedFd, Error> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| {
        file("open", path, "a dynamic program needs it; or link the module statically")(errno.into())
    })
}

/// A pipe for what the subject logs: its end blocks, ours does not.
pub(super) fn log_pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(system("make a pipe"))?;
    set_nonblocking(&ours)?;
    Ok((ours, raise(&theirs)?))
}

/// The launcher's end, or the core's, and the subject's own.
pub(super) fn socket_pair(subject: &Subject) -> Result<(OwnedFd, OwnedFd), Error> {
    let kind = match subject {
        Subject::Module { .. } => SockType::Stream,
        Subject::Core => SockType::SeqPacket,
    };
    let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(system("make a socket pair"))?;
    Ok((ours, raise(&theirs)?))
}

pub(super) fn channel() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(system("make a socket pair"))
}

pub(super) fn inherited(
    profile: &Profile,
    socket: &OwnedFd,
    stdout: &OwnedFd,
    stderr: &OwnedFd,
) -> Result<Vec<OwnedFd>, Error> {
    let mut rules: Vec<_> = profile.descriptors.iter().collect();
    rules.sort_by_key(|rule| rule.number);
    rules
        .into_iter()
        .map(|rule| match (rule.what, rule.number) {
            (Descriptor::Null, _) => ended_input(),
            (Descriptor::Log, 1) => raise(stdout),
            (Descriptor::Log, _) => raise(stderr),
            (Descriptor::Ipc | Descriptor::Control, _) => raise(socket),
        })
        .collect()
}

/// An input that is at its end. A pipe of its own and not /dev/null, whose locks the whole host shares (flock(2)).
fn ended_input() -> Result<OwnedFd, Error> {
    let (input, _closed) = pipe2(OFlag::O_CLOEXEC).map_err(system("make a pipe"))?;
    raise(&input)
}

pub(super) fn enter(cgroup: Option<&Cgroup>) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), Error> {
    match cgroup.map(Cgroup::entry).transpose()? {
        None => Ok((Vec::new(), None)),
        Some(Entry::Tasks(tasks)) => Ok((tasks.iter().map(raise).collect::<Result<_, _>>()?, None)),
        Some(Entry::Born(directory)) => Ok((Vec::new(), Some(directory))),
    }
}

pub(super) fn image(profile: &Profile) -> ExecImage {
    let label = profile.subject.label();
    let arguments: Vec<CString> =
        [label].into_iter().chain(profile.arguments.iter().map(String::as_str)).map(c_string_lossy).collect();
    let environment = profile
        .environment
        .iter()
        .map(|rule| c_string_lossy(&format!("{}={}", rule.name, rule.value)))
        .collect();
    ExecImage::new(arguments, environment)
}

/// Resource numbers and limits. Where the launcher's own hard limit is lower, that one holds: it cannot be raised,
/// and is stricter.
pub(super) fn rlimits(profile: &Profile, tasks: TaskRlimit) -> Result<Vec<(u32, u64)>, Error> {
    profile
        .rlimits
        .iter()
        .filter(|rule| rule.resource != Resource::Nproc || tasks == TaskRlimit::Set)
        .map(|rule| {
            let number = resource(rule.resource);
            let hard = parent::hard_limit(number).map_err(system("getrlimit"))?;
            Ok((number, rule.value.min(hard)))
        })
        .collect()
}

fn resource(resource: Resource) -> u32 {
    match resource {
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Msgqueue => libc::RLIMIT_MSGQUEUE,
        Resource::Sigpending => libc::RLIMIT_SIGPENDING,
        Resource::Nice => libc::RLIMIT_NICE,
        Resource::Rtprio => libc::RLIMIT_RTPRIO,
        Resource::Nproc => libc::RLIMIT_NPROC,
    }
}
