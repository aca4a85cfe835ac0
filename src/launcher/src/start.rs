//! A subject from its profile to its running process, in three stages.
//!
//! [`Loaded`] is made once: the program in its sealed memory file, the directories opened, the Landlock
//! ruleset. [`Prepared`] is made before each start, off its critical path: namespaces, cgroup, pipes, the
//! filter with its ticket. [`Launcher::launch`] clones, and [`Running`] is what the kernel shows to be confined.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_config::Layer;
use cofferdam_policy::profile::{Descriptor, Namespace, Network, Profile, Resource, Subject, Verdict};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, pipe2};

use crate::cgroup::{Cgroup, CgroupHost, Entry};
use crate::child::{self, FailureSlot, Groups, Numbers, Plan};
use crate::error::{Error, file, system};
use crate::identity::Home;
use crate::host::{Host, Privilege, raise, set_nonblocking};
use crate::landlock::{self, OpenedDirectory};
use crate::namespaces::{self, INSIDE_ID, Net, OutsideId};
use crate::program::Program;
use crate::root::{Bind, Root};
use crate::sys::clone::{ChildStack, NewNamespaces, clone_and_wait};
use crate::sys::image::{DescriptorMessage, ExecImage, c_string_lossy};
use crate::sys::parent;
use crate::verify::{Expected, verify};
use crate::{filter, layers::Layers};

/// Starts subjects. There is one, in a process of one thread.
pub struct Launcher {
    host: Host,
    cgroups: Option<CgroupHost>,
    layers: Layers,
    /// A directory of the launcher's own, on which helpers mount new roots in namespaces of their own.
    scratch: PathBuf,
    stack: ChildStack,
}

/// A subject whose slow, one-time parts are done.
pub struct Loaded {
    profile: Profile,
    program: Program,
    data_path: PathBuf,
    data: OwnedFd,
    libraries: Vec<OwnedFd>,
    ruleset: Option<OwnedFd>,
    outside: OutsideId,
}

impl Loaded {
    /// What confines it.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }
}

/// A start that waits only to be asked for.
pub struct Prepared {
    label: String,
    plan: Plan,
    cgroup: Option<Cgroup>,
    born_in: Option<OwnedFd>,
    listener_channel: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    peer: OwnedFd,
    outside: OutsideId,
    network: Net,
}

/// A confined process that runs.
pub struct Running {
    /// Its process id in the launcher's pid namespace.
    pub(crate) pid: Pid,
    /// Its pidfd: readable when it has ended.
    pub(crate) pidfd: OwnedFd,
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

impl Launcher {
    /// Takes over what was found out about the host.
    #[must_use]
    pub fn new(host: Host, cgroups: Option<CgroupHost>, layers: Layers, scratch: PathBuf) -> Self {
        Self { host, cgroups, layers, scratch, stack: ChildStack::new() }
    }

    /// What was found out about the host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Does the one-time parts for a subject.
    ///
    /// # Errors
    /// When a library directory is missing or the ruleset cannot be had.
    pub fn load(
        &self,
        profile: Profile,
        program: Program,
        home: Home,
    ) -> Result<Loaded, Error> {
        let Home { path: data_path, directory: data, outside } = home;
        let mut libraries = Vec::new();
        for rule in &profile.libraries {
            libraries.push(open_directory(&rule.inside)?);
        }
        let mut opened = vec![OpenedDirectory { directory: &data, access: profile.data.access }];
        opened.extend(
            profile
                .libraries
                .iter()
                .zip(&libraries)
                .map(|(rule, directory)| OpenedDirectory { directory, access: rule.access }),
        );
        let ruleset = if self.host.landlock_abi == 0 {
            self.layers.require_missing(Layer::Landlock, "this kernel has no Landlock")?;
            None
        } else {
            Some(landlock::ruleset(&profile, &opened, self.host.landlock_abi)?)
        };
        Ok(Loaded { profile, program, data_path, data, libraries, ruleset, outside })
    }

