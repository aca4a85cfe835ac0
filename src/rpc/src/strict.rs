//! Whether a text is JSON that every parser reads alike. It builds nothing and keeps nothing but the keys of the
//! objects it is inside of.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Checks `text`: no key is twice in an object, strings are Unicode, numbers fit a double, and it is not deeper
/// than serde_json goes (127 levels).
///
/// # Errors
/// What is wrong, with line and column.
pub(crate) fn check(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|Strict| ())
}

/// How deep a client's parser goes (serde_json's limit, and that of others is larger), less the two levels that a reply
/// and a batch add around a result.
const MAX_PART_DEPTH: usize = 127 - 2;

/// Checks JSON that will stand inside of a reply: as [`check`], and the reply is not deeper than parsers go.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_part(text: &str) -> Result<(), serde_json::Error> {
    check(text)?;
    if depth(text) > MAX_PART_DEPTH {
        return Err(Error::custom(format_args!("deeper than {MAX_PART_DEPTH} levels")));
    }
    Ok(())
}

/// How many arrays and objects are inside of one another at most, in a text that is JSON.
fn depth(text: &str) -> usize {
    let (mut deepest, mut now, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => now = now.saturating_add(1),
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

/// One value that passed.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        // Ordered, not hashed: no key that a peer chooses makes it slow.
        let mut keys = BTreeSet::new();
        while let Some(Key(key)) = members.next_key()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("key {:?} twice in an object", clipped(&key))));
            }
            keys.insert(key);
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

/// A key, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// The beginning of what a peer sent, for a message.
pub(crate) fn clipped(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let mut beginning: String = text.chars().take(MAX_CHARS).collect();
    if beginning.len() < text.len() {
        beginning.push_str("...");
    }
    beginning
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        check(r#"{"a":{"b":1},"b":[-0.0,1e300,12345678901234567890123,true,null,"\u0000\ud83d\ude00"]}"#)
            .unwrap();
        assert_eq!(refusal(r#"{"a":1,"a":1}"#), r#"key "a" twice in an object at line 1 column 10"#);
        assert!(refusal(r#"[{"a":{"b":1,"\u0062":1}}]"#).contains("twice"));
        assert!(refusal(r#""\ud800""#).contains("hex escape"));
        assert!(refusal("1e999").contains("out of range"));
        assert!(refusal("\"\0\"").contains("control character"));
        assert!(refusal("1 2").contains("trailing"));
        assert!(refusal("NaN").contains("expected"));
    }

    #[test]
    fn depth_is_limited_to_127() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        check(&nested(127)).unwrap();
        assert!(refusal(&nested(128)).contains("recursion limit"));
        assert!(refusal(&"[{\"a\":".repeat(300_000)).contains("recursion limit"));
    }

    #[test]
    fn what_stands_in_a_reply_is_two_levels_shallower() {
        let nested = |depth| "[".repeat(depth) + r#""\"[[[\\""# + &"]".repeat(depth);
        check_part(&nested(125)).unwrap();
        assert_eq!(check_part(&nested(126)).unwrap_err().to_string(), "deeper than 125 levels");
        check(&format!("[{{\"result\":{}}}]", nested(125))).unwrap();
        check_part(&format!("[{}]", "[{}],".repeat(500) + "1")).unwrap();
    }

    #[test]
    fn a_message_holds_the_beginning_of_a_long_key_only() {
        let key = "k".repeat(1 << 20);
        assert!(refusal(&format!(r#"{{"{key}":1,"{key}":1}}"#)).len() < 200);
    }

    proptest! {
        #[test]
        fn what_passes_is_json_for_serde_json(text in r#"[\[\]{}",:a0-9.e\\u -]{0,40}"#) {
            if check(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
