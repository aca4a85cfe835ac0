//! The steps of a launch, in order, and the sentence that tells the operator what to do when one fails.
//!
//! docs/launch-sequence.md lists the same steps, each with its reason; a test compares the two.

/// One step between clone and exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// setsid(2)
    NewSession = 1,
    /// umask(2), default actions for signals
    ResetProcess,
    /// cgroup v1: write "0" to each `tasks` file (v2: the child is born inside)
    EnterCgroup,
    /// setns(2) into a fresh ipc namespace
    JoinIpcNamespace,
    /// setns(2) into a fresh net namespace
    JoinNetNamespace,
    /// setns(2) into the mount namespace whose root was prepared
    JoinMountNamespace,
    /// sethostname(2) in the new uts namespace
    SetHostname,
    /// setgroups(2)
    DropGroups,
    /// setns(2) into the user namespace
    JoinUserNamespace,
    /// setresgid(2), setresuid(2)
    SetIdentity,
    /// prlimit(2)
    SetLimits,
    /// prctl(2) `PR_CAPBSET_DROP`, `PR_CAP_AMBIENT`, `PR_SET_SECUREBITS`; capset(2)
    DropCapabilities,
    /// keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`
    NewKeyring,
    /// prctl(2) `PR_SET_PDEATHSIG`
    DieWithLauncher,
    /// dup3(2), close_range(2)
    PlaceDescriptors,
    /// prctl(2) `PR_SET_NO_NEW_PRIVS`
    NoNewPrivileges,
    /// landlock_restrict_self(2)
    EnforceLandlock,
    /// rt_sigprocmask(2)
    UnblockSignals,
    /// seccomp(2), and its listener sent to the launcher
    LoadFilter,
    /// execveat(2)
    Execute,
}

impl Step {
    /// Every step, in the order in which the child takes them.
    pub const ALL: [Self; 20] = [
        Self::NewSession,
        Self::ResetProcess,
        Self::EnterCgroup,
        Self::JoinIpcNamespace,
        Self::JoinNetNamespace,
        Self::JoinMountNamespace,
        Self::SetHostname,
        Self::DropGroups,
        Self::JoinUserNamespace,
        Self::SetIdentity,
        Self::SetLimits,
        Self::DropCapabilities,
        Self::NewKeyring,
        Self::DieWithLauncher,
        Self::PlaceDescriptors,
        Self::NoNewPrivileges,
        Self::EnforceLandlock,
        Self::UnblockSignals,
        Self::LoadFilter,
        Self::Execute,
    ];

    /// The step's name in docs and errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewSession => "new-session",
            Self::ResetProcess => "reset-process",
            Self::EnterCgroup => "enter-cgroup",
            Self::JoinIpcNamespace => "join-ipc-namespace",
            Self::JoinNetNamespace => "join-net-namespace",
            Self::JoinMountNamespace => "join-mount-namespace",
            Self::SetHostname => "set-hostname",
            Self::DropGroups => "drop-groups",
            Self::JoinUserNamespace => "join-user-namespace",
            Self::SetIdentity => "set-identity",
            Self::SetLimits => "set-limits",
            Self::DropCapabilities => "drop-capabilities",
            Self::NewKeyring => "new-keyring",
            Self::DieWithLauncher => "die-with-launcher",
            Self::PlaceDescriptors => "place-descriptors",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::EnforceLandlock => "enforce-landlock",
            Self::UnblockSignals => "unblock-signals",
            Self::LoadFilter => "load-filter",
            Self::Execute => "execute",
        }
    }

    /// What the operator can do when the step fails.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::EnterCgroup => {
                "is the cgroup still there, and does its cpu controller allow this scheduling class?"
            }
            Self::JoinIpcNamespace
            | Self::JoinNetNamespace
            | Self::JoinMountNamespace
            | Self::JoinUserNamespace
            | Self::SetHostname => "does an outer sandbox or seccomp profile forbid setns or sethostname?",
            Self::DropGroups | Self::SetIdentity => {
                "are sandbox.uid_base and its blocks free for the launcher to use?"
            }
            Self::NewKeyring => "raise kernel.keys.maxkeys or let the user's old keyrings expire",
            Self::PlaceDescriptors => "Linux 5.9 or newer is needed (close_range)",
            Self::EnforceLandlock => {
                "boot with landlock in the lsm= list, or name \"landlock\" in sandbox.allow_missing"
            }
            Self::LoadFilter => {
                "Linux 5.0 or newer with CONFIG_SECCOMP_FILTER is needed, outside another seccomp listener"
            }
            Self::Execute => "is the entry point an executable for this machine, and its loader present?",
            Self::NewSession
            | Self::ResetProcess
            | Self::SetLimits
            | Self::DropCapabilities
            | Self::DieWithLauncher
            | Self::NoNewPrivileges
            | Self::UnblockSignals => "does an outer sandbox or seccomp profile forbid the call?",
        }
    }

    #[expect(clippy::as_conversions, reason = "a fieldless enum's own discriminant")]
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.number() == number)
    }
}
