//! The profile: everything a confined program may do, complete, as plain data, each rule with its reason.
//!
//! A profile names kernel objects and numbers, never descriptors or host paths of a particular start: those
//! belong to the launcher's plan. It is what the auditor's page prints and what the launcher enforces, so
//! nothing the launcher decides about a module may be missing here.

mod limits;
mod syscalls;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use cofferdam_manifest::{Capability, CapabilitySet, EventName, ModuleName};
use serde::{Deserialize, Serialize};

pub use limits::{CoreLimits, DiskLimits, Limit, Limits};
pub use syscalls::{Clause, Condition, Errno, SyscallPolicy, SyscallRules, Verdict};

/// Where a module finds its own data directory.
pub const DATA_INSIDE: &str = "/data";
/// Where the core finds its state directory.
pub const STATE_INSIDE: &str = "/state";

/// All that one confined program may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Whom it confines.
    pub subject: Subject,
    /// How the program is linked; a dynamic one needs its loader and libraries.
    pub linkage: Linkage,
    /// Namespaces it gets of its own.
    pub namespaces: Vec<NamespaceRule>,
    /// The one directory that is its own, and the only one it may write, if it may write at all.
    pub data: DirectoryRule,
    /// Data directories of modules that the core reads and writes for them; only the core has any.
    pub module_files: Vec<ModuleFilesRule>,
    /// Directories it may read and execute from; empty for a static program.
    pub libraries: Vec<DirectoryRule>,
    /// What it may reach over the network.
    pub network: Network,
    /// Where it serves the operator's tools; only the core does, and only where the operator wants it.
    pub interface: Option<InterfaceRule>,
    /// Its system calls.
    pub syscalls: SyscallPolicy,
    /// What its cgroup and its file system allow.
    pub limits: Limits,
    /// What it may take of the core; none for the core itself.
    pub core_limits: Option<CoreLimits>,
    /// Its process resource limits (getrlimit(2)).
    pub rlimits: Vec<RlimitRule>,
    /// The whole of its environment.
    pub environment: Vec<EnvironmentRule>,
    /// The whole of its command line after the program's name.
    pub arguments: Vec<String>,
    /// The descriptors it starts with; no other is open.
    pub descriptors: Vec<DescriptorRule>,
    /// Capabilities declared and granted: with the calls table, the whole of what it may ask of the core.
    pub granted: CapabilitySet,
    /// The event types that it may publish; empty without the capability for it.
    pub publishes: BTreeSet<EventName>,
    /// Capabilities declared but not granted by the operator.
    pub withheld: CapabilitySet,
    /// Layers that the operator allows to be missing. Empty unless the config says so by name.
    pub weakened_by: Vec<Weakening>,
}

/// Whom a profile confines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A module.
    Module {
        /// Its name.
        name: ModuleName,
        /// Its version.
        version: String,
    },
    /// The host core.
    Core,
}

impl Subject {
    /// The name that logs, cgroups and errors use.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Module { name, .. } => name.as_ref(),
            Self::Core => "core",
        }
    }
}

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Linkage {
    /// No interpreter: it runs from a sealed memory file and its sandbox holds no program file.
    Static,
    /// It names an interpreter (`PT_INTERP`): library directories are bound read-only.
    Dynamic,
}

/// A namespace of namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// user_namespaces(7)
    User,
    /// mount_namespaces(7)
    Mount,
    /// pid_namespaces(7)
    Pid,
    /// network_namespaces(7)
    Net,
    /// ipc_namespaces(7)
    Ipc,
    /// uts_namespaces(7)
    Uts,
    /// cgroup_namespaces(7)
    Cgroup,
}

impl Namespace {
    /// All of them, in the order in which pages list them.
    pub const ALL: [Self; 7] =
        [Self::User, Self::Mount, Self::Pid, Self::Net, Self::Ipc, Self::Uts, Self::Cgroup];

    /// The name that /proc/PID/ns uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
        }
    }
}

/// One namespace and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceRule {
    /// Which one.
    pub namespace: Namespace,
    /// Why it has one of its own.
    pub why: String,
}

/// What may be done below a directory. Neither kind lets devices, set-user-ID bits or symbolic links to
/// elsewhere take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read, write, create, remove, rename; never execute.
    ReadWrite,
    /// Read; never write or execute.
    Read,
    /// Read and execute; never write.
    ReadExecute,
}

