//! The table of all attempts, in the order in which they are made.

mod descriptors;
mod files;
mod host;
mod kernel;
mod namespaces;
mod network;
mod processes;
mod resources;
mod terminals;

use crate::attempt::Attempt;

/// Attempts on one thing.
#[derive(Debug)]
pub(crate) struct Group {
    /// In one word.
    pub(crate) name: &'static str,
    /// In the order in which they are made.
    pub(crate) attempts: &'static [Attempt],
}

/// The group whose controls need mounts and a host name of their own, so that they leave the machine's alone.
pub(crate) const NAMESPACES: &str = "namespaces";

/// All attempts. Those on resources come last: they write a lot, and the others should be seen first.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "files", attempts: files::ATTEMPTS },
    Group { name: "network", attempts: network::ATTEMPTS },
    Group { name: "processes", attempts: processes::ATTEMPTS },
    Group { name: NAMESPACES, attempts: namespaces::ATTEMPTS },
    Group { name: "descriptors", attempts: descriptors::ATTEMPTS },
    Group { name: "kernel", attempts: kernel::ATTEMPTS },
    Group { name: "terminals", attempts: terminals::ATTEMPTS },
    Group { name: "host", attempts: host::ATTEMPTS },
    Group { name: "resources", attempts: resources::ATTEMPTS },
];

/// Every attempt with its group's name.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Attempt)> {
    GROUPS.iter().flat_map(|group| group.attempts.iter().map(|attempt| (group.name, attempt)))
}

/// The attempt of this name, with its group's.
///
/// # Errors
/// That there is none, and where to find the names.
pub(crate) fn find(name: &str) -> Result<(&'static str, &'static Attempt), String> {
    all()
        .find(|(_, attempt)| attempt.name == name)
        .ok_or_else(|| format!("there is no attempt `{name}`; `escape-artist --list` has all names"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::attempt::Expected;

    #[test]
    fn every_name_is_unique() {
        let names: BTreeSet<_> = all().map(|(_, attempt)| attempt.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn every_name_is_kebab_case() {
        let is_kebab = |name: &str| {
            let word = |word: &str| {
                !word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            name.split('-').all(word)
        };
        assert_eq!(all().map(|(_, attempt)| attempt.name).find(|name| !is_kebab(name)), None);
    }

    #[test]
    fn every_attempt_says_what_it_tries_in_one_line_without_tabs() {
        let in_one_line = |text: &str| !text.is_empty() && !text.contains(['\t', '\n']);
        assert_eq!(all().map(|(_, attempt)| attempt.tries).find(|tries| !in_one_line(tries)), None);
    }

    #[test]
    fn every_expected_error_is_a_known_one() {
        let unknown = Expected::Errno(nix::errno::Errno::UnknownErrno);
        assert!(all().all(|(_, attempt)| attempt.expected(&[]) != unknown));
    }

    /// One technique a file: the folder is the group, the file is the name, and there is no file beside.
    #[test]
    fn each_attempt_stands_in_the_file_that_its_group_and_its_name_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/attempts");
        let mut wanted = BTreeSet::from([folder.join("mod.rs")]);
        for (group, attempt) in all() {
            let path = folder.join(group).join(attempt.name.replace('-', "_")).with_extension("rs");
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.contains(&format!("\"{}\"", attempt.name)), "{}", path.display());
            wanted.insert(path);
        }
        wanted.extend(GROUPS.iter().map(|group| folder.join(group.name).join("mod.rs")));
        assert_eq!(files_below(&folder), wanted);
    }

    fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { files_below(&path) } else { BTreeSet::from([path]) })
            .collect()
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_list_is_named() {
        let error = find("no-such-attempt").unwrap_err();
        assert_eq!(error, "there is no attempt `no-such-attempt`; `escape-artist --list` has all names");
    }
}
