//! The name of a module.

use crate::error::{ValueError, text_form};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a module: 1 to 64 of `A-Z a-z 0-9 _ -`, the first of them not `-`.
///
/// Holding one proves that the text is a single path component that leads nowhere else, that it cannot be
/// taken for an option of a command, and that it prints safely. It does not prove that such a module exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleName(String);

impl ModuleName {
    /// The longest name, in bytes: names become directories, cgroups and columns of a table.
    pub const MAX_BYTES: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`ValueError::Name`] if `text` is not a module's name.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let valid = !text.is_empty()
            && text.len() <= Self::MAX_BYTES
            && !text.starts_with('-')
            && text.bytes().all(allowed);
        if valid { Ok(Self(text.to_owned())) } else { Err(ValueError::Name(text.to_owned())) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_form!(ModuleName);

impl AsRef<str> for ModuleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ModuleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn names_of_the_specification_are_names() {
        for name in ["my-module", "blvm-lightning", "a", "_x", "0", &"n".repeat(64)] {
            assert_eq!(ModuleName::new(name).map(String::from), Ok(name.to_owned()));
        }
    }

    #[test]
    fn what_is_no_safe_path_component_is_no_name() {
        for name in ["", ".", "..", "a/b", "/a", "-a", "a b", "a\0", "é", "a.b", &"n".repeat(65)] {
            assert_eq!(ModuleName::new(name), Err(ValueError::Name(name.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_normal_path_component(text in "[a-zA-Z0-9_./\\\\\u{0}é -]{0,70}") {
            if let Ok(name) = ModuleName::new(&text) {
                let components: Vec<Component<'_>> = Path::new(name.as_str()).components().collect();
                prop_assert!(matches!(components.as_slice(), [Component::Normal(_)]));
            }
        }
    }
}
