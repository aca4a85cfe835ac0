//! Finds the word that was meant.

use crate::quote::quote;

/// How similar a known key must be to be suggested, from 0 to 1. One wrong letter of three
/// is just similar enough; two of five are not.
const SIMILAR: f64 = 0.65;

/// What is taken off a Jaro-Winkler likeness: two unrelated short words often reach 0.8 of it.
const JARO_DISCOUNT: f64 = 0.15;

/// A longer key is no typing error, and comparing it would cost the square of its length.
const MAX_COMPARED_BYTES: usize = 128;

/// How many known keys a message lists.
const MAX_LISTED: usize = 32;

/// "did you mean `x`?" or, where nothing is similar, what is known at this place.
pub(crate) fn suggest(found: &str, known: &[&str], what: &str) -> String {
    if let Some(best) = closest(found, known) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["capabilities", "dependencies", "rpc_user", "zmq"];

    #[test]
    fn a_typing_error_finds_the_word_that_was_meant() {
        for (found, meant) in [
            ("capabilites", "capabilities"),
            ("Dependencies", "dependencies"),
            ("rpc-user", "rpc_user"),
            ("rpcuser", "rpc_user"),
            ("zqm", "zmq"),
        ] {
            let likeness = likeness(&normalized(found), meant);
            assert_eq!(closest(found, KNOWN), Some(meant), "{found}: {likeness}");
        }
    }

    #[test]
    fn an_unlike_word_finds_none() {
        for found in ["", "colour", "x", "state_dir", &"rpc_user".repeat(100)] {
            assert_eq!(closest(found, KNOWN), None, "{found}");
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let known = vec!["known"; 40];
        assert_eq!(suggest("other", &known, "keys").matches("`known`").count(), MAX_LISTED);
    }
}
