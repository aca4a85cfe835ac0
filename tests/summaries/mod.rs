//! What block-watch left in its data directory.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;

use crate::rig::Rig;

/// A summary file: `key: value` lines, and what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub height: u32,
    pub hash: String,
    fields: BTreeMap<String, String>,
}

impl Summary {
    pub fn field(&self, name: &str) -> &str {
        &self.fields[name]
    }

    pub fn number(&self, name: &str) -> u64 {
        self.fields[name].parse().unwrap()
    }
}

/// The summaries of connected blocks, lowest first. Fails where a name and its content differ.
pub fn connected(rig: &Rig) -> Vec<Summary> {
    let mut found: Vec<Summary> = files(rig, |name| !name.contains(".disconnected."));
    found.sort_by_key(|summary| summary.height);
    found
}

/// The hashes of the blocks whose summaries are marked as disconnected.
pub fn disconnected(rig: &Rig) -> Vec<String> {
    let mut found = files(rig, |name| name.contains(".disconnected."));
    found.sort_by_key(|summary| summary.height);
    found.into_iter().map(|summary| summary.hash).collect()
}

fn files(rig: &Rig, wanted: impl Fn(&str) -> bool) -> Vec<Summary> {
    let folder = rig.path().join("data/modules/block-watch");
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".txt") && wanted(name));
    // One that was renamed since the folder was read is found by the next look.
    names.filter_map(|name| Some(summary(&name, &fs::read_to_string(folder.join(&name)).ok()?))).collect()
}

fn summary(name: &str, text: &str) -> Summary {
    let pairs = text.lines().map(|line| line.split_once(": ").unwrap());
    let fields: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let (height, hash) = (fields["height"].parse().unwrap(), fields["hash"].clone());
    assert!(name.starts_with(&format!("{height}-{hash}.")), "{name} holds:\n{text}");
    Summary { height, hash, fields }
}

/// The blocks that block-watch said it summarised, in the order of its saying so.
pub fn said(rig: &Rig) -> Vec<(u32, String)> {
    blocks(rig, "block-watch: says (info): block ")
}

/// The height and the hash behind this text, in each line that has it: `<height> <hash>`.
pub fn blocks(rig: &Rig, text: &str) -> Vec<(u32, String)> {
    let lines = rig.lines();
    let told = lines.iter().filter_map(|line| line.split_once(text));
    let words = told.map(|(_, block)| block.split([' ', ':']).collect::<Vec<_>>());
    words.map(|words| (words[0].parse().unwrap(), words[1].to_owned())).collect()
}
