//! The name of an event type that a module publishes.

use crate::error::{ValueError, text_form};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of an event type: 1 to 64 of `A-Z a-z 0-9`, the first of them a capital.
///
/// Holding one proves that it prints safely. It does not prove that such a type exists, nor that modules may
/// publish it: the protocol knows the types, and the core refuses a module that asks for one it cannot publish.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventName(String);

impl EventName {
    /// The longest name, in bytes; the longest that exists has 27.
    pub const MAX_BYTES: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`ValueError::EventName`] if `text` is not like the name of an event type.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let valid = text.len() <= Self::MAX_BYTES
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if valid { Ok(Self(text.to_owned())) } else { Err(ValueError::EventName(text.to_owned())) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_form!(EventName);

impl fmt::Display for EventName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_specification_are_names() {
        for name in ["PaymentSettled", "A", "Bip9", &"N".repeat(64)] {
            assert_eq!(EventName::new(name).map(String::from), Ok(name.to_owned()));
        }
    }

    #[test]
    fn what_is_not_written_like_one_is_no_name() {
        for name in ["", "paymentSettled", "Payment_Settled", "Payment Settled", "P\n", "É", &"N".repeat(65)]
        {
            assert_eq!(EventName::new(name), Err(ValueError::EventName(name.to_owned())));
        }
    }
}
