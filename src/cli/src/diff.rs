//! `cofferdam diff`: what a program may do now that it could not before, and the reverse, in words and by section.
//!
//! Each side is a manifest, with everything it asks for, or a page that `cofferdam audit --json` has printed. It
//! reads two files, grants nothing, and takes a difference that it cannot tell the direction of for more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use cofferdam_installation::manifest_at;
use cofferdam_manifest::Capability;
use cofferdam_policy::compare::{Change, Difference, Direction, Section, compare};
use cofferdam_policy::profile::{CallLine, Linkage, Profile};
use cofferdam_policy::{Tables, escape, page};
use serde::Serialize;

use crate::answer::{Answer, Outcome};
use crate::arguments::Form;
use crate::audit::{Subject, default_profile};
use crate::{catalog, program};

const STATUS: &str = "\
Exit status:
  0  NEW allows nothing that OLD does not
  1  NEW allows more
  2  the command line is wrong, or a file is";

/// The largest page, in bytes. That of the core with all modules is below a megabyte.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub(crate) struct Asked {
    /// A module.toml, or a page of `cofferdam audit --json`
    old: PathBuf,
    /// Another
    new: PathBuf,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn diff(asked: &Asked) -> anyhow::Result<Answer> {
    let (old, new) = (profile(&asked.old)?, profile(&asked.new)?);
    let difference = compare(&old, &new);
    let outcome = if difference.allows_more() { Outcome::Wanting } else { Outcome::Good };
    let explained: Vec<Explained> = explain(difference);
    let text = if asked.form.json { json(&explained, outcome)? } else { text(&explained, outcome) };
    Ok(Answer { text, outcome })
}

/// The profile that a file stands for. A page begins with a brace, which no manifest does.
fn profile(path: &Path) -> anyhow::Result<Profile> {
    let shown = path.display();
    let opened = File::open(path).with_context(|| format!("open {shown}"))?;
    if opened.metadata().with_context(|| format!("look at {shown}"))?.is_dir() {
        bail!("{shown}: is a folder; name its module.toml, or a page of `cofferdam audit --json`");
    }
    let mut text = String::new();
    opened.take(MAX_BYTES + 1).read_to_string(&mut text).with_context(|| format!("read {shown}"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        bail!("{shown}: is over {} MiB, which no page is", MAX_BYTES >> 20);
    }
    if text.trim_start().starts_with('{') {
        let parsed = page::profile_of(&text);
        return parsed.map_err(|error| {
            anyhow!("{shown}: {error}; is it a page of `cofferdam audit --json` of this version?")
        });
    }
    let manifest = manifest_at(path).map_err(|problem| anyhow!(problem))?;
    // A program that is not there yet, or not built, is taken for what this project builds.
    let linkage =
        program::at(&path.with_file_name(manifest.entry_point().as_str())).unwrap_or(Linkage::Static);
    Ok(default_profile(Subject::Module(&manifest), linkage))
}

/// A difference with what it brings.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    #[serde(flatten)]
    change: Change,
    /// What can go wrong when a hostile module has the capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<String>,
    /// The calls of the node API that come with the capability, and what each does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallLine>,
}

pub(crate) fn explain(difference: Difference) -> Vec<Explained> {
    let tables = Tables::builtin();
    let calls = catalog::call_lines();
    let explained = |change: Change| {
        let capability = capability(&change);
        Explained {
            risk: capability.and_then(|capability| Some(tables.note(capability)?.risk.clone())),
            calls: calls
                .iter()
                .filter(|call| capability.is_some() && call.capability == capability)
                .cloned()
                .collect(),
            change,
        }
    };
    difference.changes.into_iter().map(explained).collect()
}

fn capability(change: &Change) -> Option<Capability> {
    if change.section != Section::Capabilities {
        return None;
    }
    Capability::ALL.iter().copied().find(|capability| capability.as_str() == change.what)
}

fn json(explained: &[Explained], outcome: Outcome) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Report<'r> {
        more_is_allowed: bool,
        changes: &'r [Explained],
    }
    let report = Report { more_is_allowed: outcome == Outcome::Wanting, changes: explained };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn text(explained: &[Explained], outcome: Outcome) -> String {
    let last = match (explained.is_empty(), outcome) {
        (true, _) => "diff: nothing differs",
        (false, Outcome::Good) => "diff: nothing more is allowed",
        (false, Outcome::Wanting) => "diff: more is allowed",
    };
    in_words(explained) + last + "\n"
}

