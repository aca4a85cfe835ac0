//! Checks that every policy file needs: names from a list, and reasons that say something.

use cofferdam_document::{DocumentError, Source, Spanned, closest, quote};

/// The longest reason, in bytes: three lines of a page.
const MAX_WHY_BYTES: usize = 240;

/// A reason: one line, not empty.
pub(crate) fn why(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<String, DocumentError> {
    let line = source.one_line(key, text, MAX_WHY_BYTES)?;
    if line.is_empty() {
        let fix = "say who needs it and when, or why it is refused";
        return Err(source.error(text.span(), key, "the reason is empty", fix));
    }
    Ok(line)
}

/// What the text names, out of `choices`.
pub(crate) fn named<T: Copy>(
    source: Source<'_>,
    key: &str,
    text: &Spanned<String>,
    choices: &[(&str, T)],
) -> Result<T, DocumentError> {
    let found = text.get_ref().as_str();
    choices.iter().find(|(name, _)| *name == found).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let fix = closest(found, &names).map_or_else(
            || format!("use one of {}", names.join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        source.error(text.span(), key, format!("{} is not known here", quote(found)), fix)
    })
}

/// Refuses a second entry for the same thing.
pub(crate) fn once(
    source: Source<'_>,
    key: &str,
    text: &Spanned<impl AsRef<str>>,
    first: bool,
) -> Result<(), DocumentError> {
    if first {
        return Ok(());
    }
    let problem = format!("{} is listed twice", quote(text.get_ref()));
    Err(source.error(text.span(), key, problem, "keep one of the two"))
}
