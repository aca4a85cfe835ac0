//! What can be wrong with a single value, wherever it comes from: a manifest, the operator's config, the
//! command line or a module's handshake.

use cofferdam_document::quote;

/// A value that its type's constructor refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.problem(), self.fix())]
pub enum ValueError {
    /// Not a module's name.
    Name(String),
    /// Not a semantic version.
    Version(String),
    /// Not one of the five operators and a semantic version.
    Constraint(String),
    /// Not a path that stays inside the module's directory.
    EntryPoint {
        /// The path that was given.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not a capability of the specification.
    Capability {
        /// What was given.
        found: String,
        /// The capability that was probably meant.
        meant: Option<&'static str>,
    },
    /// Not a setting's key.
    ConfigKey(String),
    /// Not like the name of an event type.
    EventName(String),
}

impl ValueError {
    /// What is wrong, in one line that prints safely.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Name(found) => format!("{} is not a module's name", quote(found)),
            Self::Version(found) => format!("{} is not a semantic version", quote(found)),
            Self::Constraint(found) => format!("{} is not a version constraint", quote(found)),
            Self::EntryPoint { found, why } => format!("{} cannot be the entry point: {why}", quote(found)),
            Self::Capability { found, .. } => format!("{} is not a capability", quote(found)),
            Self::ConfigKey(found) => format!("{} cannot be the key of a setting", quote(found)),
            Self::EventName(found) => format!("{} is not the name of an event type", quote(found)),
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Name(_) => "use 1 to 64 of A-Z a-z 0-9 _ -, the first of them not -".to_owned(),
            Self::Version(_) => "write it like 1.2.3 or 1.2.3-rc.1".to_owned(),
            Self::Constraint(_) => {
                "write one of >= <= = ^ ~ before a full version, like >=1.2.3 or ^1.2.3".to_owned()
            }
            Self::EntryPoint { .. } => {
                "name the program by its path inside the module's directory, like my-module or bin/my-module"
                    .to_owned()
            }
            Self::Capability { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Self::Capability { meant: None, .. } => {
                let known: Vec<&str> = crate::Capability::ALL.iter().map(|known| known.as_str()).collect();
                format!("the capabilities are {}", known.join(", "))
            }
            Self::ConfigKey(_) => {
                "use 1 to 64 of A-Z a-z 0-9 _, the first of them a letter: it becomes MODULE_CONFIG_<KEY>"
                    .to_owned()
            }
            Self::EventName(_) => "write it like PaymentSettled; `cofferdam events` lists them".to_owned(),
        }
    }
}

/// Gives a type built from text its text form everywhere: `FromStr`, `TryFrom<String>`, `Display`, serde.
macro_rules! text_form {
    ($type:ident) => {
        impl std::str::FromStr for $type {
            type Err = $crate::ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::ValueError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use text_form;