/// What differs, for people: what is more, what is less, what is neither.
pub(crate) fn in_words(explained: &[Explained]) -> String {
    let mut text = String::new();
    for (direction, title) in [
        (Direction::More, "MAY DO NOW, AND COULD NOT BEFORE"),
        (Direction::Less, "COULD DO BEFORE, AND MAY NOT NOW"),
        (Direction::Neither, "DIFFERS, AND ALLOWS NO MORE"),
    ] {
        part(&mut text, title, explained.iter().filter(|explained| explained.change.direction == direction));
    }
    text
}

fn part<'e>(text: &mut String, title: &str, explained: impl Iterator<Item = &'e Explained>) {
    let mut sections: BTreeMap<Section, Vec<&Explained>> = BTreeMap::new();
    for one in explained {
        sections.entry(one.change.section).or_default().push(one);
    }
    if sections.is_empty() {
        return;
    }
    text.push_str(&format!("{title}\n"));
    for (section, all) in sections {
        text.push_str(&format!("  {}\n", heading(section)));
        all.iter().for_each(|one| text.push_str(&lines(one)));
    }
    text.push('\n');
}

fn heading(section: Section) -> &'static str {
    match section {
        Section::Subject => "the program",
        Section::Capabilities => "ask of the core",
        Section::Events => "publish events",
        Section::Files => "directories",
        Section::Network => "network",
        Section::SystemCalls => "system calls",
        Section::Limits => "limits",
        Section::Privileges => "namespaces",
        Section::Inherits => "inherits",
        Section::WeakenedBy => "layers that may be missing",
    }
}

fn lines(explained: &Explained) -> String {
    let Change { what, old, new, .. } = &explained.change;
    let values = match (old, new) {
        (Some(old), Some(new)) if old == new => old.clone(),
        (Some(old), Some(new)) => format!("{old} -> {new}"),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => String::new(),
    };
    // A name from a file that somebody else wrote reaches the terminal here.
    let mut lines = escape(&format!("    {what}: {values}"));
    lines.push('\n');
    for call in &explained.calls {
        lines.push_str(&format!("      {:<31}{}\n", call.name, call.summary));
    }
    if let Some(risk) = &explained.risk {
        lines.push_str(&format!("      risk: {risk}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn asked(folder: &Path, old: &str, new: &str, json: bool) -> anyhow::Result<Answer> {
        diff(&Asked { old: folder.join(old), new: folder.join(new), form: Form { json } })
    }

    fn manifests() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, capabilities) in
            [("less.toml", "\"read_utxo\""), ("more.toml", "\"read_utxo\", \"publish_events\"")]
        {
            let text = format!(
                "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\ncapabilities = [{capabilities}]\n"
            );
            fs::write(folder.path().join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_manifest_that_asks_for_more_is_told_with_its_calls_and_risk() {
        let folder = manifests();
        let answer = asked(folder.path(), "less.toml", "more.toml", false).unwrap();
        assert_eq!(answer.outcome, Outcome::Wanting);
        for text in ["MAY DO NOW", "publish_events: granted", "publish_event ", "risk: "] {
            assert!(answer.text.contains(text), "{text:?} is not in:\n{}", answer.text);
        }
        assert!(!answer.text.contains("COULD DO BEFORE"), "{}", answer.text);
    }

    #[test]
    fn a_manifest_that_asks_for_less_and_the_same_one_allow_nothing_more() {
        let folder = manifests();
        for new in ["less.toml", "more.toml"] {
            assert_eq!(asked(folder.path(), "more.toml", new, false).unwrap().outcome, Outcome::Good);
        }
    }

    #[test]
    fn a_saved_page_is_compared_with_a_manifest() {
        let folder = manifests();
        let profile = profile(&folder.path().join("less.toml")).unwrap();
        fs::write(folder.path().join("page.json"), page::render_json(&profile, &[], &[])).unwrap();
        assert_eq!(
            asked(folder.path(), "page.json", "less.toml", false).unwrap().text,
            "diff: nothing differs\n"
        );
        let json = asked(folder.path(), "page.json", "more.toml", true).unwrap().text;
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(report["more_is_allowed"], true);
        assert_eq!(report["changes"][0]["what"], "publish_events");
        assert_eq!(report["changes"][0]["direction"], "more");
    }

    #[test]
    fn a_file_that_is_neither_is_an_error_that_names_it() {
        let folder = manifests();
        fs::write(folder.path().join("broken.json"), "{ \"profile\": 1 }").unwrap();
        fs::write(folder.path().join("broken.toml"), "name = ").unwrap();
        for broken in ["broken.json", "broken.toml", "absent.toml", "."] {
            let error = format!("{:#}", asked(folder.path(), "less.toml", broken, false).unwrap_err());
            assert!(error.contains(broken), "{error}");
        }
    }
}
