//! `cofferdam learn`: runs a module watched, and proposes the least that it used: a manifest with fewer capabilities, and
//! a config that refuses the system calls it did not make, each as a diff.
//!
//! The launcher runs everything as `cofferdam run` does and counts; this judges the counts. It never changes a file, and
//! what was refused before is refused while it watches.

mod judge;
mod keep;
mod lists;
mod seen;
mod text;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use cofferdam_audit::Hash;
use cofferdam_config::Config;
use cofferdam_installation::{Installation, Installed};
use cofferdam_manifest::{Capability, Manifest, ModuleName};
use cofferdam_policy::page::canonical;
use cofferdam_policy::{Tables, escape};
use serde::Serialize;
use similar::TextDiff;

use crate::answer::{Answer, Outcome};
use crate::arguments::{Form, Place};
use crate::facts::Facts;
use crate::{launch, program};
use judge::{Calls, CapabilityLine, EventLine, State};
use seen::Seen;

const STATUS: &str = "\
Exit status:
  0  the module used all it may, but for what a watch cannot judge: nothing is proposed
  1  something is proposed
  2  the command line is wrong, the module could not be watched, or it did not connect to the core

Everything runs as under `cofferdam run`, the module with its own profile. What it asks of the core is counted, and each
of its system calls waits to be counted too: it is slower than else. Then comes what it did not use, as diffs of its
manifest and of the config, which `patch -p0` takes. Nothing is changed.";

/// The longest watch, in seconds: a month.
const LONGEST_S: u64 = 31 * 24 * 3600;

/// Whom to watch, and for how long.
#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub(crate) struct Asked {
    /// An installed module
    module: String,
    /// How long: 90s, 10m, 2h [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    /// What was seen comes at the standard input; only the launcher says this
    #[arg(long, hide = true)]
    seen: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// The whole answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Report {
    module: String,
    watched_ms: u64,
    starts: u64,
    sessions: u64,
    /// How it ended, the last times.
    ends: Vec<String>,
    capabilities: Vec<CapabilityLine>,
    publishes: Vec<EventLine>,
    subscribed: BTreeSet<&'static str>,
    system_calls: Calls,
    /// What a watch does not show.
    caveats: &'static [&'static str],
    /// What is proposed: one diff a file.
    diffs: Vec<Diff>,
    /// Proposals that could not be put into a diff.
    by_hand: Vec<String>,
    /// Whether there is one or the other.
    proposes: bool,
}

/// What is proposed for one file.
#[derive(Debug, Serialize)]
struct Diff {
    file: PathBuf,
    /// In unified format.
    diff: String,
}

const CAVEATS: [&str; 3] = [
    "what did not happen meanwhile: errors, reorganisations, restarts, full disks, rare requests",
    "calls that the vDSO answers (clocks), which no filter sees; they are kept",
    "whether a capability that was asked for in vain should be granted: that is yours to say",
];

pub(crate) fn learn(asked: &Asked) -> anyhow::Result<Answer> {
    if !asked.seen {
        let name = ModuleName::new(&asked.module)?;
        installed(&Installation::read(&asked.place.config)?, &name)?;
        return become_launcher(asked).map(|never| match never {});
    }
    let seen = Seen::of(&Facts::read(std::io::stdin().lock())?)?;
    let report = judge(asked, &seen)?;
    let outcome = if report.proposes { Outcome::Wanting } else { Outcome::Good };
    let text =
        if asked.form.json { serde_json::to_string_pretty(&report)? + "\n" } else { text::text(&report) };
    Ok(Answer { text, outcome })
}

/// The launcher comes back as this program, with what it saw.
fn become_launcher(asked: &Asked) -> anyhow::Result<Infallible> {
    let launcher = launch::beside()?;
    let mut command = Command::new(&launcher);
    command.arg("learn").arg("--config").arg(&asked.place.config).arg(&asked.module);
    command.args(asked.lasts.map(|lasts| lasts.as_secs().to_string()));
    command.args(["--", "learn", "--seen"]).arg("--config").arg(&asked.place.config);
    if asked.form.json {
        command.arg("--json");
    }
    let refused = command.arg(&asked.module).exec();
    Err(anyhow!("{}: {refused}; cofferdam and cofferdam-launcher belong in one folder", launcher.display()))
}

fn installed<'i>(installation: &'i Installation, name: &ModuleName) -> anyhow::Result<&'i Installed> {
    let found = installation.modules.get(name);
    found.ok_or_else(|| anyhow!("{name} is not a module that runs here; `cofferdam check` says why"))
}

