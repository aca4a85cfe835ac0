//! What a line of the log says.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Hash, Text};

/// One thing that happened. A subject is the name of a module, or `core`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// Cofferdam has started and read its config.
    Start {
        /// Its version.
        version: Text,
        /// The hash of the config file's bytes.
        config_sha256: Hash,
    },
    /// Cofferdam has stopped in order. A log that goes on with another start without one was cut by a crash.
    Stop {
        /// Why; "asked to" or the error that ended it.
        reason: Text,
    },
    /// A subject is launched: written before its program runs. If the launch then fails, an [`Record::Exit`] says so.
    Launch {
        /// Who.
        subject: Text,
        /// The hash of its manifest's bytes; none for the core.
        manifest_sha256: Option<Hash>,
        /// The hash of the program's bytes, as they are executed.
        program_sha256: Hash,
        /// The hash of the profile, serialised as JSON by the policy crate.
        profile_sha256: Hash,
        /// The layers in force.
        layers: Vec<Text>,
        /// The layers that are missing, as the config allows.
        weakened_by: Vec<Text>,
        /// The capabilities it was granted.
        granted: Vec<Text>,
        /// Who signed manifest and program; none for an unsigned module, and for the core.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed_by: Option<Signer>,
    },
    /// A subject tried what it may not do.
    Denial {
        /// Who.
        subject: Text,
        /// What.
        what: Denial,
    },
    /// A subject has ended, or was not started after all.
    Exit {
        /// Who.
        subject: Text,
        /// In one word: `exited`, `signaled`, `stopped`, `out_of_memory`, `forbidden`, `not_started`.
        end: Text,
        /// In a sentence.
        reason: Text,
    },
    /// Denials that were counted and not written one by one.
    Suppressed {
        /// Who.
        subject: Text,
        /// How many of what.
        counts: BTreeMap<Text, u64>,
    },
    /// The operator has changed what a module may run as or do.
    Grant {
        /// The module.
        module: Text,
        /// What it has now and had not before.
        added: Vec<Text>,
        /// What it had before and has no more.
        removed: Vec<Text>,
    },
    /// The log ended in the middle of a line: a crash, or a full disk. The bytes were moved to a file beside it.
    Recovered {
        /// How many.
        bytes: u64,
        /// Their hash.
        sha256: Hash,
        /// The name of the file.
        kept_in: Text,
    },
    /// The first line of every file but the first: rotation has begun a new one.
    Continues {
        /// The number of the oldest line that rotation has kept; none where the oldest file cannot be read.
        oldest: Option<u64>,
    },
    /// Records before this one could not be written.
    Unwritten {
        /// How many.
        count: u64,
    },
}

impl Record {
    /// Whether it is put on the disk soon; see the crate's documentation for why not all.
    pub(crate) fn is_rare(&self) -> bool {
        match self {
            Self::Start { .. }
            | Self::Stop { .. }
            | Self::Launch { .. }
            | Self::Exit { .. }
            | Self::Grant { .. }
            | Self::Recovered { .. } => true,
            Self::Denial { .. }
            | Self::Suppressed { .. }
            | Self::Unwritten { .. }
            | Self::Continues { .. } => false,
        }
    }

    /// The subject or module it is about; none for those about Cofferdam itself.
    #[must_use]
    pub fn subject(&self) -> Option<&Text> {
        match self {
            Self::Launch { subject, .. }
            | Self::Denial { subject, .. }
            | Self::Exit { subject, .. }
            | Self::Suppressed { subject, .. }
            | Self::Grant { module: subject, .. } => Some(subject),
            Self::Start { .. }
            | Self::Stop { .. }
            | Self::Recovered { .. }
            | Self::Continues { .. }
            | Self::Unwritten { .. } => None,
        }
    }
}

/// Who signed a module, as its signature proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The operator's name for the key.
    pub name: Text,
    /// The key, as minisign writes it.
    pub key: Text,
    /// The trusted comment, which the signature covers.
    pub comment: Text,
}

/// What was refused, and by which layer.
///
/// Landlock is not here: the kernel tells of its denials only to holders of CAP_AUDIT_READ, by the audit subsystem,
/// and since Linux 6.15; a launcher that runs as a user cannot hear them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Denial {
    /// The core refused a call of the node API. The core says so; it is confined, and could be lying.
    Api {
        /// The call.
        call: Text,
        /// The capability that would allow it, or what else the operator grants.
        needs: Text,
    },
    /// The system call filter.
    Syscall {
        /// The call's name, or `system call N`.
        name: Text,
        /// Its number on this machine.
        number: i32,
        /// The registers. Pointers were not followed.
        arguments: [Argument; 6],
        /// What it met.
        verdict: Verdict,
    },
    /// A limit was met.
    Limit {
        /// Which.
        which: Limit,
        /// In a sentence.
        detail: Text,
    },
}

impl Denial {
    /// Denials with the same key are counted together when there are too many.
    #[must_use]
    pub fn key(&self) -> Text {
        match self {
            Self::Api { call, .. } => Text::new(&format!("api {call}")),
            Self::Syscall { name, .. } => Text::new(&format!("syscall {name}")),
            Self::Limit { which, .. } => Text::new(&format!("limit {which}")),
        }
    }
}

/// What a refused system call met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It returned this error, by its name in errno(3).
    Refused(Text),
    /// The program was killed.
    Killed,
}

/// A limit of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory: the kernel killed it.
    Memory,
    /// Threads and processes: it could not make another.
    Tasks,
    /// Processor time: it had to wait.
    Cpu,
    /// What it writes to the operator's log: lines were not shown.
    Output,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Memory => "memory",
            Self::Tasks => "tasks",
            Self::Cpu => "cpu",
            Self::Output => "output",
        })
    }
}

/// A register, written as `0x1f`: JSON readers lose the last digits of large numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Argument(pub u64);

impl fmt::Display for Argument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

impl From<Argument> for String {
    fn from(argument: Argument) -> Self {
        argument.to_string()
    }
}

impl TryFrom<String> for Argument {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        digits.map(Self).ok_or_else(|| "a register is written as 0x1f".to_owned())
    }
}
