//! What an attempt is, what it can meet, and what it should meet in the sandbox.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::context::Context;

/// One way to reach out of the sandbox.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// In kebab-case; names the attempt in reports, settings and tests.
    pub(crate) name: &'static str,
    /// What it tries, as it follows "tried to".
    pub(crate) tries: &'static str,
    /// What it should meet when confined.
    pub(crate) expected: Expected,
    run: fn(&Context) -> Tried,
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
}

/// What the code of an attempt returns.
pub(crate) type Tried = Result<Met, Refused>;

/// The error of a system call, from whichever crate made it.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Errno);

impl Attempt {
    /// An attempt that should be answered with an error.
    pub(crate) const fn refused(
        name: &'static str,
        tries: &'static str,
        errno: Errno,
        run: fn(&Context) -> Tried,
    ) -> Self {
        Self { name, tries, expected: Expected::Errno(errno), run }
    }

    /// An attempt that should cost the module its life.
    pub(crate) const fn lethal(name: &'static str, tries: &'static str, run: fn(&Context) -> Tried) -> Self {
        Self { name, tries, expected: Expected::Killed, run }
    }

    /// An attempt that should meet something else.
    pub(crate) const fn expecting(
        expected: Expected,
        name: &'static str,
        tries: &'static str,
        run: fn(&Context) -> Tried,
    ) -> Self {
        Self { name, tries, expected, run }
    }

    /// Makes the attempt. Does not return if it is killed for it, or if it turns the process into another program.
    pub(crate) fn make(&self, context: &Context) -> Met {
        (self.run)(context).unwrap_or_else(|Refused(errno)| Met::Errno(errno))
    }
}

impl Expected {
    /// Whether the module should be dead afterwards.
    pub(crate) const fn is_lethal(self) -> bool {
        match self {
            Self::Killed | Self::OutOfMemory => true,
            Self::Errno(_) | Self::Nothing | Self::Contained => false,
        }
    }

    /// How this is judged against what was met; an attempt that returned was not killed.
    pub(crate) fn judge(self, met: &Met) -> Verdict {
        match (self, met) {
            (Self::Errno(expected), Met::Errno(errno)) if expected == *errno => Verdict::AsExpected,
            (Self::Nothing, Met::Nothing(_)) | (Self::Contained, Met::Succeeded(_)) => Verdict::AsExpected,
            (_, Met::Succeeded(_)) => Verdict::Escaped,
            (_, Met::Errno(_) | Met::Nothing(_)) => Verdict::Otherwise,
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
        }
    }
}

impl Met {
    /// The word for it in a report.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Nothing(_) => "nothing",
            Self::Errno(_) => "errno",
        }
    }

    /// What a report says beside that word.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Succeeded(detail) | Self::Nothing(detail) => detail.clone(),
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
        }
    }
}

/// The attempt did what it meant to do.
pub(crate) fn succeeded(detail: impl Into<String>) -> Tried {
    Ok(Met::Succeeded(detail.into()))
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

impl From<rustix::io::Errno> for Refused {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(Errno::from_raw(errno.raw_os_error()))
    }
}

impl From<io::Error> for Refused {
    /// An error that is not the kernel's becomes `UnknownErrno`, which no expectation names.
    fn from(error: io::Error) -> Self {
        Self(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
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
