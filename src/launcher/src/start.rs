//! A subject from its profile to its running process, in three stages.
//!
//! [`Loaded`] is made once: the program in its sealed memory file, the directories opened, the Landlock
//! ruleset. [`Prepared`] is made before each start, off its critical path: namespaces, cgroup, pipes, the
//! filter with its ticket. [`Launcher::launch`] clones, and [`Running`] is what the kernel shows to be confined.

mod parts;
mod quota;
mod running;
mod summary;
mod tasks;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use cofferdam_audit::Hash;
use cofferdam_config::Layer;
use cofferdam_policy::page::canonical;
use cofferdam_policy::profile::{Namespace, Network, Profile};

use crate::cgroup::{Cgroup, CgroupHost};
use crate::child::{self, FailureSlot, Groups, Numbers, Plan, Watching};
use crate::disk::DiskQuota;
use crate::error::{Error, file, system};
use crate::host::{Enforced, Host, Privilege, raise};
use crate::identity::Home;
use crate::landlock::{self, OpenedDirectory};
use crate::namespaces::{self, INSIDE_ID, Net, OutsideId};
use crate::program::Program;
use crate::root::Root;
use crate::sys::clone::{ChildStack, NewNamespaces, clone_and_wait};
use crate::sys::image::{DescriptorMessage, c_string_lossy};
use crate::sys::parent;
use crate::verify::{Expected, verify};
use crate::{filter, layers::Layers, tomoyo};

use parts::{binds, channel, enter, image, inherited, log_pipe, open_directory, rlimits, socket_pair};
pub use running::Running;
use running::{Accepted, Unverified, receive_listener};
use tasks::TaskRlimit;

/// Starts subjects. There is one, in a process of one thread.
pub struct Launcher {
    host: Host,
    cgroups: Option<CgroupHost>,
    layers: Layers,
    /// A directory of the launcher's own, on which helpers mount new roots in namespaces of their own.
    scratch: PathBuf,
    stack: ChildStack,
    task_rlimit: TaskRlimit,
}

/// A subject whose slow, one-time parts are done.
pub struct Loaded {
    profile: Profile,
    /// Of the profile as JSON; taken once, since a launch is not to wait for it.
    profile_hash: Hash,
    program: Program,
    data_path: PathBuf,
    data: OwnedFd,
    libraries: Vec<OwnedFd>,
    module_files: Vec<ModuleFiles>,
    ruleset: Option<OwnedFd>,
    outside: OutsideId,
    disk: DiskQuota,
    watching: Watching,
}

/// A module's data directory, of which the core gets a view.
#[derive(Debug)]
pub(crate) struct ModuleFiles {
    pub(crate) path: PathBuf,
    pub(crate) directory: OwnedFd,
    /// The group by which the core may enter it.
    pub(crate) gid: u32,
}

impl ModuleFiles {
    /// Those of a module's home.
    pub(crate) fn of(home: &Home) -> Result<Self, Error> {
        let directory = home.directory.try_clone().map_err(file("open again", &home.path, ""))?;
        Ok(Self { path: home.path.clone(), directory, gid: home.outside.gid })
    }
}

impl Loaded {
    /// The hash of what is executed.
    pub(crate) fn program_hash(&self) -> Hash {
        self.program.hash
    }

    /// The hash of what confines it, for the audit log.
    pub(crate) fn profile_hash(&self) -> Hash {
        self.profile_hash
    }

    /// From now on its starts are watched.
    pub(crate) fn watch(&mut self) {
        self.watching = Watching::Yes;
    }

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
    groups: Groups,
    network: Net,
}

