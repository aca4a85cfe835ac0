//! What the front says about methods: all of them, one, and those whose names are close to a wrong one. Pure.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::backend::MethodInfo;

/// How many names are suggested for one that does not exist.
const SUGGESTIONS: usize = 3;
/// How alike a suggested name must be, of 1.
const LIKENESS: f64 = 0.8;
/// Longer than any full name; comparing costs the product of both lengths.
const MAX_COMPARED_BYTES: usize = 160;

/// One method as `help` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Help<'m> {
    pub(crate) name: &'m str,
    description: &'m str,
    /// None for a method of the front.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'m str>,
}

impl<'m> Help<'m> {
    fn of(info: &'m MethodInfo) -> Self {
        Self { name: &info.name, description: &info.description, module: Some(&info.module) }
    }
}

/// What the front answers itself. A full name of a module's method always has a `_`, and none of these has one:
/// they cannot collide.
const BUILT_IN: [Help<'_>; 2] = [
    Help { name: "help", description: "All methods, or the one that is named.", module: None },
    Help { name: "uptime", description: "For how many seconds JSON-RPC has been served.", module: None },
];

/// The front's methods and `known`.
pub(crate) fn all(known: &[MethodInfo]) -> Vec<Help<'_>> {
    BUILT_IN.into_iter().chain(known.iter().map(Help::of)).collect()
}

/// The names that `wrong` may stand for, the closest first.
pub(crate) fn close_names(wrong: &str, known: &[MethodInfo]) -> Vec<String> {
    if wrong.len() > MAX_COMPARED_BYTES {
        return Vec::new();
    }
    let mut alike: Vec<(f64, &str)> = all(known)
        .into_iter()
        .map(|info| (strsim::jaro_winkler(wrong, info.name), info.name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    alike.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    alike.into_iter().take(SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

/// Which method `help` was asked about; None if its parameters are wrong.
pub(crate) fn asked_for(params: &RawValue) -> Option<Option<String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        // As Bitcoin Core calls it.
        command: Option<String>,
    }
    if params.get().starts_with('{') {
        return serde_json::from_str::<Named>(params.get()).ok().map(|named| named.command);
    }
    let mut names = serde_json::from_str::<Vec<String>>(params.get()).ok()?;
    match names.len() {
        0 | 1 => Some(names.pop()),
        _ => None,
    }
}

/// Whether the client passed nothing.
pub(crate) fn is_empty(params: &RawValue) -> bool {
    matches!(asked_for(params), Some(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> Vec<MethodInfo> {
        let info = |name: &&str| MethodInfo {
            name: (*name).to_owned(),
            description: String::new(),
            module: "m".to_owned(),
        };
        names.iter().map(info).collect()
    }

    #[test]
    fn no_module_can_have_a_method_by_a_built_in_name() {
        assert!(BUILT_IN.iter().all(|help| !help.name.contains('_')));
    }

    #[test]
    fn the_closest_names_come_first_and_are_few() {
        let known =
            known(&["fee_estimate", "fee_estimates", "fee_estimated", "fee_estimator", "other_thing"]);
        let close = close_names("fee_estimat", &known);
        assert_eq!((close.len(), close[0].as_str()), (SUGGESTIONS, "fee_estimate"));
        assert_eq!(close_names("hepl", &known), ["help"]);
        assert_eq!(close_names("getblockchaininfo", &known), [""; 0]);
        assert_eq!(close_names(&"fee_estimate".repeat(100_000), &known), [""; 0]);
    }

    #[test]
    fn help_is_asked_for_by_position_or_by_name() {
        let ask = |params: &str| asked_for(&RawValue::from_string(params.to_owned()).unwrap());
        assert_eq!([ask("[]"), ask("{}")], [Some(None), Some(None)]);
        let one = Some(Some("a".to_owned()));
        assert_eq!([ask(r#"["a"]"#), ask(r#"{"command":"a"}"#)], [one.clone(), one]);
        assert_eq!([ask("[1]"), ask(r#"["a","b"]"#), ask(r#"{"a":1}"#)], [None, None, None]);
    }
}
