//! Changes one list of strings in a TOML text, and nothing else of it: comments and layout stay. It does not judge the
//! result: whoever uses it parses it again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

/// The lists of a manifest that can be changed.
#[derive(Deserialize)]
struct Lists {
    entry_point: Spanned<String>,
    capabilities: Option<List>,
    publish_events: Option<List>,
}

type List = Spanned<Vec<Spanned<String>>>;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Capabilities,
    PublishEvents,
}

impl Which {
    fn key(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::PublishEvents => "publish_events",
        }
    }

    fn of(self, lists: Lists) -> Option<List> {
        match self {
            Self::Capabilities => lists.capabilities,
            Self::PublishEvents => lists.publish_events,
        }
    }
}

/// The text with a list that holds exactly `wanted`; `None` where it is not a manifest's.
pub(super) fn with_list(text: &str, which: Which, wanted: &BTreeSet<String>) -> Option<String> {
    let lists: Lists = toml::from_str(text).ok()?;
    let entry_point = lists.entry_point.span();
    let Some(list) = which.of(lists) else {
        return if wanted.is_empty() {
            Some(text.to_owned())
        } else {
            new_list(text, &entry_point, which, wanted)
        };
    };
    let mut changed = text.to_owned();
    // From the last to the first: what stands before keeps its place.
    for element in list.get_ref().iter().rev().filter(|element| !wanted.contains(element.get_ref())) {
        let (last, first) = to_remove(&changed, element.span())?;
        changed.replace_range(last, "");
        if let Some(first) = first {
            changed.replace_range(first, "");
        }
    }
    let lists: Lists = toml::from_str(&changed).ok()?;
    let list = which.of(lists)?;
    let present: BTreeSet<&str> = list.get_ref().iter().map(|element| element.get_ref().as_str()).collect();
    let missing: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|name| !present.contains(name)).collect();
    if missing.is_empty() { Some(changed) } else { add(changed, &list, &missing) }
}

/// The list of a config that `with_refused_calls` changes.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    modules: Modules,
}

#[derive(Default, Deserialize)]
struct Modules {
    #[serde(default)]
    refuse_calls: BTreeMap<String, Spanned<Vec<String>>>,
}

/// The table that holds the lists.
const TABLE: &str = "[modules.refuse_calls]";

/// The text of a config in which `module` is refused exactly these calls; `None` where it is no config's.
pub(super) fn with_refused_calls(text: &str, module: &str, refused: &BTreeSet<String>) -> Option<String> {
    let config: Config = toml::from_str(text).ok()?;
    let calls: String = refused.iter().map(|call| format!("    {call:?},\n")).collect();
    let list = format!("[\n{calls}]");
    let mut changed = text.to_owned();
    if let Some(present) = config.modules.refuse_calls.get(module) {
        changed.replace_range(present.span(), &list);
        return Some(changed);
    }
    let header = text.lines().find(|line| line.trim_start().starts_with(TABLE));
    let at = header.and_then(|header| Some(text.find(header)? + header.len()));
    match at {
        Some(at) => changed.insert_str(at, &format!("\n{module} = {list}")),
        None => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            changed.push_str(&format!("{gap}\n{TABLE}\n{module} = {list}\n"));
        }
    }
    Some(changed)
}

/// A list where there was none, below the line of the entry point.
fn new_list(
    text: &str,
    entry_point: &Range<usize>,
    which: Which,
    wanted: &BTreeSet<String>,
) -> Option<String> {
    let names: Vec<String> = wanted.iter().map(|name| format!("{name:?}")).collect();
    let line = format!("{} = [{}]\n", which.key(), names.join(", "));
    let end = line_of(text, entry_point)?.end;
    let (before, after) = text.split_at_checked(end)?;
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    Some(format!("{before}{gap}{line}{after}"))
}

