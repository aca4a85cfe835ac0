//! A path as a module writes it becomes a path that can be resolved, or an error that names the rule it breaks. Pure:
//! it never looks at the file system, and what it lets through proves nothing about what lies there.

use crate::error::quote;
use crate::temporary::is_temporary;
use crate::{FilesError, MAX_COMPONENT_BYTES, MAX_DEPTH, MAX_PATH_BYTES};

/// A relative path of ordinary components, none of them reserved. Holding one proves its form, not that it exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelativePath<'p> {
    text: &'p str,
}

impl<'p> RelativePath<'p> {
    /// A path to something in the data directory.
    pub(crate) fn parse(text: &'p str) -> Result<Self, FilesError> {
        match broken_rule(text) {
            None => Ok(Self { text }),
            Some(rule) => Err(FilesError::InvalidPath { path: quote(text), rule }),
        }
    }

    /// The same, or the empty path, which is the data directory itself.
    pub(crate) fn parse_directory(text: &'p str) -> Result<Self, FilesError> {
        if text.is_empty() { Ok(Self { text }) } else { Self::parse(text) }
    }

    /// The path as it was written; empty for the data directory.
    pub(crate) fn text(self) -> &'p str {
        self.text
    }

    /// What the kernel is asked to resolve.
    pub(crate) fn to_resolve(self) -> &'p str {
        if self.text.is_empty() { "." } else { self.text }
    }

    /// The directory it lies in, and its name there.
    pub(crate) fn split(self) -> (RelativePath<'p>, &'p str) {
        let (parent, name) = self.text.rsplit_once('/').unwrap_or(("", self.text));
        (RelativePath { text: parent }, name)
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty; name something in the data directory");
    }
    if text.len() > MAX_PATH_BYTES {
        return Some("has more than 4095 bytes, which the kernel does not resolve");
    }
    if text.starts_with('/') {
        return Some("is absolute; paths are relative to the module's data directory");
    }
    if text.contains('\0') {
        return Some("contains a NUL byte, which no file name can have");
    }
    if text.split('/').count() > MAX_DEPTH {
        return Some("has more than 32 components; use fewer directories");
    }
    text.split('/').find_map(broken_component_rule)
}

fn broken_component_rule(component: &str) -> Option<&'static str> {
    match component {
        "" => Some("has an empty component; write a single `/` between names and none at the end"),
        "." | ".." => Some("contains `.` or `..`; name each directory by its name"),
        name if name.len() > MAX_COMPONENT_BYTES => Some("has a name of more than 255 bytes"),
        name if is_temporary(name.as_bytes()) => {
            Some("uses a name that is reserved for files being written (.cofferdam-tmp-)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> &'static str {
        match RelativePath::parse(text) {
            Err(FilesError::InvalidPath { rule, .. }) => rule,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        for text in ["a", "a/b.txt", "..a/b..", ".hidden", "über/日本", "a b/\n", &"x".repeat(255)] {
            assert_eq!(RelativePath::parse(text).unwrap().text(), text);
        }
        let deep = vec!["d"; MAX_DEPTH].join("/");
        assert!(RelativePath::parse(&deep).is_ok());
    }

    #[test]
    fn each_broken_rule_is_named() {
        assert!(rule("").contains("empty"));
        assert!(rule("/etc/passwd").contains("absolute"));
        assert!(rule("a/../b").contains("`..`"));
        assert!(rule("./a").contains("`.`"));
        assert!(rule("..").contains("`..`"));
        assert!(rule("a//b").contains("empty component"));
        assert!(rule("a/").contains("empty component"));
        assert!(rule("a\0b").contains("NUL"));
        assert!(rule(&"x".repeat(256)).contains("255"));
        assert!(rule(&vec!["d"; MAX_DEPTH + 1].join("/")).contains("32"));
        assert!(rule(&"x/".repeat(3000)).contains("4095"));
        assert!(rule("d/.cofferdam-tmp-0123").contains("reserved"));
    }

    #[test]
    fn the_data_directory_itself_is_the_empty_path_where_directories_are_meant() {
        assert_eq!(RelativePath::parse_directory("").unwrap().to_resolve(), ".");
        assert!(RelativePath::parse_directory("/").is_err());
    }

    #[test]
    fn a_path_splits_into_its_directory_and_its_name() {
        let (parent, name) = RelativePath::parse("a/b/c").unwrap().split();
        assert_eq!((parent.text(), name), ("a/b", "c"));
        let (parent, name) = RelativePath::parse("c").unwrap().split();
        assert_eq!((parent.to_resolve(), name), (".", "c"));
    }

    proptest! {
        #[test]
        fn what_is_taken_has_only_ordinary_components(text in "[a./\\x00é-]{0,40}|\\PC*") {
            if let Ok(path) = RelativePath::parse(&text) {
                prop_assert!(std::path::Path::new(path.text())
                    .components()
                    .all(|component| matches!(component, std::path::Component::Normal(_))));
                prop_assert_eq!(std::path::Path::new(path.text()).components().count(), text.split('/').count());
            }
        }
    }
}