/// One directory of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryRule {
    /// Its absolute path inside the sandbox. For libraries also its path on the host.
    pub inside: String,
    /// What may be done below it.
    pub access: Access,
    /// Why it is there.
    pub why: String,
}

/// The data directory of a module, which the core reads and writes for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleFilesRule {
    /// The module.
    pub module: ModuleName,
    /// The directory, as the core sees it.
    pub directory: DirectoryRule,
}

/// A socket on which it accepts connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceRule {
    /// The address that the launcher listens on.
    pub address: SocketAddr,
    /// Why.
    pub why: String,
}

impl Profile {
    /// The directories that it may use: its own, those of modules, and those with libraries.
    pub fn directories(&self) -> impl Iterator<Item = &DirectoryRule> {
        let of_modules = self.module_files.iter().map(|files| &files.directory);
        std::iter::once(&self.data).chain(of_modules).chain(&self.libraries)
    }

    /// The quota of its database, if it may have one.
    #[must_use]
    pub fn database_bytes(&self) -> Option<u64> {
        let of_storage = [Capability::ReadStorage, Capability::WriteStorage, Capability::ManageStorage];
        let has_one = of_storage.into_iter().any(|capability| self.granted.contains(capability));
        self.core_limits.as_ref().filter(|_| has_one).map(|limits| limits.storage_bytes.value)
    }

    /// Whether the core reads and writes files in its data directory, when it asks for that.
    #[must_use]
    pub fn shares_files(&self) -> bool {
        let of_files =
            [Capability::ReadFilesystem, Capability::WriteFilesystem, Capability::ManageFilesystem];
        of_files.into_iter().any(|capability| self.granted.contains(capability))
    }
}

/// What a program may reach over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A network namespace with no interface but a loopback that is down.
    None {
        /// Why.
        why: String,
    },
    /// The host's network, cut down to TCP connections to these ports (Landlock ABI 4), and no listening.
    Host {
        /// The only TCP ports it may connect to; empty: none.
        connect_ports: Vec<u16>,
        /// Why.
        why: String,
    },
}

/// A resource of getrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Resource {
    /// RLIMIT_NOFILE, descriptors
    Nofile,
    /// RLIMIT_CORE, bytes
    Core,
    /// RLIMIT_FSIZE, bytes
    Fsize,
    /// RLIMIT_MEMLOCK, bytes
    Memlock,
    /// RLIMIT_MSGQUEUE, bytes
    Msgqueue,
    /// RLIMIT_SIGPENDING, signals
    Sigpending,
    /// RLIMIT_NICE
    Nice,
    /// RLIMIT_RTPRIO
    Rtprio,
    /// RLIMIT_NPROC, threads and processes of a uid.
    ///
    /// Since Linux 5.14 the kernel counts those of the uid in one user namespace: those of this program alone,
    /// even where several run as one user. Before, it counts those of the uid on the whole host. A launcher run
    /// as root gives each program a uid of its own, which makes that the same; one run by a user gives all of them
    /// its own uid, and the operator's other processes count too.
    Nproc,
}

/// One resource limit, soft and hard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RlimitRule {
    /// Which.
    pub resource: Resource,
    /// Soft and hard limit.
    pub value: u64,
    /// Why this much.
    pub why: String,
}

/// One variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRule {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Why it is set.
    pub why: String,
}

/// One descriptor that the program starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorRule {
    /// Its number.
    pub number: u8,
    /// What it is.
    pub what: Descriptor,
    /// Why it has it.
    pub why: String,
}

/// What a descriptor that is handed to a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// An input that is at its end: a pipe of its own, whose other end is closed.
    Null,
    /// The launcher's end reads what is written, limits and logs it.
    Log,
    /// A module's connection to the core.
    Ipc,
    /// The core's connection to the launcher.
    Control,
}

/// A layer that the operator's config allows to be missing, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weakening {
    /// The layer's name in the config.
    pub layer: String,
    /// What a module can do when it is missing.
    pub consequence: String,
}

/// One line of the calls table, as the page prints it. The table itself lives with the protocol; this crate
/// gets it as an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallLine {
    /// The call's name.
    pub name: String,
    /// What it needs; `None`: nothing.
    pub capability: Option<Capability>,
    /// What it does, one line.
    pub summary: String,
}
