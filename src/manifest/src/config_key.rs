//! The key of a module's setting.

use crate::error::{ValueError, text_form};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The key of a setting: 1 to 64 of `A-Z a-z 0-9 _`, the first of them a letter.
///
/// Holding one proves that `MODULE_CONFIG_<KEY>` is the name of an environment variable. Two keys that
/// differ only in case give the same variable: whoever collects keys checks for that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigKey(String);

impl ConfigKey {
    /// The longest key, in bytes: it becomes a variable's name and a column of the auditor's page.
    pub const MAX_BYTES: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`ValueError::ConfigKey`] if `text` cannot become the name of an environment variable.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let valid = text.len() <= Self::MAX_BYTES
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if valid { Ok(Self(text.to_owned())) } else { Err(ValueError::ConfigKey(text.to_owned())) }
    }

    /// The key as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment variable a module finds the setting in.
    #[must_use]
    pub fn environment_name(&self) -> String {
        format!("MODULE_CONFIG_{}", self.0.to_ascii_uppercase())
    }
}

text_form!(ConfigKey);

impl AsRef<str> for ConfigKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_an_environment_variable() {
        let key = ConfigKey::new("poll_interval").expect("valid");
        assert_eq!(key.environment_name(), "MODULE_CONFIG_POLL_INTERVAL");
    }

    #[test]
    fn what_cannot_become_a_variable_is_no_key() {
        for key in ["", "1a", "_a", "a-b", "a=b", "a b", "a\0", "é", &"k".repeat(65)] {
            assert_eq!(ConfigKey::new(key), Err(ValueError::ConfigKey(key.to_owned())));
        }
    }
}