/// What goes with an element, the later part first: its line with its comment, if it has one to itself, or else it and
/// its comma. A comma that stays at the end of a list does no harm.
fn to_remove(text: &str, element: Range<usize>) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let line = line_of(text, &element)?;
    let before = text.get(line.start..element.start)?;
    let comma = comma_after(text, element.end)?;
    let end = comma.map_or(element.end, |comma| comma + 1);
    if end > line.end {
        return Some((end - 1..end, Some(element)));
    }
    let rest = text.get(end..line.end)?;
    let is_blank = |text: &str| text.trim_start().is_empty() || text.trim_start().starts_with('#');
    if before.trim().is_empty() && is_blank(rest) {
        return Some((line, None));
    }
    if comma.is_some() {
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        return Some((element.start..end + spaces, None));
    }
    // The last one: the comma of the one before goes, where it stands beside it.
    let kept = before.trim_end_matches([' ', '\t']);
    let start = kept.strip_suffix(',').map_or(element.start, |kept| line.start + kept.len());
    Some((start..element.end, None))
}

/// Where the comma behind an element stands, if it has one: behind spaces, ends of lines and comments.
fn comma_after(text: &str, at: usize) -> Option<Option<usize>> {
    let mut at = at;
    loop {
        let rest = text.get(at..)?;
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        match rest.trim_start().chars().next()? {
            ',' => return Some(Some(at)),
            '#' => at += rest.trim_start().find('\n')?,
            _ => return Some(None),
        }
    }
}

fn add(mut text: String, list: &List, missing: &[&str]) -> Option<String> {
    let span = list.span();
    let close = span.end.checked_sub(1)?;
    let last = list.get_ref().last().map(Spanned::span);
    let names: Vec<String> = missing.iter().map(|name| format!("{name:?}")).collect();
    if !text.get(span.clone())?.contains('\n') {
        let (at, gap) = last.map_or((span.start + 1, ""), |last| (last.end, ", "));
        text.insert_str(at, &format!("{gap}{}", names.join(", ")));
        return Some(text);
    }
    let closing = line_of(&text, &(close..close))?;
    let alone = text.get(closing.start..close)?.trim().is_empty();
    let indent = match &last {
        Some(last) => {
            let line = line_of(&text, last)?;
            text.get(line.start..last.start)?.chars().take_while(|letter| letter.is_whitespace()).collect()
        }
        None => "    ".to_owned(),
    };
    let lines: String = names.iter().map(|name| format!("{indent}{name},\n")).collect();
    let (at, lines) = if alone { (closing.start, lines) } else { (close, format!("\n{lines}")) };
    let without_comma = match &last {
        Some(last) if comma_after(&text, last.end)?.is_none() => Some(last.end),
        Some(_) | None => None,
    };
    text.insert_str(at, &lines);
    if let Some(at) = without_comma {
        text.insert(at, ',');
    }
    Some(text)
}

