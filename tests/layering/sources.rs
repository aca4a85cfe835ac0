//! Finds the workspace's sources and reads them as tokens, so that no comment or string is taken for code.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The folders that hold Rust sources.
const FOLDERS: [&str; 7] =
    ["src", "modules", "tests", "benches", "vm-tests", "fuzz/targets", "fuzz/fuzz_targets"];

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path in the workspace.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// Its tokens, without comments.
    pub(crate) fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }

    /// Whether it is compiled for tests only, by the workspace's habits of naming.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }
}

/// Every source of the workspace.
pub(crate) fn all() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in FOLDERS.map(|folder| root().join(folder)).into_iter().filter(|folder| folder.exists()) {
        collect(&folder, &mut sources);
    }
    assert!(sources.len() > 100, "the workspace's sources are found");
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let shown = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path: shown, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// The tokens as one list of words: `{`, `}` and the like stand for themselves. Whatever follows
/// `#[cfg(test)]`, up to its end, is left out.
pub(crate) fn words(tokens: TokenStream) -> Vec<String> {
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    words
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if is_test_attribute(&group) => skip_item(&mut tokens),
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            TokenTree::Ident(word) => words.push(word.to_string()),
            TokenTree::Punct(mark) => words.push(mark.as_char().to_string()),
            TokenTree::Literal(_) => words.push("\"\"".to_owned()),
        }
    }
}

fn is_test_attribute(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// An item ends with its braces or with a semicolon.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(mark) if mark.as_char() == ';' => return,
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

#[test]
fn words_leave_out_comments_strings_and_what_is_for_tests() {
    let source = "/* a */ fn b() { \"c\"; } #[cfg(test)] mod d { fn e() {} } fn f() {} // g";
    let found = words(source.parse().unwrap()).join(" ");
    assert_eq!(found, "fn b ( ) { \"\" ; } # fn f ( ) { }");
}
