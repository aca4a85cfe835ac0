//! What the core may ask of the launcher, and what the launcher reports to the core.
//!
//! The core names a module; it can never describe one. No message carries a path, a program, a limit or a
//! profile from the core to the launcher, so a core under an attacker's control cannot ask for a looser
//! sandbox. The crate is pure: it turns messages into bytes and back, and never touches a socket.
//!
//! Transport: one message is one datagram of a `SOCK_SEQPACKET` socket pair, encoded as JSON; the kernel
//! keeps the boundaries. A descriptor travels beside the message that speaks of it (`SCM_RIGHTS`).

mod roster;
mod watched;

use cofferdam_manifest::ModuleName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use roster::{
    CoreLimits, CoreSettings, Interface, NodeSettings, Restart, RosterEntry, RpcCredentials, Secret,
};
pub use watched::{Met, Watched};

/// The longest datagram either side sends or accepts, in bytes. The largest message is the roster; at
/// [`MAX_MODULES`] modules with every capability it stays under half of this.
pub const MAX_MESSAGE_BYTES: usize = 192 * 1024;

/// How many modules one launcher runs. A bound on the roster, on descriptors and on the log's fan-in.
pub const MAX_MODULES: usize = 128;

/// The longest free text (a reason, an error) in a message, in bytes; longer text is cut by [`shorten`].
pub const MAX_TEXT_BYTES: usize = 2048;

/// What the core asks. Every variant that names a module names one of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// The core has read the roster and serves; before this nothing is started.
    Ready,
    /// Start the module under its profile. Answered by `Started` (with its socket) or `StartFailed`.
    Start {
        /// A module of the roster that is not running.
        module: ModuleName,
    },
    /// Kill the module and everything in its pid namespace. Answered by `Exited`.
    Stop {
        /// A running module.
        module: ModuleName,
    },
    /// Report the module's present use of its limits. Answered by `Usage`.
    Usage {
        /// A running module.
        module: ModuleName,
    },
    /// The node's current credentials; they change each time the node starts. Answered by `Credentials`.
    Credentials,
    /// Write to the audit log that a module was refused a call.
    Denied {
        /// The module.
        module: ModuleName,
        /// The call, by its wire name; cut by [`shorten`].
        call: String,
        /// What it would have needed: a capability, or what else the operator grants.
        needs: String,
        /// How many more refusals this one stands for.
        more: u64,
    },
    /// What the watched module has asked for since this core began; a later one replaces the earlier.
    Watched {
        /// The module that [`CoreSettings::watched`] names.
        module: ModuleName,
        /// What it did.
        watched: Watched,
    },
    /// Every session has ended; the launcher may end what still runs and stop.
    Stopped,
}

/// What the launcher reports.
#[expect(clippy::large_enum_variant, reason = "the roster is sent once to each core, and no report is kept")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The first message after the core has started: the modules and the node to use.
    Roster {
        /// Modules in the order in which they may start.
        modules: Vec<RosterEntry>,
        /// Which node answers.
        node: NodeSettings,
        /// What to do when a module dies.
        restart: Restart,
        /// What else the operator's configuration says. If it has an interface for operators' tools, the listening
        /// socket for it travels beside this message.
        settings: CoreSettings,
    },
    /// The module runs, confined and verified. Its end of the socket pair travels beside this message.
    Started {
        /// The module.
        module: ModuleName,
    },
    /// The module was not started; nothing of it is left.
    StartFailed {
        /// The module.
        module: ModuleName,
        /// Which step failed, why, and what to do.
        error: String,
    },
    /// The module's process is gone and its cgroup removed.
    Exited {
        /// The module.
        module: ModuleName,
        /// How it ended.
        end: End,
    },
    /// The answer to [`Ask::Usage`].
    Usage {
        /// The module.
        module: ModuleName,
        /// What it uses; `None` where the host has no cgroup for it.
        usage: Option<Usage>,
    },
    /// The answer to [`Ask::Credentials`].
    Credentials {
        /// User and password for the node's RPC, or why they can't be had.
        credentials: Result<RpcCredentials, String>,
    },
    /// Stop: tell the modules, wait for them, then send [`Ask::Stopped`].
    Shutdown {
        /// How long modules have to end by themselves, in milliseconds.
        grace_ms: u64,
    },
}

/// How a module ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// It called exit.
    Exited {
        /// The exit status.
        status: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// The launcher killed it because the core asked, or because everything stops.
    Stopped,
    /// The kernel killed it because it had used all the memory it may use.
    OutOfMemory {
        /// The limit it met, in bytes.
        limit_bytes: u64,
    },
    /// The launcher killed it for a system call that no module makes by accident.
    Forbidden {
        /// The system call, as in the denial reported before.
        call: String,
    },
}

impl End {
    /// Whether the module ended by its own will and without an error.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Exited { status: 0 } | Self::Stopped)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited { status } => write!(f, "exited with status {status}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::Stopped => write!(f, "stopped"),
            Self::OutOfMemory { limit_bytes } => {
                write!(f, "killed: it had used all of its {} MiB of memory", limit_bytes / (1024 * 1024))
            }
            Self::Forbidden { call } => {
                write!(f, "killed: it called {call}, which no module does by accident")
            }
        }
    }
}

