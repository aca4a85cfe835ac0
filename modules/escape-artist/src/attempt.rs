//! What an attempt is, what it can meet, and what it should meet in the sandbox.

use std::fmt;
use std::io;
use std::pin::Pin;

use cofferdam_sdk::{ModuleIntegration, NodeApi, SdkError};
pub(crate) use nix::errno::Errno;

pub(crate) use crate::context::Context;
pub(crate) use crate::needs::Needs;

/// One way to reach out of the sandbox.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// In kebab-case; names the attempt in reports, settings, tests, and the file that it stands in.
    pub(crate) name: &'static str,
    /// What it tries, as it follows "tried to".
    pub(crate) tries: &'static str,
    /// What answers it.
    pub(crate) layer: Layer,
    /// What it should meet when confined, where no layer is missing.
    expected: Expected,
    /// What it should meet where this layer is missing.
    without: Option<(&'static str, Expected)>,
    /// What its control needs of the machine.
    pub(crate) needs: Needs,
    pub(crate) run: Run,
}

/// The layer that answers an attempt, the first of them if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Its root holds nothing but its data directory, which is mounted noexec, nodev and nosuid.
    Mounts,
    Landlock,
    /// The system call filter.
    Seccomp,
    Namespaces,
    /// It has no Linux capability.
    LinuxCapabilities,
    Cgroup,
    Rlimits,
    /// It is given the descriptors 0 to 3 only.
    Descriptors,
    /// The launcher reads its log as fast as the operator allows.
    Launcher,
    /// The core asks who calls and what was granted.
    Core,
}

/// The code of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    /// An act on the kernel: the same code confined and unconfined, so that its control is itself.
    Kernel(fn(&Context) -> Tried),
    /// An act on the core. Its control is within it: the same act on what is its own, which has to succeed first.
    Core(fn(Host) -> Pending),
    /// An act in place of the handshake. Its control is the handshake of every other attempt.
    Handshake(fn(Args) -> Pending),
}

/// An attempt on the core, under way.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Tried>>>;

/// The core, as an attempt on it has it.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) node: NodeApi,
    /// Another module's name.
    pub(crate) other: String,
}

/// With what a session is opened.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    pub(crate) socket_path: std::path::PathBuf,
    pub(crate) other: String,
}

/// What an attempt should meet in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The call returns this error, and the module goes on.
    Errno(Errno),
    /// The launcher kills the module: no program makes this call by accident.
    Killed,
    /// The kernel kills the module: its cgroup has no more memory.
    OutOfMemory,
    /// The call is allowed, and what it looks for is not there.
    Nothing,
    /// The call is allowed, and limited by whoever is at its other end.
    Contained,
    /// The core answers with this error, by its name in the protocol, and the session goes on.
    Api(&'static str),
    /// The core ends the session.
    Disconnected,
}

/// What an attempt met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Met {
    /// It did what it meant to do; the text says what that was.
    Succeeded(String),
    /// It was let through and found nothing; the text says what there was instead.
    Nothing(String),
    /// It was refused.
    Errno(Errno),
    /// The core refused it, with this error.
    Api(String),
    /// The core ended the session; the text says what it said.
    Disconnected(String),
    /// The same act on what is its own failed, so that the attempt proves nothing.
    NoControl(String),
}

/// What the code of an attempt returns.
pub(crate) type Tried = Result<Met, Refused>;

/// Who refused, and how.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The error of a system call, from whichever crate made it.
    Errno(Errno),
    /// The error of a call of the node API, by its name.
    Api(String),
    /// There is no session any more.
    Disconnected(String),
    /// Nobody: it was the act on what is its own.
    NoControl(String),
}

impl Attempt {
    /// An attempt that should be answered with an error.
    pub(crate) const fn refused(
        name: &'static str,
        tries: &'static str,
        layer: Layer,
        errno: Errno,
        run: fn(&Context) -> Tried,
    ) -> Self {
        Self::expecting(name, tries, layer, Expected::Errno(errno), run)
    }

    /// An attempt that should cost the module its life.
    pub(crate) const fn lethal(name: &'static str, tries: &'static str, run: fn(&Context) -> Tried) -> Self {
        Self::expecting(name, tries, Layer::Seccomp, Expected::Killed, run)
    }

    /// An attempt that should meet something else.
    pub(crate) const fn expecting(
        name: &'static str,
        tries: &'static str,
        layer: Layer,
        expected: Expected,
        run: fn(&Context) -> Tried,
    ) -> Self {
        Self { name, tries, layer, expected, without: None, needs: Needs::Nothing, run: Run::Kernel(run) }
    }

    /// An attempt on the core.
    pub(crate) const fn on_core(
        name: &'static str,
        tries: &'static str,
        expected: Expected,
        run: Run,
    ) -> Self {
        Self { name, tries, layer: Layer::Core, expected, without: None, needs: Needs::Nothing, run }
    }

    /// States what its control needs of the machine.
    pub(crate) const fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    /// States what it should meet on a kernel without this layer.
    pub(crate) const fn without(self, layer: &'static str, expected: Expected) -> Self {
        Self { without: Some((layer, expected)), ..self }
    }

    /// What it should meet when confined, where these layers are missing.
    pub(crate) fn expected(&self, missing: &[String]) -> Expected {
        match self.without {
            Some((layer, expected)) if missing.iter().any(|name| name == layer) => expected,
            Some(_) | None => self.expected,
        }
    }
}

/// What was met, refusals included.
pub(crate) fn met(tried: Tried) -> Met {
    tried.unwrap_or_else(|refused| match refused {
        Refused::Errno(errno) => Met::Errno(errno),
        Refused::Api(name) => Met::Api(name),
        Refused::Disconnected(reason) => Met::Disconnected(reason),
        Refused::NoControl(detail) => Met::NoControl(detail),
    })
}

