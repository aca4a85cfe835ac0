//! What is wrong with a document, where, and what to do about it.

use crate::quote::{quote, shorten, write_escaped};
use std::fmt;
use std::ops::Range;

/// How many characters of a problem or of a fix are kept. Values inside them are shortened on their own;
/// this bounds what is left, such as a list of every known key.
const SENTENCE_CHARS: usize = 1024;

/// How many characters of a key's whole path are kept: three tables and a key, each as long as names get.
const KEY_CHARS: usize = 260;

/// One thing that is wrong with a document.
///
/// Its [`Display`](fmt::Display) form is one line that prints safely whatever the document holds:
/// ``module.toml:12:1: unknown key `capabilites`; did you mean `capabilities`?``
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The document's name, as the caller gave it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The key concerned, with the tables it lies in: `node.bitcoind.rpc`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl DocumentError {
    /// An error at a place in `text`, given in bytes. A place that is not in `text` means its end.
    ///
    /// `problem` and `fix` are shortened to a thousand characters each; values of the document within them
    /// should go through [`quote`].
    #[must_use]
    pub fn at(
        file: &str,
        text: &str,
        span: Range<usize>,
        key: Option<String>,
        problem: impl Into<String>,
        fix: Option<String>,
    ) -> Self {
        let (line, column) = position(text, span.start);
        Self {
            file: file.to_owned(),
            line,
            column,
            key: key.map(|key| shorten(&key, KEY_CHARS)),
            problem: shorten(&problem.into(), SENTENCE_CHARS),
            fix: fix.map(|fix| shorten(&fix, SENTENCE_CHARS)),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(formatter, &self.file)?;
        write!(formatter, ":{}:{}: ", self.line, self.column)?;
        if let Some(key) = self.key.as_deref().map(quote).filter(|key| !self.problem.contains(key)) {
            write!(formatter, "{key}: ")?;
        }
        write_escaped(formatter, &self.problem)?;
        if let Some(fix) = &self.fix {
            formatter.write_str("; ")?;
            write_escaped(formatter, fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for DocumentError {}

/// Line and column of a byte offset, both from 1. An offset inside a character means that character.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let start = (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0);
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()).saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab\ncd", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ä\nöü", 5), (2, 2));
        assert_eq!(position("ab\n", 3), (2, 1));
    }

    #[test]
    fn a_position_inside_a_character_or_past_the_end_is_clamped() {
        assert_eq!(position("ä", 1), (1, 1));
        assert_eq!(position("ab", 99), (1, 3));
    }

    #[test]
    fn the_key_is_named_once() {
        let mut error = DocumentError::at("c.toml", "a = 1", 0..1, Some("a".into()), "is too small", None);
        assert_eq!(error.to_string(), "c.toml:1:1: `a`: is too small");
        error.problem = "unknown key `a`".to_owned();
        assert_eq!(error.to_string(), "c.toml:1:1: unknown key `a`");
    }

    #[test]
    fn a_hostile_file_name_cannot_forge_a_second_line() {
        let error = DocumentError::at("a\nb\u{1b}[0m", "", 0..0, None, "x\ny", Some("z\rq".into()));
        assert_eq!(error.to_string(), "a\\nb\\u{1b}[0m:1:1: x\\ny; z\\rq");
    }
}
