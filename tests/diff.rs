//! `cofferdam diff` with the real program: what scripts go by.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The status of comparing two files of this folder.
fn status(folder: &Path, old: &str, new: &str) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(["diff", old, new]).current_dir(folder).output().unwrap().status.code()
}

#[test]
fn a_script_tells_more_from_less_and_both_from_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (file, capabilities) in [("less.toml", ""), ("more.toml", "\"read_utxo\"")] {
        let head = "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\n";
        fs::write(folder.path().join(file), format!("{head}capabilities = [{capabilities}]\n")).unwrap();
    }
    assert_eq!(status(folder.path(), "less.toml", "more.toml"), Some(1));
    assert_eq!(status(folder.path(), "more.toml", "less.toml"), Some(0));
    assert_eq!(status(folder.path(), "more.toml", "absent.toml"), Some(2));
}
