//! Where `unsafe` may stand, and that every crate's lints say so.

use std::fs;

use crate::sources::{self, Source};

/// The only places. Each is a file or a folder.
const PLACES: [&str; 2] = ["src/launcher/src/sys/", "src/sdk/src/inherit.rs"];

/// The crates that hold such a place. They deny what all others forbid.
const HOLDERS: [&str; 2] = ["src/launcher/Cargo.toml", "src/sdk/Cargo.toml"];

fn uses_unsafe(source: &Source) -> bool {
    // Tests too: whatever is compiled counts.
    fn any(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Group(group) => any(group.stream()),
            proc_macro2::TokenTree::Ident(word) => word == "unsafe",
            proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Literal(_) => false,
        })
    }
    any(source.tokens())
}

#[test]
fn unsafe_stands_in_the_launchers_system_calls_and_the_sdks_inherited_socket_only() {
    let elsewhere: Vec<String> = sources::all()
        .into_iter()
        .filter(|source| !PLACES.iter().any(|place| source.path.starts_with(place)))
        .filter(uses_unsafe)
        .map(|source| source.path)
        .collect();
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn the_places_of_unsafe_are_real() {
    for place in PLACES {
        let found = sources::all().iter().any(|source| source.path.starts_with(place) && uses_unsafe(source));
        assert!(found, "{place} has no unsafe code any more: remove it from PLACES");
    }
}

#[test]
fn unsafe_is_found_in_code_and_not_in_words() {
    let source = |text: &str| Source { path: "sample.rs".to_owned(), text: text.to_owned() };
    assert!(uses_unsafe(&source("fn f() { if true { unsafe { g() } } }")));
    assert!(uses_unsafe(&source("#[cfg(test)] mod tests { unsafe fn f() {} }")));
    assert!(!uses_unsafe(&source("#![forbid(unsafe_code)] //! unsafe\nfn f() { \"unsafe\"; }")));
}

#[test]
fn every_crate_forbids_unsafe_code_or_holds_a_place_and_denies_it() {
    let root: toml::Table = read("Cargo.toml");
    assert_eq!(root["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for path in crate::crates::manifests() {
        let manifest = read(&path);
        if HOLDERS.contains(&path.as_str()) {
            assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"), "{path}");
        } else {
            assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{path}");
        }
    }
}

fn read(path: &str) -> toml::Table {
    fs::read_to_string(sources::root().join(path)).unwrap().parse().unwrap()
}