/// What a module uses of what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Memory charged to it, in bytes.
    pub memory_bytes: u64,
    /// Processor time it has used, in microseconds.
    pub cpu_us: u64,
    /// Threads and processes.
    pub tasks: u64,
    /// How often it met its memory limit, since it was started.
    pub memory_limit_hits: u64,
    /// How often it met its limit of threads and processes.
    pub task_limit_hits: u64,
    /// How long it waited for processor time because of its limit, in microseconds.
    pub throttled_us: u64,
}

/// A datagram that is not a message.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Over [`MAX_MESSAGE_BYTES`].
    #[error("control message of {0} bytes, over the limit of {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// Not a message of this version. Launcher and core are built together: the pair does not match.
    #[error("control message not understood (are cofferdam and cofferdam-launcher of one build?)")]
    Malformed(#[source] serde_json::Error),
}

/// Encodes one message as one datagram.
///
/// # Errors
/// [`ControlError::TooLong`] when the message does not fit; nothing is sent in part.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, ControlError> {
    let bytes = serde_json::to_vec(message).map_err(ControlError::Malformed)?;
    if bytes.len() > MAX_MESSAGE_BYTES { Err(ControlError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// Decodes one datagram. The sender may be hostile: the result is a well-formed claim, nothing more.
///
/// # Errors
/// [`ControlError`] when the datagram is too long or is not exactly one message.
pub fn decode<T: DeserializeOwned>(datagram: &[u8]) -> Result<T, ControlError> {
    if datagram.len() > MAX_MESSAGE_BYTES {
        return Err(ControlError::TooLong(datagram.len()));
    }
    serde_json::from_slice(datagram).map_err(ControlError::Malformed)
}

/// Cuts free text to [`MAX_TEXT_BYTES`] at a character boundary, so that a message always fits.
#[must_use]
pub fn shorten(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// How much of the core's log the launcher takes at once, and a second: a line counts as one, and so do a read and each
/// KiB. What is more waits in the core, and the core with it: it writes less.
pub const CORE_LOG_BURST: u32 = 5000;
/// See [`CORE_LOG_BURST`].
pub const CORE_LOG_PER_SECOND: u32 = 1000;

/// Whether a character acts on the text around it instead of being seen: controls (line ends and the escapes of
/// terminals among them), separators of lines, marks that reorder text, and the invisible ones.
///
/// Launcher and core both log what hostile programs wrote, each in its own form; neither shows one of these.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cofferdam_manifest::Capability;

    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    #[test]
    fn a_roster_of_the_most_modules_with_every_capability_fits_one_datagram() {
        let entry = |index: usize| RosterEntry {
            name: name(&format!("{index:0>64}")),
            version: "1.0.0".to_owned(),
            granted: Capability::ALL.to_vec(),
            requires: Vec::new(),
            publishes: Vec::new(),
            files: Some(PathBuf::from(format!("/modules/{index:0>64}"))),
            limits: CoreLimits {
                calls_per_second: u32::MAX,
                call_burst: u32::MAX,
                storage_bytes: u64::MAX,
                storage_keys: u64::MAX,
                file_bytes: u64::MAX,
                file_count: u64::MAX,
            },
        };
        let report = Report::Roster {
            modules: (0..MAX_MODULES).map(entry).collect(),
            node: NodeSettings::Embedded { block_interval_ms: 1000 },
            restart: Restart::OnFailure,
            settings: CoreSettings { interface: None, lightning: None, redact_peers: true, watched: None },
        };
        let bytes = encode(&report).unwrap();
        assert!(bytes.len() < MAX_MESSAGE_BYTES / 2 + MAX_MESSAGE_BYTES / 4, "{}", bytes.len());
        assert_eq!(decode::<Report>(&bytes).unwrap(), report);
    }

    #[test]
    fn a_message_that_describes_more_than_a_name_is_refused() {
        let control = decode::<Ask>(br#"{"ask":"start","module":"a"}"#);
        assert_eq!(control.unwrap(), Ask::Start { module: name("a") });
        let smuggled = decode::<Ask>(br#"{"ask":"start","module":"a","program":"/bin/sh"}"#);
        assert!(matches!(smuggled, Err(ControlError::Malformed(_))));
    }

    #[test]
    fn a_module_name_with_a_path_in_it_is_refused() {
        assert!(decode::<Ask>(br#"{"ask":"start","module":"../core"}"#).is_err());
    }

    #[test]
    fn credentials_do_not_appear_in_debug_output() {
        let secret = RpcCredentials { user: "u".into(), password: "hunter2".into() };
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<Ask>(&bytes);
            let _ = decode::<Report>(&bytes);
        }

        #[test]
        fn shortened_text_fits_and_is_a_prefix(text in "\\PC{0,3000}") {
            let cut = shorten(&text);
            prop_assert!(cut.len() <= MAX_TEXT_BYTES && text.starts_with(&cut));
        }
    }
}
