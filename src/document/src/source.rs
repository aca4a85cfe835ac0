//! A document's name and text together, for checks that come after it was read.

use crate::{DocumentError, quote, read};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;

/// A document's name and text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'t> {
    /// What to call the document in a message.
    pub file: &'t str,
    /// The text of the document.
    pub text: &'t str,
}

impl Source<'_> {
    /// Reads the document; see [`read`](crate::read).
    ///
    /// # Errors
    /// The first thing in the text that is not TOML, not `T`, or too long.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, DocumentError> {
        read(self.file, self.text)
    }

    /// An error at a place in the document; see [`DocumentError::at`].
    #[must_use]
    pub fn error(
        self,
        span: Range<usize>,
        key: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> DocumentError {
        DocumentError::at(self.file, self.text, span, Some(key.to_owned()), problem, Some(fix.into()))
    }

    /// The number, if it lies in `range`. `why` says what the range protects.
    ///
    /// # Errors
    /// Where the number stands, the range, and `why`.
    pub fn in_range<N: PartialOrd + Display + Copy>(
        self,
        key: &str,
        number: &Spanned<N>,
        range: RangeInclusive<N>,
        why: &str,
    ) -> Result<N, DocumentError> {
        let value = *number.get_ref();
        if range.contains(&value) {
            return Ok(value);
        }
        let problem = format!("{value} is out of range: {why}");
        let fix = format!("use {} to {}", range.start(), range.end());
        Err(self.error(number.span(), key, problem, fix))
    }

    /// The text, if it can be shown on one line: runs of white space become one space.
    ///
    /// # Errors
    /// Where the text stands, if it is longer than `max_bytes` or holds a character that does not print or
    /// that changes the direction of writing.
    pub fn one_line(
        self,
        key: &str,
        text: &Spanned<String>,
        max_bytes: usize,
    ) -> Result<String, DocumentError> {
        let value = text.get_ref();
        if value.len() > max_bytes {
            let problem = format!("the text has {} bytes, the limit is {max_bytes}", value.len());
            return Err(self.error(text.span(), key, problem, "shorten it"));
        }
        let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.chars().find(|character| disturbs(*character)) {
            None => Ok(line),
            Some(character) => {
                let problem =
                    format!("the text holds {}, which does not print", quote(character.to_string()));
                Err(self.error(text.span(), key, problem, "remove the character"))
            }
        }
    }
}

/// Controls, and the marks of Unicode that make text read otherwise than it is stored.
fn disturbs(character: char) -> bool {
    let directs = matches!(character,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    character.is_control() || directs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source<'_> = Source { file: "s.toml", text: "a = 1\nb = 2" };

    #[test]
    fn a_number_out_of_range_is_told_its_range_and_why() {
        let number = Spanned::new(10..11, 2_u32);
        let error =
            SOURCE.in_range("b", &number, 5..=9, "less cannot start a thread").expect_err("too small");
        assert_eq!(
            error.to_string(),
            "s.toml:2:5: `b`: 2 is out of range: less cannot start a thread; use 5 to 9"
        );
    }

    #[test]
    fn a_number_at_either_end_of_its_range_is_taken() {
        for value in [5, 9] {
            assert_eq!(SOURCE.in_range("b", &Spanned::new(0..1, value), 5..=9, ""), Ok(value));
        }
    }

    #[test]
    fn lines_are_joined() {
        let text = Spanned::new(0..1, " one\n\ttwo\r\n three ".to_owned());
        assert_eq!(SOURCE.one_line("a", &text, 100), Ok("one two three".to_owned()));
    }

    #[test]
    fn text_that_could_disturb_a_page_is_refused() {
        for text in ["a\u{1b}[2J", "a\u{202e}b", "a\u{0}", "a\u{feff}", "a\u{2066}"] {
            let text = Spanned::new(0..1, text.to_owned());
            assert!(SOURCE.one_line("a", &text, 100).is_err());
        }
    }
}
