//! `cofferdam doctor`: what this kernel and host can enforce, found out by doing it, and the exact remedy for what
//! is missing.
//!
//! The launcher tries, since it is the launcher's rights that count; this judges what it found and prints it. It
//! changes nothing of the host, and takes no version number for an ability.

mod judge;
mod remedy;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;
use clap::Args;
use cofferdam_config::Layer;
use cofferdam_installation::Installation;
use cofferdam_policy::Tables;
use serde::Serialize;

use crate::answer::{Answer, Outcome};
use crate::arguments::Form;
use crate::facts::Facts;
use crate::launch;
use judge::{Finding, Verdict, judge};

const STATUS: &str = "\
Exit status:
  0  everything can be enforced that the config wants
  1  something is missing that the config does not allow to be missing, or nothing could be tried
  2  the command line is wrong";

/// The config that is read where it exists and none is named.
const USUAL_CONFIG: &str = "cofferdam.toml";

/// How to examine the host.
#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub(crate) struct Asked {
    /// The config [default: cofferdam.toml if it is there, else the defaults of every key]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
    /// The launcher's facts come at the standard input; only the launcher says this
    #[arg(long, hide = true)]
    facts: bool,
}

/// The whole answer, as JSON has it.
#[derive(Serialize)]
struct Report<'r> {
    all_is_well: bool,
    findings: &'r [Finding],
}

pub(crate) fn doctor(asked: &Asked) -> anyhow::Result<Answer> {
    let config =
        asked.config.clone().or_else(|| Path::new(USUAL_CONFIG).exists().then(|| USUAL_CONFIG.into()));
    if !asked.facts {
        return become_launcher(config.as_deref(), asked.form.json).map(|never| match never {});
    }
    let allowed = match &config {
        Some(path) => Installation::read(path)?.config.sandbox.allow_missing,
        None => BTreeSet::new(),
    };
    answer(&Facts::read(std::io::stdin().lock())?, &allowed, asked.form.json)
}

/// The launcher comes back as this program: no second process is in its cgroup while it tries to divide it.
fn become_launcher(config: Option<&Path>, json: bool) -> anyhow::Result<Infallible> {
    let launcher = launch::beside()?;
    let mut command = Command::new(&launcher);
    command.arg("doctor");
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.args(["--", "doctor", "--facts"]);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    if json {
        command.arg("--json");
    }
    let refused = command.exec();
    Err(anyhow!("{}: {refused}; cofferdam and cofferdam-launcher belong in one folder", launcher.display()))
}

fn answer(facts: &Facts, allowed: &BTreeSet<Layer>, json: bool) -> anyhow::Result<Answer> {
    let findings = judge(facts, allowed, &Tables::builtin());
    let stopping = findings.iter().filter(|finding| finding.stops()).count();
    let outcome = if stopping == 0 { Outcome::Good } else { Outcome::Wanting };
    let text = if json {
        let report = Report { all_is_well: stopping == 0, findings: &findings };
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        text(&findings, stopping)
    };
    Ok(Answer { text, outcome })
}

fn text(findings: &[Finding], stopping: usize) -> String {
    let mut text: String = findings.iter().map(lines).collect();
    text.push_str(&match stopping {
        0 => "\ndoctor: everything can be enforced that the config wants\n".to_owned(),
        1 => "\ndoctor: 1 thing keeps modules from running here\n".to_owned(),
        many => format!("\ndoctor: {many} things keep modules from running here\n"),
    });
    text
}

fn lines(finding: &Finding) -> String {
    let allowed = finding.waiver.as_ref().is_some_and(|waiver| waiver.allowed);
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Advice => "advice",
        Verdict::Missing if allowed => "WEAKENED",
        Verdict::Missing => "MISSING",
        Verdict::Fatal => "FATAL",
    };
    let mut lines = format!("  {word:<9}{}: {}\n", finding.name, finding.seen);
    let mut more = |label: &str, text: &str| lines.push_str(&format!("  {:<9}  {label}: {text}\n", ""));
    if finding.verdict != Verdict::Ok {
        more("for", finding.needed_for);
    }
    if let Some(remedy) = &finding.remedy {
        more("fix", remedy);
    }
    if let Some(waiver) = &finding.waiver {
        more("without it", &waiver.weakens);
        let how = format!("allow_missing = [\"{}\"] under [sandbox]", waiver.layer);
        more(if waiver.allowed { "allowed by" } else { "or accept that" }, &how);
    }
    lines
}