    /// Makes everything that one start needs.
    ///
    /// # Errors
    /// [`Error`], naming the subject and the remedy; what was made is removed.
    pub fn prepare(&self, loaded: &Loaded) -> Result<Prepared, Error> {
        let profile = &loaded.profile;
        let label = profile.subject.label().to_owned();
        let network = match profile.network {
            Network::None { .. } => Net::Own,
            Network::Host { .. } => Net::Launcher,
        };
        let root = Root { scratch: &self.scratch, binds: binds(loaded) };
        let namespaces = namespaces::prepare(&self.host, &label, &root, network, loaded.outside)?;
        let (stdout, stdout_theirs) = log_pipe()?;
        let (stderr, stderr_theirs) = log_pipe()?;
        let (peer, theirs) = socket_pair(&profile.subject)?;
        let inherited = inherited(profile, &theirs, &stdout_theirs, &stderr_theirs)?;
        let (listener_channel, child_channel) = channel()?;
        let ticket = parent::random_u64().map_err(system("getrandom"))?;
        let ruleset = loaded.ruleset.as_ref().map(raise).transpose()?;
        let numbers = Numbers::new(&inherited, ruleset.as_ref());
        let cgroup = self.make_cgroup(profile)?;
        let (cgroup_tasks, born_in) = enter(cgroup.as_ref())?;
        let plan = Plan {
            cgroup_tasks,
            namespaces,
            hostname: c_string_lossy(&label),
            groups: self.groups(),
            inside_id: INSIDE_ID,
            rlimits: profile.rlimits.iter().map(|rule| (resource(rule.resource), rule.value)).collect(),
            last_capability: self.host.last_capability,
            launcher: self.host.launcher_pidfd()?,
            inherited,
            program: raise(&loaded.program.image())?,
            listener_channel: raise(&child_channel)?,
            listener_message: DescriptorMessage::new(numbers.listener),
            ruleset,
            filter: filter::compile(&profile.syscalls, ticket)?,
            ticket,
            image: image(profile),
            numbers,
            failure: FailureSlot::default(),
        };
        Ok(Prepared {
            label,
            plan,
            cgroup,
            born_in,
            listener_channel,
            stdout,
            stderr,
            peer,
            outside: loaded.outside,
            network,
        })
    }

    /// Clones, lets the child confine itself and execute its program, and looks at the result from outside.
    /// On any error nothing of the start is left.
    ///
    /// # Errors
    /// [`Error::Step`] names the step that failed; [`Error::NotConfined`] a process that was killed.
    pub fn launch(&mut self, prepared: Prepared) -> Result<Running, Error> {
        let Prepared { label, plan, cgroup, born_in, listener_channel, stdout, stderr, peer, outside, network } =
            prepared;
        let new = NewNamespaces(libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP);
        let born_in = born_in.as_ref().map(AsFd::as_fd);
        let started = clone_and_wait(&mut self.stack, new, born_in, child::run, &plan)
            .map_err(system("clone3 (Linux 5.7 or newer)"))
            .and_then(|child| {
                let confined = Unverified { pid: Pid::from_raw(child.pid), pidfd: Some(child.pidfd) };
                match plan.failure.take() {
                    Some((step, errno)) => Err(Error::Step { subject: label.clone(), step, errno }),
                    None => self.accept(&label, confined, cgroup.as_ref(), &listener_channel, outside, network),
                }
            });
        match started {
            Ok((pid, pidfd, listener)) => {
                Ok(Running { pid, pidfd, listener, stdout, stderr, peer, cgroup })
            }
            Err(error) => {
                if let Some(cgroup) = cgroup {
                    cgroup.remove()?;
                }
                Err(error)
            }
        }
    }

    fn accept(
        &self,
        label: &str,
        child: Unverified,
        cgroup: Option<&Cgroup>,
        channel: &OwnedFd,
        outside: OutsideId,
        network: Net,
    ) -> Result<(Pid, OwnedFd, OwnedFd), Error> {
        let listener = receive_listener(label, channel)?;
        let net = (network == Net::Own).then_some(Namespace::Net);
        let own_namespaces =
            Namespace::ALL.into_iter().filter(|namespace| *namespace != Namespace::Net).chain(net);
        let expected = Expected {
            subject: label,
            outside,
            own_namespaces: own_namespaces.map(Namespace::as_str).collect(),
            groups: (self.groups() == Groups::Drop).then_some(""),
            cgroups: cgroup.map(Cgroup::membership).unwrap_or_default(),
        };
        if let Err(error) = verify(child.pid, &expected)
            && !child.ends_soon()
        {
            return Err(error);
        }
        let (pid, pidfd) = child.accepted()?;
        Ok((pid, pidfd, listener))
    }

    fn make_cgroup(&self, profile: &Profile) -> Result<Option<Cgroup>, Error> {
        self.cgroups
            .as_ref()
            .map(|host| Cgroup::create(host, profile.subject.label(), &profile.limits))
            .transpose()
    }

    fn groups(&self) -> Groups {
        match self.host.privilege {
            Privilege::Root => Groups::Drop,
            Privilege::User => Groups::Keep,
        }
    }

    /// A running subject's confinement in one line, for the operator.
    pub(crate) fn confinement(&self, loaded: &Loaded, running: &Running) -> String {
        let profile = &loaded.profile;
        let namespaces: Vec<_> = profile.namespaces.iter().map(|rule| rule.namespace.as_str()).collect();
        let landlock = match self.host.landlock_abi {
            0 => "NO landlock".to_owned(),
            abi => format!("landlock abi {abi}"),
        };
        let allowed = profile
            .syscalls
            .rules
            .values()
            .filter(|rules| rules.clauses.iter().any(|clause| clause.verdict == Verdict::Allow))
            .count();
        let limits = &profile.limits;
        let cgroup = match &running.cgroup {
            Some(cgroup) => format!(
                "cgroup {} {} MiB, {} % cpu, {} tasks",
                cgroup.version(),
                limits.memory_bytes.value / (1024 * 1024),
                limits.cpu_percent.value,
                limits.tasks.value
            ),
            None => "NO cgroup".to_owned(),
        };
        let hash = loaded.program.hash.to_string();
        format!(
            "pid {}, uid {}, namespaces {}; {landlock}; seccomp {allowed} calls; {cgroup}; sha256 {}",
            running.pid,
            loaded.outside.uid,
            namespaces.join(" "),
            hash.get(..16).unwrap_or(&hash)
        )
    }

