//! Pure crates keep their hands off the machine: the same input gives the same bytes, wherever they run.

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind;

use crate::crates::METADATA;
use crate::sources::{self, words};

/// The crates whose functions take arguments and return values, and do nothing else.
const PURE: [&str; 9] =
    ["document", "hash", "manifest", "signature", "config", "control", "metrics", "policy", "protocol"];

/// What none of them may name: files, sockets, clocks, the environment, threads, processes.
const FORBIDDEN: [&str; 12] = [
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::os",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::hash::RandomState",
];

/// Constants of the compiler's, below a forbidden module.
const CONSTANTS: &str = "std::env::consts";

/// Methods of `Path` that look at the file system.
const LOOKING: [&str; 9] = [
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "metadata",
    "symlink_metadata",
    "canonicalize",
    "read_dir",
];

#[test]
fn a_pure_crate_touches_no_file_socket_clock_environment_thread_or_process() {
    let mut found = Vec::new();
    for source in sources::all() {
        let pure = PURE.iter().any(|name| source.path.starts_with(&format!("src/{name}/src/")));
        if pure && !source.is_test() {
            found.extend(impurities(&words(source.tokens())).map(|what| format!("{}: {what}", source.path)));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// What pure crates may be built from besides each other: crates that compute.
const COMPUTING: [&str; 13] = [
    "bincode",
    "bitcoin",
    "bytes",
    "minisign-verify",
    "semver",
    "serde",
    "serde_bytes",
    "serde_json",
    "sha2",
    "strsim",
    "syscalls",
    "thiserror",
    "toml",
];

#[test]
fn a_pure_crate_is_built_from_crates_that_compute() {
    let mut found = BTreeSet::new();
    for package in METADATA.workspace_packages() {
        let pure = package.name.strip_prefix("cofferdam-").is_some_and(|name| PURE.contains(&name));
        let others = package.dependencies.iter().filter(|dependency| {
            let name = dependency.name.as_str();
            dependency.kind != DependencyKind::Development
                && !COMPUTING.contains(&name)
                && !name.strip_prefix("cofferdam-").is_some_and(|name| PURE.contains(&name))
        });
        found.extend(others.filter(|_| pure).map(|other| format!("{} -> {}", package.name, other.name)));
    }
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn every_pure_crate_is_there() {
    for name in PURE {
        assert!(sources::root().join("src").join(name).join("src/lib.rs").exists(), "{name}");
    }
}

#[test]
fn an_impurity_is_found_however_it_is_written() {
    let found = |text: &str| impurities(&words(text.parse().unwrap())).collect::<Vec<_>>();
    assert_eq!(found("use std::fs::File;"), ["std::fs::File"]);
    assert_eq!(
        found("use std::{fmt, io::{self, Read}, fs::{self, File}};"),
        ["std::fs::self", "std::fs::File"]
    );
    assert_eq!(found("fn f() { g(&std::time::Instant::now()) }"), ["std::time::Instant::now"]);
    assert_eq!(found("use std::time::{Duration, SystemTime};"), ["std::time::SystemTime"]);
    assert_eq!(found("use ::std::env as e;"), ["std::env"]);
    assert_eq!(found("use std::*;"), ["std::*"]);
    assert_eq!(found("fn f(p: &Path) -> bool { p.exists() }"), [".exists()"]);
}

#[test]
fn what_is_pure_is_not_taken_for_an_impurity() {
    let text = "use std::{fmt, net::SocketAddr, time::Duration}; /// std::fs \n fn f() { env!(\"A\"); std::env::consts::ARCH }
        #[cfg(test)] mod tests { use std::fs; }";
    assert_eq!(impurities(&words(text.parse().unwrap())).next(), None);
}

/// What of the forbidden the words name.
fn impurities(words: &[String]) -> impl Iterator<Item = String> {
    let mut found: Vec<String> = paths(words)
        .into_iter()
        .filter(|path| !starts_with(path, CONSTANTS))
        .filter(|path| path == "std::*" || FORBIDDEN.iter().any(|prefix| starts_with(path, prefix)))
        .collect();
    for three in words.windows(3) {
        if let [dot, method, call] = three
            && (dot.as_str(), call.as_str()) == (".", "(")
            && LOOKING.contains(&method.as_str())
        {
            found.push(format!(".{method}()"));
        }
    }
    found.into_iter()
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path below `std` that the words name, groups of a `use` taken apart.
fn paths(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if word == "std" {
            walk("std", &words[at + 1..], &mut found);
        }
    }
    found
}

/// Follows one path from behind its first part, and says how many words it took.
fn walk(prefix: &str, words: &[String], found: &mut Vec<String>) -> usize {
    let (Some([":", ":"]), Some(next)) = (pair(words), words.get(2)) else {
        found.push(prefix.to_owned());
        return 0;
    };
    if next != "{" {
        return 3 + walk(&format!("{prefix}::{next}"), &words[3..], found);
    }
    let mut at = 3;
    while let Some(word) = words.get(at).filter(|word| *word != "}") {
        at += 1;
        if word != "," {
            at += walk(&format!("{prefix}::{word}"), &words[at..], found);
        }
    }
    at + 1
}

fn pair(words: &[String]) -> Option<[&str; 2]> {
    Some([words.first()?, words.get(1)?])
}