impl Launcher {
    /// Takes over what was found out about the host.
    ///
    /// # Errors
    /// When there is no memory for a child's stack, or the kernel does not say which one it is.
    pub fn new(
        host: Host,
        cgroups: Option<CgroupHost>,
        layers: Layers,
        scratch: PathBuf,
    ) -> Result<Self, Error> {
        let stack = ChildStack::new().map_err(system("map a stack for children"))?;
        let cgroup = if cgroups.is_some() { Enforced::Yes } else { Enforced::No };
        let task_rlimit = TaskRlimit::settle(host.privilege, cgroup)?;
        Ok(Self { host, cgroups, layers, scratch, stack, task_rlimit })
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
    pub fn load(&self, profile: Profile, program: Program, home: Home) -> Result<Loaded, Error> {
        self.load_with(profile, program, home, Vec::new())
    }

    /// As [`Launcher::load`], with directories of modules: one for each of `profile.module_files`, in their order.
    pub(crate) fn load_with(
        &self,
        profile: Profile,
        program: Program,
        home: Home,
        module_files: Vec<ModuleFiles>,
    ) -> Result<Loaded, Error> {
        let Home { path: data_path, directory: data, outside } = home;
        let disk = self.limit_disk(&profile, &data, outside)?;
        let mut libraries = Vec::new();
        for rule in &profile.libraries {
            libraries.push(open_directory(&rule.inside)?);
        }
        let mut opened = vec![OpenedDirectory { directory: &data, access: profile.data.access }];
        opened.extend(profile.module_files.iter().zip(&module_files).map(|(rule, files)| OpenedDirectory {
            directory: &files.directory,
            access: rule.directory.access,
        }));
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
        let profile_hash = Hash::of(canonical(&profile).as_bytes());
        Ok(Loaded {
            profile,
            profile_hash,
            program,
            data_path,
            data,
            libraries,
            module_files,
            ruleset,
            outside,
            disk,
            watching: Watching::No,
        })
    }

    /// Makes everything that one start needs.
    ///
    /// # Errors
    /// [`Error`], naming the subject and the remedy; what was made is removed.
    pub fn prepare(&self, loaded: &Loaded) -> Result<Prepared, Error> {
        let profile = &loaded.profile;
        let label = profile.subject.label().to_owned();
        self.limit_disk_again(loaded)?;
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
            groups: self.groups(loaded),
            file_mode_mask: self.file_mode_mask(loaded),
            inside_id: INSIDE_ID,
            rlimits: rlimits(profile, self.task_rlimit)?,
            last_capability: self.host.last_capability,
            launcher: self.host.launcher_pidfd()?,
            inherited,
            program: raise(&loaded.program.image())?,
            listener_channel: raise(&child_channel)?,
            listener_message: DescriptorMessage::new(numbers.listener),
            ruleset,
            filter: match loaded.watching {
                Watching::No => filter::compile(&profile.syscalls, ticket)?,
                Watching::Yes => filter::compile_watched(&profile.syscalls, ticket)?,
            },
            watching: loaded.watching,
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
            groups: self.groups(loaded),
            network,
        })
    }

    /// Clones, lets the child confine itself and execute its program, and looks at the result from outside.
    /// On any error nothing of the start is left.
    ///
    /// # Errors
    /// [`Error::Step`] names the step that failed; [`Error::NotConfined`] a process that was killed.
    pub fn launch(&mut self, prepared: Prepared) -> Result<Running, Error> {
        let Prepared {
            label,
            plan,
            cgroup,
            born_in,
            listener_channel,
            stdout,
            stderr,
            peer,
            outside,
            groups,
            network,
        } = prepared;
        let new = NewNamespaces(libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP);
        let born_in = born_in.as_ref().map(AsFd::as_fd);
        let child = clone_and_wait(&mut self.stack, new, born_in, child::run, &plan)
            .map_err(system("clone3 (Linux 5.7 or newer)"))?;
        // From here it is killed and reaped if this function fails, and its cgroup after it.
        let child = Unverified::new(child);
        if let Some((step, errno)) = plan.failure.take() {
            let remedy = tomoyo::remedy(step, errno);
            return Err(Error::Step { subject: label, step, errno, remedy });
        }
        let listener = receive_listener(&label, &listener_channel)?;
        let expected = expected(&label, cgroup.as_ref(), outside, &groups, network);
        let Accepted { pid, pidfd, ended } = match verify(child.pid(), &expected) {
            Ok(()) => child.accept()?,
            Err(error) => child.end()?.ok_or(error)?,
        };
        Ok(Running { pid, pidfd, ended, listener, stdout, stderr, peer, cgroup })
    }

    /// Who limits the number of tasks, in words.
    pub(crate) const fn task_limit(&self) -> &'static str {
        self.task_rlimit.as_str()
    }

    fn make_cgroup(&self, profile: &Profile) -> Result<Option<Cgroup>, Error> {
        self.cgroups
            .as_ref()
            .map(|host| Cgroup::create(host, profile.subject.label(), &profile.limits))
            .transpose()
    }

    fn groups(&self, loaded: &Loaded) -> Groups {
        match self.host.privilege {
            Privilege::Root => Groups::Only(loaded.module_files.iter().map(|files| files.gid).collect()),
            Privilege::User => Groups::Keep,
        }
    }

    /// New files are for the owner alone, but where core and module have different uids and share a directory: there
    /// they are for its group too, which is the module's own.
    fn file_mode_mask(&self, loaded: &Loaded) -> usize {
        let shares = loaded.profile.shares_files() || !loaded.module_files.is_empty();
        if self.host.privilege == Privilege::Root && shares { 0o007 } else { 0o077 }
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

/// What must be seen of a subject.
fn expected<'a>(
    subject: &'a str,
    cgroup: Option<&Cgroup>,
    outside: OutsideId,
    groups: &Groups,
    network: Net,
) -> Expected<'a> {
    let net = (network == Net::Own).then_some(Namespace::Net);
    let own = Namespace::ALL.into_iter().filter(|namespace| *namespace != Namespace::Net).chain(net);
    Expected {
        subject,
        outside,
        own_namespaces: own.map(Namespace::as_str).collect(),
        groups: match groups {
            Groups::Only(groups) => Some(in_order(groups)),
            Groups::Keep => None,
        },
        cgroups: cgroup.map(Cgroup::membership).unwrap_or_default(),
    }
}

/// As the kernel shows them: in order of their numbers.
fn in_order(groups: &[u32]) -> String {
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // The supervisor has removed them and reported what failed; this is for who uses the launcher alone.
        let _reported = self.remove_cgroups();
    }
}
