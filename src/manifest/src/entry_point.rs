//! The path of a module's program.

use crate::error::{ValueError, text_form};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The path of a module's program, relative to the module's directory.
///
/// Holding one proves that the text names something below that directory as long as no component is a
/// symbolic link: whoever opens it must refuse those (`RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryPoint(String);

impl EntryPoint {
    /// The longest path, in bytes: a quarter of what Linux allows, so that it fits below any directory.
    pub const MAX_BYTES: usize = 1024;

    /// The longest component, in bytes: NAME_MAX of Linux.
    pub const MAX_COMPONENT_BYTES: usize = 255;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`ValueError::EntryPoint`] with the rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        match broken_rule(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(ValueError::EntryPoint { found: text.to_owned(), why }),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > EntryPoint::MAX_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    // It is shown to the operator as a part of paths.
    if cofferdam_document::escape(text) != text {
        return Some("it contains a control character, or one that does not show");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    text.split('/').find_map(broken_rule_of_component)
}

fn broken_rule_of_component(component: &str) -> Option<&'static str> {
    match component {
        "" => Some("it has an empty component"),
        "." => Some("it has a `.` component"),
        ".." => Some("it has a `..` component, which leaves the directory"),
        long if long.len() > EntryPoint::MAX_COMPONENT_BYTES => {
            Some("it has a component longer than 255 bytes")
        }
        _ => None,
    }
}

text_form!(EntryPoint);

impl AsRef<str> for EntryPoint {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for EntryPoint {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for EntryPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&cofferdam_document::escape(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn a_program_in_the_directory_or_below_it_is_an_entry_point() {
        for path in ["my-module", "bin/my-module", "..a", "a..", "mödul"] {
            assert_eq!(EntryPoint::new(path).map(|path| path.as_str().to_owned()), Ok(path.to_owned()));
        }
    }

    #[test]
    fn what_could_leave_the_directory_is_no_entry_point() {
        let (long, long_component) = ("a/".repeat(600), "a".repeat(256));
        let rules = [
            ("", "empty"),
            ("/bin/sh", "absolute"),
            ("../x", "`..`"),
            ("a/../../x", "`..`"),
            ("./x", "`.`"),
            ("a//b", "empty component"),
            ("a/", "empty component"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a\u{202e}b", "does not show"),
            ("a\u{200b}b", "does not show"),
            (&long, "1024"),
            (&long_component, "255"),
        ];
        for (path, rule) in rules {
            let problem = EntryPoint::new(path).expect_err("not an entry point").problem();
            assert!(problem.contains(rule), "{path}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn an_entry_point_has_only_normal_components(text in "([a-b./\\\\\u{0}\n]|\\.\\./){0,24}") {
            if let Ok(path) = EntryPoint::new(&text) {
                let path: &Path = path.as_ref();
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
