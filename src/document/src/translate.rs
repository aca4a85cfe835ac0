//! Turns what `toml` and serde say into what the author of a document needs to read.
//!
//! Their wording is matched from the right, because what stands on the left is quoted from the document
//! and may imitate it. Wording this file does not know is passed on as it is: a new version of either
//! library can make a message worse, never wrong.

use crate::error::DocumentError;
use crate::quote::{quote, shorten};
use std::ops::Range;

/// How similar a known key must be to be suggested, from 0 to 1. At 0.7 `capabilites` finds
/// `capabilities`, and `colour` does not find `rpc_user`.
const SIMILAR: f64 = 0.7;

/// What is taken off a Jaro-Winkler likeness: two unrelated short words often reach 0.8 of it.
const JARO_DISCOUNT: f64 = 0.15;

/// A longer key is no typing error, and comparing it would cost the square of its length.
const MAX_COMPARED_BYTES: usize = 128;

/// How many known keys a message lists.
const MAX_LISTED: usize = 32;

/// How many characters of a foreign message are kept.
const FOREIGN_CHARS: usize = 300;

pub(crate) fn translate(file: &str, text: &str, error: &toml::de::Error) -> DocumentError {
    let span = error.span().unwrap_or(0..0);
    let parents = parent_keys(error);
    let Sentence { key, problem, fix } = sentence(text, &span, error.message(), &parents);
    DocumentError::at(file, text, span, key, problem, fix)
}

/// What is known about an error before it has a place.
struct Sentence {
    key: Option<String>,
    problem: String,
    fix: Option<String>,
}

fn sentence(text: &str, span: &Range<usize>, message: &str, parents: &str) -> Sentence {
    if let Some((found, expected)) = split_unknown(message, "unknown field `") {
        let key = join(parents, found);
        let problem = format!("unknown key {}", quote(&key));
        return Sentence { key: Some(key), problem, fix: Some(suggest(found, expected, "keys")) };
    }
    if let Some((found, expected)) = split_unknown(message, "unknown variant `") {
        let problem = format!("unknown value {}", quote(found));
        return Sentence { key: some(parents), problem, fix: Some(suggest(found, expected, "values")) };
    }
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let key = join(parents, name);
        let problem = format!("the key {} is missing", quote(&key));
        return Sentence { key: Some(key), problem, fix: Some(where_to_add(name, parents)) };
    }
    if message == "duplicate key" {
        let name = text.get(span.clone()).unwrap_or_default();
        let key = join(parents, name);
        let problem = format!("the key {} is set twice", quote(&key));
        return Sentence { key: Some(key), problem, fix: Some("keep one of the two".to_owned()) };
    }
    let wrong_type = ["invalid type: ", "invalid value: ", "invalid length "];
    if let Some((found, expected)) = wrong_type
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        let problem = format!("expected {}, found {}", plain(expected), shorten(found, FOREIGN_CHARS / 4));
        return Sentence { key: some(parents), problem, fix: None };
    }
    Sentence { key: some(parents), problem: shorten(message, FOREIGN_CHARS), fix: None }
}

/// The name and the list of expected names in serde's "unknown field `x`, expected one of `a`, `b`".
fn split_unknown<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, &'m str)> {
    let rest = message.strip_prefix(prefix)?;
    rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no "))
}

/// "did you mean `x`?" or, where nothing is similar, what is known at this place.
fn suggest(found: &str, expected: &str, what: &str) -> String {
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if let Some(best) = closest(found, &known) {
        return format!("did you mean `{best}`?");
    }
    if known.is_empty() {
        return "remove it".to_owned();
    }
    let listed: Vec<String> = known.iter().take(MAX_LISTED).map(quote).collect();
    let more = if known.len() > MAX_LISTED { ", ..." } else { "" };
    format!("the {what} known here are {}{more}", listed.join(", "))
}

/// The one of `known` that `found` was probably meant to be, if any is similar enough.
///
/// Case does not count, nor whether words are joined by `-` or `_`.
#[must_use]
pub fn closest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    if found.len() > MAX_COMPARED_BYTES {
        return None;
    }
    let found = normalized(found);
    known
        .iter()
        .map(|candidate| (likeness(&found, &normalized(candidate)), *candidate))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn normalized(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Damerau-Levenshtein finds letters that are wrong, missing or swapped. Jaro-Winkler finds a beginning
/// that is right; being generous elsewhere, it counts for less.
fn likeness(found: &str, candidate: &str) -> f64 {
    let edits = strsim::normalized_damerau_levenshtein(found, candidate);
    edits.max(strsim::jaro_winkler(found, candidate) - JARO_DISCOUNT)
}

/// serde's names of types, as a TOML author knows them.
fn plain(expected: &str) -> String {
    let plain = match expected {
        "a sequence" => "an array",
        "a map" => "a table",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" | "isize" => "a whole number",
        other if other.starts_with("struct ") => "a table",
        other => return shorten(other, FOREIGN_CHARS),
    };
    plain.to_owned()
}

fn where_to_add(name: &str, parents: &str) -> String {
    if parents.is_empty() {
        format!("add `{name} = ...` above the first [table]")
    } else {
        format!("add `{name} = ...` to [{parents}]")
    }
}

fn join(parents: &str, key: &str) -> String {
    if parents.is_empty() { key.to_owned() } else { format!("{parents}.{key}") }
}

fn some(parents: &str) -> Option<String> {
    (!parents.is_empty()).then(|| parents.to_owned())
}

/// The tables an error lies in, joined by dots. `toml` has no accessor for them: its display form ends in
/// ``in `a.b` `` when it is not given the text.
fn parent_keys(error: &toml::de::Error) -> String {
    let mut error = error.clone();
    error.set_input(None);
    let display = error.to_string();
    let after_message = display.strip_prefix(error.message()).unwrap_or_default();
    let keys = after_message.strip_prefix("\nin `").and_then(|rest| rest.strip_suffix("`\n"));
    keys.unwrap_or_default().to_owned()
}