impl Host {
    /// The core as this session has it.
    pub(crate) fn new(integration: &ModuleIntegration, other: &str) -> Self {
        Self { node: integration.node_api(), other: other.to_owned() }
    }
}

impl Expected {
    /// Whether the module should have ended afterwards, or be of no more use.
    pub(crate) const fn is_lethal(self) -> bool {
        match self {
            Self::Killed | Self::OutOfMemory | Self::Disconnected => true,
            Self::Errno(_) | Self::Nothing | Self::Contained | Self::Api(_) => false,
        }
    }

    /// How this is judged against what was met; an attempt that returned was not killed.
    pub(crate) fn judge(self, met: &Met) -> Verdict {
        match (self, met) {
            (Self::Errno(expected), Met::Errno(errno)) if expected == *errno => Verdict::AsExpected,
            (Self::Api(expected), Met::Api(name)) if expected == name => Verdict::AsExpected,
            (Self::Nothing, Met::Nothing(_))
            | (Self::Contained, Met::Succeeded(_))
            | (Self::Disconnected, Met::Disconnected(_)) => Verdict::AsExpected,
            (_, Met::Succeeded(_)) => Verdict::Escaped,
            (_, Met::Errno(_) | Met::Nothing(_) | Met::Api(_) | Met::Disconnected(_) | Met::NoControl(_)) => {
                Verdict::Otherwise
            }
        }
    }
}

/// Whether an attempt met what it should have met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exactly that.
    AsExpected,
    /// It was stopped, but not by what should have stopped it.
    Otherwise,
    /// It was not stopped.
    Escaped,
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => write!(out, "{errno:?}"),
            Self::Killed => out.write_str("killed"),
            Self::OutOfMemory => out.write_str("out-of-memory"),
            Self::Nothing => out.write_str("nothing"),
            Self::Contained => out.write_str("contained"),
            Self::Api(name) => out.write_str(name),
            Self::Disconnected => out.write_str("disconnected"),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Mounts => "mounts",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Namespaces => "namespaces",
            Self::LinuxCapabilities => "linux-capabilities",
            Self::Cgroup => "cgroup",
            Self::Rlimits => "rlimits",
            Self::Descriptors => "descriptors",
            Self::Launcher => "launcher",
            Self::Core => "core",
        })
    }
}

impl Met {
    /// The word for it in a report.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Nothing(_) => "nothing",
            Self::Errno(_) => "errno",
            Self::Api(_) => "api",
            Self::Disconnected(_) => "disconnected",
            Self::NoControl(_) => "no-control",
        }
    }

    /// What a report says beside that word.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Succeeded(detail)
            | Self::Nothing(detail)
            | Self::Api(detail)
            | Self::Disconnected(detail)
            | Self::NoControl(detail) => detail.clone(),
            Self::Errno(errno) => format!("{errno:?}"),
        }
    }
}

impl fmt::Display for Met {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(detail) => write!(out, "succeeded, {detail}"),
            Self::Nothing(detail) => write!(out, "nothing, {detail}"),
            Self::Errno(errno) => write!(out, "{errno:?}"),
            Self::Api(name) => out.write_str(name),
            Self::Disconnected(reason) => write!(out, "disconnected, {reason}"),
            Self::NoControl(detail) => write!(out, "its own act failed, {detail}"),
        }
    }
}

/// The attempt did what it meant to do.
pub(crate) fn succeeded(detail: impl Into<String>) -> Tried {
    Ok(Met::Succeeded(detail.into()))
}

/// The attempt was let through and found nothing.
pub(crate) fn nothing(detail: impl Into<String>) -> Tried {
    Ok(Met::Nothing(detail.into()))
}

/// The act that an attempt on the core does to what is its own, before it does the same to what is not.
pub(crate) fn own<T>(result: Result<T, SdkError>) -> Result<T, Refused> {
    result.map_err(|error| Refused::NoControl(error.to_string()))
}

impl From<SdkError> for Refused {
    fn from(error: SdkError) -> Self {
        if let SdkError::Api { error, .. } = &error {
            let text = format!("{error:?}");
            return Self::Api(text.chars().take_while(char::is_ascii_alphanumeric).collect());
        }
        Self::Disconnected(error.to_string())
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Refused {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Errno(Errno::from_raw(errno.raw_os_error()))
    }
}

impl From<io::Error> for Refused {
    /// An error that is not the kernel's becomes `UnknownErrno`, which no expectation names.
    fn from(error: io::Error) -> Self {
        Self::Errno(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_error_is_as_expected() {
        let expected = Expected::Errno(Errno::EPERM);
        assert_eq!(expected.judge(&Met::Errno(Errno::EPERM)), Verdict::AsExpected);
        assert_eq!(expected.judge(&Met::Errno(Errno::ENOENT)), Verdict::Otherwise);
        assert_eq!(expected.judge(&Met::Nothing(String::new())), Verdict::Otherwise);
    }

    #[test]
    fn success_is_an_escape_unless_it_is_contained() {
        let success = Met::Succeeded(String::new());
        for expected in
            [Expected::Errno(Errno::EPERM), Expected::Killed, Expected::OutOfMemory, Expected::Nothing]
        {
            assert_eq!(expected.judge(&success), Verdict::Escaped);
        }
        assert_eq!(Expected::Contained.judge(&success), Verdict::AsExpected);
    }

    #[test]
    fn surviving_what_should_kill_is_never_as_expected() {
        assert_eq!(Expected::Killed.judge(&Met::Errno(Errno::EPERM)), Verdict::Otherwise);
        assert_eq!(Expected::OutOfMemory.judge(&Met::Errno(Errno::ENOMEM)), Verdict::Otherwise);
    }
}
