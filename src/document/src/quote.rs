//! Makes text from a hostile document fit to be shown: escaped and short.

use std::fmt;

/// How many characters of one quoted value a message shows: enough to recognise a value, and several fit
/// on a line.
const QUOTED_CHARS: usize = 72;

/// Escapes every character that could change how the text around it looks: controls, line ends, escape
/// sequences, marks that reverse the writing direction, and whatever else does not print.
///
/// Quotes and backslashes stay as they are, so escaping twice changes nothing.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        push_escaped(&mut escaped, character);
    }
    escaped
}

/// Puts `text` between backticks, escaped, and shortened to 72 characters.
#[must_use]
pub fn quote(text: impl AsRef<str>) -> String {
    format!("`{}`", shorten(text.as_ref(), QUOTED_CHARS))
}

/// The first `limit` characters of `text`, escaped, and three dots if there were more.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let mut characters = text.chars();
    let mut short = String::new();
    for character in characters.by_ref().take(limit) {
        push_escaped(&mut short, character);
    }
    if characters.next().is_some() {
        short.push_str("...");
    }
    short
}

/// Writes `text` escaped; for [`fmt::Display`] implementations.
pub(crate) fn write_escaped(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    formatter.write_str(&escape(text))
}

fn push_escaped(target: &mut String, character: char) {
    match character {
        '\'' | '"' | '\\' => target.push(character),
        other => target.extend(other.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_escape_is_shown_and_not_sent() {
        assert_eq!(quote("a\u{1b}[2Jb"), "`a\\u{1b}[2Jb`");
    }

    #[test]
    fn a_mark_that_reverses_the_writing_direction_is_shown() {
        assert_eq!(quote("\u{202e}cexe"), "`\\u{202e}cexe`");
    }

    #[test]
    fn a_line_end_does_not_end_the_line() {
        assert_eq!(escape("a\r\nb\u{2028}c"), "a\\r\\nb\\u{2028}c");
    }

    #[test]
    fn quotes_and_backslashes_stay() {
        assert_eq!(escape(r#"C:\x "y" 'z'"#), r#"C:\x "y" 'z'"#);
    }

    #[test]
    fn a_long_value_is_shortened_at_a_character() {
        let quoted = quote("ä".repeat(100));
        assert_eq!(quoted, format!("`{}...`", "ä".repeat(QUOTED_CHARS)));
    }
}
