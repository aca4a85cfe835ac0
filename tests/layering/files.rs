//! How every file opens, and how long it may be.

use crate::sources::{self, Source};

/// The most lines of a file that is not a test: above this it has more than one subject.
const MAX_LINES: usize = 400;

#[test]
fn no_file_has_more_than_400_lines() {
    let long: Vec<String> = sources::all()
        .iter()
        .filter(|source| !source.is_test() && is_long(&source.text))
        .map(|source| format!("{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "a file has one subject: split these");
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<String> = sources::all()
        .into_iter()
        .filter(|source| !source.is_test() && opening(&source.text).is_empty())
        .map(|source| source.path)
        .collect();
    assert_eq!(silent, Vec::<String>::new(), "these must open with a `//!`");
}

#[test]
fn every_library_says_what_it_never_does() {
    let libraries: Vec<Source> =
        sources::all().into_iter().filter(|source| source.path.ends_with("/src/lib.rs")).collect();
    assert!(libraries.len() >= 11, "the libraries are found");
    let silent: Vec<&str> = libraries
        .iter()
        .filter(|source| !states_a_limit(&opening(&source.text)))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(silent, Vec::<&str>::new(), "the `//!` of these must say what they never do");
}

#[test]
fn a_long_file_and_a_silent_one_are_found() {
    assert!(is_long(&"\n".repeat(MAX_LINES + 1)) && !is_long(&"\n".repeat(MAX_LINES)));
    assert_eq!(opening("use a;\n//! late"), "");
    assert_eq!(opening("//! Does a.\n//! Never b.\nuse c;\n//! d"), " Does a. Never b.");
    assert!(
        states_a_limit("Never b")
            && states_a_limit("it parses no byte")
            && !states_a_limit("Does nevertheless")
    );
}

fn is_long(text: &str) -> bool {
    text.lines().count() > MAX_LINES
}

/// The words of the `//!` lines that a file begins with.
fn opening(text: &str) -> String {
    text.lines().map_while(|line| line.strip_prefix("//!")).collect()
}

/// "it never opens a file", "Pure", "parses no byte of a module".
fn states_a_limit(opening: &str) -> bool {
    let lower = opening.to_lowercase();
    lower.split(|letter: char| !letter.is_alphabetic()).any(|word| ["never", "pure", "no"].contains(&word))
}
