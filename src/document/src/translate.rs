//! Turns what `toml` and serde say into what the author of a document needs to read.
//!
//! Their wording is matched from the right, because what stands on the left is quoted from the document
//! and may imitate it. Wording this file does not know is passed on as it is: a new version of either
//! library can make a message worse, never wrong.

use crate::error::DocumentError;
use crate::quote::{quote, shorten};
use crate::suggest::suggest;

/// How many characters of a foreign message are kept.
const FOREIGN_CHARS: usize = 300;

/// How many characters of a value that has the wrong type are shown.
const FOUND_CHARS: usize = 72;

pub(crate) fn translate(file: &str, text: &str, error: &toml::de::Error) -> DocumentError {
    let span = error.span().unwrap_or(0..0);
    let parents = parent_keys(error);
    let message = error.message();
    let Sentence { key, problem, fix } = unknown_key(message, &parents)
        .or_else(|| unknown_value(message, &parents))
        .or_else(|| missing_key(message, &parents))
        .or_else(|| duplicate_key(message, text.get(span.clone())?))
        .or_else(|| wrong_type(message, &parents))
        .or_else(|| not_toml(message, &parents))
        .unwrap_or_else(|| Sentence {
            key: some(&parents),
            problem: shorten(message, FOREIGN_CHARS),
            fix: None,
        });
    DocumentError::at(file, text, span, key, problem, fix)
}

/// What is known about an error before it has a place.
struct Sentence {
    key: Option<String>,
    problem: String,
    fix: Option<String>,
}

fn unknown_key(message: &str, parents: &str) -> Option<Sentence> {
    let (found, expected) = split_unknown(message, "unknown field `")?;
    let key = join(parents, found);
    let problem = format!("unknown key {}", quote(&key));
    Some(Sentence { key: Some(key), problem, fix: Some(suggest(found, &names(expected), "keys")) })
}

fn unknown_value(message: &str, parents: &str) -> Option<Sentence> {
    let (found, expected) = split_unknown(message, "unknown variant `")?;
    let problem = format!("unknown value {}", quote(found));
    Some(Sentence { key: some(parents), problem, fix: Some(suggest(found, &names(expected), "values")) })
}

fn missing_key(message: &str, parents: &str) -> Option<Sentence> {
    let name = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    let key = join(parents, name);
    let problem = format!("the key {} is missing", quote(&key));
    Some(Sentence { key: Some(key), problem, fix: Some(where_to_add(name, parents)) })
}

/// `found` is the text of the second of the two keys, as it stands in the document.
fn duplicate_key(message: &str, found: &str) -> Option<Sentence> {
    let problem = format!("the key {} is set twice", quote(found));
    let fix = Some("keep one of the two".to_owned());
    (message == "duplicate key").then(|| Sentence { key: Some(found.to_owned()), problem, fix })
}

fn wrong_type(message: &str, parents: &str) -> Option<Sentence> {
    let key = some(parents);
    if message == "wanted string or table" {
        let problem = "expected a string, found something else".to_owned();
        return Some(Sentence { key, problem, fix: Some("write one of its names in quotes".to_owned()) });
    }
    let prefixes = ["invalid type: ", "invalid value: ", "invalid length "];
    let rest = prefixes.iter().find_map(|prefix| message.strip_prefix(prefix))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let problem = format!("expected {}, found {}", plain_expected(expected), plain_found(found));
    Some(Sentence { key, problem, fix: convert(found, expected).map(str::to_owned) })
}

/// The parser reports text that is not TOML before any key is known.
fn not_toml(message: &str, parents: &str) -> Option<Sentence> {
    let (problem, expected) = message.rsplit_once(", expected ").filter(|_| parents.is_empty())?;
    Some(Sentence { key: None, problem: shorten(problem, FOREIGN_CHARS), fix: Some(mend(message, expected)) })
}

/// The name and the list of expected names in serde's "unknown field `x`, expected one of `a`, `b`".
fn split_unknown<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, &'m str)> {
    let rest = message.strip_prefix(prefix)?;
    rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no "))
}

/// The names between backticks in serde's "one of `a`, `b`".
fn names(expected: &str) -> Vec<&str> {
    expected.split('`').skip(1).step_by(2).collect()
}

/// serde's names of the types a document should hold, as a TOML author knows them.
fn plain_expected(expected: &str) -> String {
    let plain = match expected {
        "a sequence" => "an array",
        "a map" => "a table",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" | "isize" => "a whole number",
        "any value" => "a number of 64 bits",
        other if other.starts_with("struct ") => "a table",
        other => return shorten(other, FOREIGN_CHARS),
    };
    plain.to_owned()
}

/// serde's names of what a document holds. `toml` shows serde a date as a map.
fn plain_found(found: &str) -> String {
    match found {
        "sequence" => "an array".to_owned(),
        "map" => "a table or a date".to_owned(),
        other => shorten(other.strip_suffix(" as i128").unwrap_or(other), FOUND_CHARS),
    }
}

/// How to turn a value of one type into another, where that is obvious.
fn convert(found: &str, expected: &str) -> Option<&'static str> {
    let scalar = ["integer ", "floating point ", "boolean "].iter().any(|kind| found.starts_with(kind));
    let text = found.strip_prefix("string \"").and_then(|rest| rest.strip_suffix('"'));
    match expected {
        "a string" if scalar => Some("put it between quotes"),
        "a sequence" if text.is_some() || scalar => Some("put it between [ and ]"),
        "a boolean" if matches!(text, Some("true" | "false")) => Some("write it without quotes"),
        "u8" | "u16" | "u32" | "u64" if text.is_some_and(is_number) => Some("write it without quotes"),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}

/// What to do about text that is not TOML; `expected` is the end of the message, and all that is known about
/// a message that is not listed here.
fn mend(message: &str, expected: &str) -> String {
    let mend = if message.starts_with("string values must be quoted") {
        "put the value between quotes"
    } else if message.starts_with("key with no value") {
        "write it as `key = value`"
    } else if message.starts_with("missing comma") {
        "put a comma between the two"
    } else if message.starts_with("unclosed table") {
        "close it with `]`"
    } else {
        return format!("what can stand here: {}", shorten(expected, FOREIGN_CHARS));
    };
    mend.to_owned()
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