/// The whole lines in which a span stands, with the last one's end.
fn line_of(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(span.end..)?.find('\n').map_or(text.len(), |at| span.end + at + 1);
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\n";

    fn names(wanted: &[&str]) -> BTreeSet<String> {
        wanted.iter().map(|name| (*name).to_owned()).collect()
    }

    fn changed(list: &str, wanted: &[&str]) -> String {
        let text = format!("{HEAD}{list}\n[config_schema]\n");
        let new = with_list(&text, Which::Capabilities, &names(wanted)).unwrap();
        let rest = new.strip_prefix(HEAD).unwrap().strip_suffix("[config_schema]\n").unwrap();
        rest.trim_end().to_owned()
    }

    #[test]
    fn an_element_goes_with_its_line_and_comment_and_the_others_keep_theirs() {
        let list = "capabilities = [\n    \"a\",   # of a\n    \"b\",   # of b\n    \"c\"\n]";
        assert_eq!(changed(list, &["a", "c"]), "capabilities = [\n    \"a\",   # of a\n    \"c\"\n]");
        assert_eq!(changed(list, &["b"]), "capabilities = [\n    \"b\",   # of b\n]");
        assert_eq!(changed(list, &[]), "capabilities = [\n]");
    }

    #[test]
    fn an_element_among_others_in_a_line_goes_with_its_comma() {
        let list = "capabilities = [\"a\", \"b\", \"c\"]";
        assert_eq!(changed(list, &["b", "c"]), "capabilities = [\"b\", \"c\"]");
        assert_eq!(changed(list, &["a", "c"]), "capabilities = [\"a\", \"c\"]");
        assert_eq!(changed(list, &["a", "b"]), "capabilities = [\"a\", \"b\"]");
        assert_eq!(changed(list, &[]), "capabilities = []");
    }

    #[test]
    fn an_element_is_added_as_the_others_are_written() {
        assert_eq!(changed("capabilities = []", &["x"]), "capabilities = [\"x\"]");
        assert_eq!(changed("capabilities = [\"a\"]", &["a", "x"]), "capabilities = [\"a\", \"x\"]");
        let list = "capabilities = [\n  \"a\"   # of a, alone\n]";
        assert_eq!(changed(list, &["a", "x"]), "capabilities = [\n  \"a\",   # of a, alone\n  \"x\",\n]");
    }

    #[test]
    fn a_list_that_is_not_there_is_made_before_the_first_table() {
        assert_eq!(changed("", &["x"]), "capabilities = [\"x\"]");
        assert_eq!(changed("# nothing", &[]), "# nothing");
    }

    #[test]
    fn what_is_no_manifest_is_not_changed() {
        assert_eq!(with_list("[", Which::Capabilities, &names(&["x"])), None);
        assert_eq!(with_list("entry_point = 1", Which::Capabilities, &names(&["x"])), None);
    }

    #[test]
    fn a_config_refuses_exactly_what_is_proposed_wherever_the_list_stands() {
        let refused = names(&["flock", "mkdir"]);
        let list = "[\n    \"flock\",\n    \"mkdir\",\n]";
        let new = |text: &str| with_refused_calls(text, "a-1", &refused).unwrap();
        assert_eq!(new("x = 1"), format!("x = 1\n\n{TABLE}\na-1 = {list}\n"));
        assert_eq!(new(&format!("{TABLE}\nb = []\n")), format!("{TABLE}\na-1 = {list}\nb = []\n"));
        assert_eq!(
            new(&format!("{TABLE} # why\na-1 = [\"read\"] # x\n[node]\n")),
            format!("{TABLE} # why\na-1 = {list} # x\n[node]\n")
        );
        assert_eq!(with_refused_calls("[", "a", &refused), None);
    }

    fn layout() -> impl Strategy<Value = String> {
        let gap = prop_oneof![Just(""), Just(" "), Just("\n    "), Just(" # x, \"y\" ]\n  "), Just("\n\n")];
        let between = (gap.clone(), gap.clone()).prop_map(|(before, after)| format!("{before},{after}"));
        let elements = prop::collection::vec(between, 0..5);
        (gap.clone(), elements, gap, any::<bool>()).prop_map(|(open, between, close, trailing)| {
            let mut list = format!("capabilities = [{open}");
            for (number, between) in between.iter().enumerate() {
                list.push_str(&format!("\"e{number}\"{between}"));
            }
            if !trailing {
                list.push_str("\"last\"");
            }
            format!("{list}{close}]")
        })
    }

    proptest! {
        #[test]
        fn whatever_the_layout_the_list_holds_what_is_wanted_and_the_rest_stays(
            list in layout(), wanted in prop::collection::btree_set("(e[0-4]|last|new[0-2])", 0..6),
        ) {
            let text = format!("{HEAD}{list}\n# end\n[config_schema]\n");
            let new = with_list(&text, Which::Capabilities, &wanted).expect("it is a manifest");
            let parsed: Lists = toml::from_str(&new).map_err(|error| TestCaseError::fail(format!("{error}\n{new}")))?;
            let list = parsed.capabilities.map(Spanned::into_inner).unwrap_or_default();
            let found: Vec<String> = list.into_iter().map(Spanned::into_inner).collect();
            let unique: BTreeSet<String> = found.iter().cloned().collect();
            prop_assert_eq!((found.len(), &unique), (wanted.len(), &wanted));
            prop_assert!(new.starts_with(HEAD) && new.ends_with("\n# end\n[config_schema]\n"));
        }
    }
}
