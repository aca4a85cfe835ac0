//! Claims about whole messages, and about every text there is.

use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    name: Spanned<String>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    table: BTreeMap<Spanned<String>, Spanned<String>>,
    inner: Option<Inner>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Inner {
    port: u16,
    #[serde(default)]
    backend: Backend,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Backend {
    #[default]
    Embedded,
    Bitcoind,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

const VALID: &str = "name = \"a\"\ncapabilities = [\"x\", \"y\"]\n[table]\nkey = \"value\"\n[inner]\nport = 1\nbackend = \"bitcoind\"\n";

fn message(text: &str) -> String {
    read::<Sample>("s.toml", text).expect_err("the document is wrong").to_string()
}

#[test]
fn a_valid_document_is_read_with_its_places() {
    let sample: Sample = read("s.toml", VALID).expect("valid");
    assert_eq!(&VALID[sample.name.span()], "\"a\"");
    assert_eq!(sample.inner, Some(Inner { port: 1, backend: Backend::Bitcoind }));
    assert_eq!(sample.table.keys().map(|key| &VALID[key.span()]).collect::<Vec<_>>(), ["key"]);
}

#[test]
fn an_unknown_key_gets_the_key_that_was_meant() {
    assert_eq!(
        message("name = 'a'\ncapabilites = []"),
        "s.toml:2:1: unknown key `capabilites`; did you mean `capabilities`?"
    );
}

#[test]
fn an_unknown_key_unlike_any_other_gets_the_list() {
    assert_eq!(
        message("name = 'a'\nzzz = []"),
        "s.toml:2:1: unknown key `zzz`; the keys known here are `name`, `capabilities`, `table`, `inner`"
    );
}

#[test]
fn an_unknown_key_in_a_table_is_named_with_its_table() {
    assert_eq!(
        message("name = 'a'\n[inner]\nprot = 1"),
        "s.toml:3:1: unknown key `inner.prot`; did you mean `port`?"
    );
}

#[test]
fn an_unknown_key_where_none_is_known_is_to_be_removed() {
    let error = read::<Nothing>("s.toml", "a = 1").expect_err("unknown");
    assert_eq!(error.to_string(), "s.toml:1:1: unknown key `a`; remove it");
}

#[test]
fn an_unknown_value_gets_the_value_that_was_meant() {
    assert_eq!(
        message("name = 'a'\ninner = { port = 1, backend = 'bitcoin' }"),
        "s.toml:2:31: `inner.backend`: unknown value `bitcoin`; did you mean `bitcoind`?"
    );
}

#[test]
fn a_wrong_type_says_what_was_expected_and_what_was_found() {
    assert_eq!(
        message("name = 'a'\ncapabilities = 'x'"),
        "s.toml:2:16: `capabilities`: expected an array, found string \"x\"; put it between [ and ]"
    );
    assert_eq!(
        message("name = 'a'\ninner.port = 70000"),
        "s.toml:2:14: `inner.port`: expected a whole number from 0 to 65535, found integer `70000`"
    );
    assert_eq!(
        message("name = 5"),
        "s.toml:1:8: `name`: expected a string, found integer `5`; put it between quotes"
    );
    assert_eq!(
        message("name = 'a'\ninner = { port = '1' }"),
        "s.toml:2:18: `inner.port`: expected a whole number from 0 to 65535, found string \"1\"; \
         write it without quotes"
    );
    assert_eq!(
        message("name = 'a'\ninner = { port = '1s' }"),
        "s.toml:2:18: `inner.port`: expected a whole number from 0 to 65535, found string \"1s\""
    );
    assert_eq!(
        message("name = 'a'\ninner = { port = 1, backend = 1 }"),
        "s.toml:2:31: `inner.backend`: expected a string, found something else; write one of its names in quotes"
    );
    assert_eq!(message("name = ['a']"), "s.toml:1:8: `name`: expected a string, found an array");
    assert_eq!(
        message("name = 2020-01-01"),
        "s.toml:1:8: `name`: expected a string, found a table or a date"
    );
}

#[test]
fn what_is_not_toml_is_told_how_to_become_so() {
    for (text, expected) in [
        ("name = a-b", "1:8: string values must be quoted; put the value between quotes"),
        ("name = 'a'\ntable", "2:6: key with no value; write it as `key = value`"),
        (
            "capabilities = ['a' 'b']",
            "1:21: missing comma between array elements; put a comma between the two",
        ),
        ("[table\na = 1", "1:7: unclosed table; close it with `]`"),
        ("name = \"a\nb = 1", "1:10: invalid basic string; what can stand here: `\"`"),
    ] {
        assert_eq!(message(text), format!("s.toml:{expected}"));
    }
}

#[test]
fn a_missing_key_says_where_to_add_it() {
    assert_eq!(
        message(""),
        "s.toml:1:1: the key `name` is missing; add `name = ...` above the first [table]"
    );
    assert_eq!(
        message("name = 'a'\n[inner]\n"),
        "s.toml:2:1: the key `inner.port` is missing; add `port = ...` to [inner]"
    );
}

#[test]
fn a_duplicate_key_is_reported_where_it_is_repeated() {
    assert_eq!(
        message("name = 'a'\nname = 'b'"),
        "s.toml:2:1: the key `name` is set twice; keep one of the two"
    );
}

#[test]
fn a_hostile_key_can_neither_forge_a_line_nor_imitate_serde() {
    let text = "name = 'a'\n\"x`, expected `name`\\n\\u001b[2J\" = 1";
    assert_eq!(
        message(text),
        "s.toml:2:1: unknown key `x`, expected `name`\\n\\u{1b}[2J`; the keys known here are `name`, \
         `capabilities`, `table`, `inner`"
    );
}

#[test]
fn a_document_over_the_limit_is_refused_unread() {
    let text = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    assert_eq!(
        message(&text),
        "s.toml:1:1: the document has 1048577 bytes, the limit is 1048576; make it shorter"
    );
}

#[test]
fn a_message_stays_short_whatever_the_document_holds() {
    let long = "x".repeat(500_000);
    for text in [format!("{long} = 1"), format!("name = 1{long}"), format!("capabilities = '{long}'")] {
        assert!(message(&text).len() < 1000, "{}", message(&text));
    }
}

#[test]
fn no_depth_overflows_the_stack() {
    for depth in [10, 79, 81, 1000, 20_000, 200_000] {
        let dots = "a.".repeat(depth);
        let nested = "[".repeat(depth);
        let tables = "{a=".repeat(depth);
        for text in [format!("{dots}a=1"), format!("[{dots}a]"), format!("[[{dots}a]]")] {
            message(&text);
        }
        for text in [format!("x={nested}"), format!("x={tables}"), format!("x={{{dots}a=1}}")] {
            message(&text);
        }
    }
}

fn is_one_safe_line(message: &str) -> bool {
    message.starts_with("s.toml:") && !message.chars().any(char::is_control) && message.len() < 12_000
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_on_one_safe_line(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = read::<Sample>("s.toml", &text) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn any_toml_like_text_is_read_or_refused_on_one_safe_line(
        text in "([a-z\\[\\]{}=\"'.,#\\\\ \n\t0-9_`-]|name|capabilities|inner|port|\u{1b}|é|\u{feff}){0,80}"
    ) {
        if let Err(error) = read::<Sample>("s.toml", &text) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn a_mutated_document_is_read_or_refused_inside_the_text(
        place in 0..VALID.len(), removed in 0..12_usize, inserted in any::<String>()
    ) {
        let end = (place + removed).min(VALID.len());
        let text = format!("{}{inserted}{}", &VALID[..place], &VALID[end..]);
        if let Err(error) = read::<Sample>("s.toml", &text) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
            prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            prop_assert!(error.column >= 1);
        }
    }

    #[test]
    fn escaping_twice_is_escaping_once(text in any::<String>()) {
        prop_assert_eq!(escape(&escape(&text)), escape(&text));
    }
}