    /// Removes the launcher's own cgroup directories; every subject's is gone by then.
    pub(crate) fn remove_cgroups(&self) -> Result<(), Error> {
        self.cgroups.as_ref().map_or(Ok(()), CgroupHost::remove)
    }

    /// The launcher's own cgroup directories, to be swept when it is gone.
    pub(crate) fn cgroup_directories(&self) -> Vec<PathBuf> {
        self.cgroups.as_ref().map(CgroupHost::directories).unwrap_or_default()
    }

    /// Removes what a prepared start had made, when it is not to be launched.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn discard(prepared: Prepared) -> Result<(), Error> {
        prepared.cgroup.map_or(Ok(()), Cgroup::remove)
    }
}

/// How long the last part of a process's end may take, in milliseconds.
const ENDING: u8 = 100;

/// A child until it is known to be confined: killed and reaped when dropped.
struct Unverified {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Unverified {
    /// A program that has already ended shows nothing in /proc, and is no danger: its end is reported as such. The
    /// kernel takes its namespaces away a moment before it says that the process has ended.
    fn ends_soon(&self) -> bool {
        let Some(pidfd) = &self.pidfd else { return true };
        let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut ended, ENDING), Ok(1))
    }

    /// It is what it should be: it lives on.
    fn accepted(mut self) -> Result<(Pid, OwnedFd), Error> {
        let pidfd = self.pidfd.take().ok_or(Error::System { doing: "keep the pidfd", errno: Errno::EBADF })?;
        Ok((self.pid, pidfd))
    }
}

impl Drop for Unverified {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended by itself; then only the reaping is left.
            let _already_dead = parent::pidfd_kill(pidfd.as_fd());
            let _already_reaped = parent::reap(pidfd.as_fd(), parent::Reap::Wait);
        }
    }
}

/// Exec has closed the child's copy of the listener, and before it the message was sent: it is there or never.
fn receive_listener(label: &str, channel: &OwnedFd) -> Result<OwnedFd, Error> {
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

fn binds(loaded: &Loaded) -> Vec<Bind<'_>> {
    let data = &loaded.profile.data;
    let mut binds = vec![Bind { path: &loaded.data_path, source: &loaded.data, inside: &data.inside, access: data.access }];
    binds.extend(
        loaded
            .profile
            .libraries
            .iter()
            .zip(&loaded.libraries)
            .map(|(rule, source)| Bind { path: Path::new(&rule.inside), source, inside: &rule.inside, access: rule.access }),
    );
    binds
}

fn open_directory(path: &str) -> Result<OwnedFd, Error> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| {
        file("open", path, "a dynamic program needs it; or link the module statically")(errno.into())
    })
}

/// A pipe for what the subject logs: its end blocks, ours does not.
fn log_pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(system("make a pipe"))?;
    set_nonblocking(&ours)?;
    Ok((ours, raise(&theirs)?))
}

/// The launcher's end, or the core's, and the subject's own.
fn socket_pair(subject: &Subject) -> Result<(OwnedFd, OwnedFd), Error> {
    let kind = match subject {
        Subject::Module { .. } => SockType::Stream,
        Subject::Core => SockType::SeqPacket,
    };
    let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(system("make a socket pair"))?;
    Ok((ours, raise(&theirs)?))
}

fn channel() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(system("make a socket pair"))
}

fn inherited(
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
            (Descriptor::Null, _) => null(),
            (Descriptor::Log, 1) => raise(stdout),
            (Descriptor::Log, _) => raise(stderr),
            (Descriptor::Ipc | Descriptor::Control, _) => raise(socket),
        })
        .collect()
}

fn null() -> Result<OwnedFd, Error> {
    let opened = open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    raise(&opened.map_err(|errno| file("open", "/dev/null", "")(errno.into()))?)
}

fn enter(cgroup: Option<&Cgroup>) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), Error> {
    match cgroup.map(Cgroup::entry).transpose()? {
        None => Ok((Vec::new(), None)),
        Some(Entry::Tasks(tasks)) => Ok((tasks.iter().map(raise).collect::<Result<_, _>>()?, None)),
        Some(Entry::Born(directory)) => Ok((Vec::new(), Some(directory))),
    }
}

fn image(profile: &Profile) -> ExecImage {
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
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // The supervisor has removed them and reported what failed; this is for who uses the launcher alone.
        let _reported = self.remove_cgroups();
    }
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
        // It may have ended by itself; then only the reaping is left.
        let _already_dead = parent::pidfd_kill(self.pidfd.as_fd());
        parent::reap(self.pidfd.as_fd(), parent::Reap::Wait).map_err(system("wait for a child"))?;
        self.cgroup.map_or(Ok(()), Cgroup::remove)
    }
}
