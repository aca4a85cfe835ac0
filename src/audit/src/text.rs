//! Text in a record: bounded, one line, without characters that act on a terminal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that is safe to print: at most [`Text::MAX_BYTES`], and of characters only letters, digits and what ASCII
/// shows. Any other is written as `\u{202e}`. It proves nothing about what the text says.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(String);

/// What stands at the end of a text that was longer.
const CUT: &str = " [cut]";

impl Text {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// Escapes and cuts.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut safe = String::new();
        // What is read of the text is bounded before it is escaped.
        for character in text.chars().take(Self::MAX_BYTES + 1) {
            if character.is_ascii_graphic() || character == ' ' || character.is_alphanumeric() {
                safe.push(character);
            } else {
                safe.extend(character.escape_unicode());
            }
        }
        if safe.len() > Self::MAX_BYTES {
            let mut end = Self::MAX_BYTES - CUT.len();
            while !safe.is_char_boundary(end) {
                end -= 1;
            }
            safe.truncate(end);
            safe.push_str(CUT);
        }
        Self(safe)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        let plain = "openat(0x1, \"a\\b\"): größer 数";
        assert_eq!(Text::new(plain).as_str(), plain);
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_and_not_obeyed() {
        assert_eq!(Text::new("a\u{1b}[2J\nb\u{202e}c").as_str(), "a\\u{1b}[2J\\u{a}b\\u{202e}c");
    }

    proptest! {
        #[test]
        fn a_text_is_bounded_and_one_line_and_reads_back_as_itself(text in any::<String>(), times in 1_usize..300) {
            let safe = Text::new(&text.repeat(times));
            prop_assert!(safe.as_str().len() <= Text::MAX_BYTES);
            prop_assert!(!safe.as_str().chars().any(char::is_control));
            let json = serde_json::to_string(&safe).unwrap();
            prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), safe);
        }
    }
}