fn judge(asked: &Asked, seen: &Seen) -> anyhow::Result<Report> {
    let config = &asked.place.config;
    let name = ModuleName::new(&asked.module)?;
    let installation = Installation::read(config)?;
    let module = installed(&installation, &name)?;
    let tables = Tables::builtin();
    let linkage = program::of_module(module).map_err(|problem| anyhow!(problem))?;
    let profile = installation.profile(module, linkage, &tables);
    if Hash::of(canonical(&profile).as_bytes()).to_string() != seen.profile {
        bail!("the config or the manifest of {name} was changed while it was watched: learn again");
    }
    if seen.sessions == 0 {
        let ends = seen.ends.iter().map(|end| format!("; it {}", escape(end))).collect::<String>();
        bail!("the core tells of no session of {name}, so there is nothing to learn{ends}");
    }
    let mut report = Report {
        module: name.to_string(),
        watched_ms: u64::try_from(seen.lasted.as_millis()).unwrap_or(u64::MAX),
        starts: seen.starts,
        sessions: seen.sessions,
        ends: seen.ends.clone(),
        capabilities: judge::capabilities(seen, &module.manifest, &profile.granted, &tables),
        publishes: judge::events(seen, &module.manifest),
        subscribed: seen.subscribed.clone(),
        system_calls: judge::system_calls(seen, &profile),
        caveats: &CAVEATS,
        diffs: Vec::new(),
        by_hand: Vec::new(),
        proposes: false,
    };
    report.propose_manifest(&module.directory.join("module.toml"), &module.manifest)?;
    report.propose_config(config, &name, &installation.config)?;
    report.proposes = !report.diffs.is_empty() || !report.by_hand.is_empty();
    Ok(report)
}

impl Report {
    /// The manifest with the capabilities and events that were used or asked for.
    fn propose_manifest(&mut self, path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
        let keeps = |state: State| state != State::Unused;
        let capabilities: BTreeSet<String> = self
            .capabilities
            .iter()
            .filter(|line| keeps(line.state))
            .map(|line| line.capability.as_str().to_owned())
            .collect();
        let publishes = capabilities.contains(Capability::PublishEvents.as_str());
        let events: BTreeSet<String> = self
            .publishes
            .iter()
            .filter(|line| publishes && keeps(line.state))
            .map(|line| line.event.clone())
            .collect();
        let old = read(path)?;
        let new = lists::with_list(&old, lists::Which::Capabilities, &capabilities)
            .and_then(|text| lists::with_list(&text, lists::Which::PublishEvents, &events));
        // What was written is believed only when it is read again.
        let is_right = |text: &String| {
            Manifest::parse("", text).is_ok_and(|new| {
                new.name() == manifest.name()
                    && new.capabilities().iter().map(|one| one.to_string()).collect::<BTreeSet<_>>()
                        == capabilities
                    && new.publish_events().iter().map(ToString::to_string).collect::<BTreeSet<_>>() == events
            })
        };
        let words =
            || format!("{}: capabilities = {capabilities:?}, publish_events = {events:?}", path.display());
        self.propose(path, &old, new.filter(is_right), words);
        Ok(())
    }

    /// The config with the system calls that are refused from now on.
    fn propose_config(&mut self, path: &Path, name: &ModuleName, config: &Config) -> anyhow::Result<()> {
        if self.system_calls.unseen.is_empty() {
            return Ok(());
        }
        let mut refused = config.modules.refuse_calls.get(name).cloned().unwrap_or_default();
        refused.extend(self.system_calls.unseen.iter().map(|call| call.name.clone()));
        let old = read(path)?;
        let new = lists::with_refused_calls(&old, name.as_str(), &refused);
        let is_right = |text: &String| {
            Config::parse("", text).is_ok_and(|new| new.modules.refuse_calls.get(name) == Some(&refused))
        };
        let words = || format!("{}: [modules.refuse_calls] {name} = {refused:?}", path.display());
        self.propose(path, &old, new.filter(is_right), words);
        Ok(())
    }

    fn propose(&mut self, path: &Path, old: &str, new: Option<String>, words: impl FnOnce() -> String) {
        let Some(new) = new else { return self.by_hand.push(words()) };
        if new != old {
            // A diff repeats lines of the file to the operator's terminal, and `patch` needs them as they are.
            if !acts_on_no_terminal(old) {
                return self.by_hand.push(words());
            }
            let file = shown(path);
            let name = file.display().to_string();
            let diff =
                TextDiff::from_lines(old, new.as_str()).unified_diff().header(&name, &name).to_string();
            self.diffs.push(Diff { file, diff });
        }
    }
}

/// TOML lets comments hold marks that reorder text, and controls that some terminals obey.
fn acts_on_no_terminal(text: &str) -> bool {
    text.lines().all(|line| escape(&line.replace('\t', " ")).len() == line.len())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// As seen from the current folder, where that is above it: `patch` takes no other path.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}

/// `90s`, `10m`, `2h`; a number alone is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err("write it as 90s, 10m or 2h".to_owned()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 1..=LONGEST_S) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("write a time from 1s to {}h", LONGEST_S / 3600)),
    }
}

#[cfg(test)]
mod tests;
