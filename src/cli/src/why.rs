//! `cofferdam why`: the last denials of a module in words: what it tried, what refused it, and what would allow it.
//!
//! It reads the audit log, the config, the manifest and the policy, and never grants anything: the lines it names
//! are for the operator to write.

mod decode;
mod explain;

use std::collections::VecDeque;

use clap::Args;
use cofferdam_audit::{Entry, Reader, Record};
use cofferdam_installation::Installation;
use cofferdam_manifest::ModuleName;
use cofferdam_policy::Tables;
use serde::Serialize;

use crate::admission::Standing;
use crate::answer::{Answer, Outcome};
use crate::arguments::{Form, Place};
use crate::audit_log::concerns;
use explain::{Explanation, Subject};

const STATUS: &str = "\
Exit status:
  0  the question is answered, also where there is nothing to explain
  1  the log cannot be read, or a line of it is not what was written; what stands before that line is explained";

/// Whose denials.
#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub(crate) struct Asked {
    /// A module, or `core`
    module: String,
    /// How many denials, the last of them
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// What there is to say.
#[derive(Debug, Serialize)]
struct Report {
    module: String,
    denials: Vec<Explanation>,
    /// Denials that were counted and not written one by one.
    suppressed: u64,
    /// Why it does not start as it is, if it does not.
    does_not_start: Option<String>,
    /// How it last ended, if it has.
    last_end: Option<String>,
}

pub(crate) fn why(asked: &Asked) -> anyhow::Result<Answer> {
    let installation = Installation::read(&asked.place.config)?;
    let tables = Tables::builtin();
    let subject = Subject::find(&asked.module, &installation, &tables, &asked.place.config);
    let path = cofferdam_audit::location(&installation.config.state_dir);
    let mut last: VecDeque<Entry> = VecDeque::new();
    let mut report = Report {
        module: asked.module.clone(),
        denials: Vec::new(),
        suppressed: 0,
        does_not_start: does_not_start(&asked.module, &installation),
        last_end: None,
    };
    let mut outcome = Outcome::Good;
    for entry in Reader::open(&path)? {
        match entry {
            Ok(entry) if concerns(&entry, &asked.module) => take(entry, asked.last, &mut last, &mut report),
            Ok(_) => {}
            Err(error) => {
                eprintln!("cofferdam: {error}");
                outcome = Outcome::Wanting;
            }
        }
    }
    report.denials = last.iter().filter_map(|entry| subject.explain(entry)).collect();
    let text = if asked.form.json { serde_json::to_string_pretty(&report)? + "\n" } else { text(&report) };
    Ok(Answer { text, outcome })
}

/// Why an installed module would not start now: it is not signed, not granted, or its program is not there.
fn does_not_start(module: &str, installation: &Installation) -> Option<String> {
    let installed = installation.modules.get(&ModuleName::new(module).ok()?)?;
    Standing::of(installed, installation).does_not_start().map(str::to_owned)
}

fn take(entry: Entry, keep: usize, last: &mut VecDeque<Entry>, report: &mut Report) {
    match &entry.record {
        Record::Denial { .. } => {
            last.push_back(entry);
            if last.len() > keep {
                last.pop_front();
            }
        }
        Record::Suppressed { counts, .. } => {
            report.suppressed =
                counts.values().fold(report.suppressed, |sum, count| sum.saturating_add(*count));
        }
        Record::Exit { reason, .. } => report.last_end = Some(format!("{}: {reason}", entry.time)),
        Record::Start { .. }
        | Record::Stop { .. }
        | Record::Launch { .. }
        | Record::Grant { .. }
        | Record::Recovered { .. }
        | Record::Continues { .. }
        | Record::Unwritten { .. } => {}
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for denial in &report.denials {
        text.push_str(&format!("{} (line {} of the audit log)\n", denial.time, denial.seq));
        let rows = [
            ("tried", Some(&denial.tried)),
            ("refused by", Some(&denial.refused_by)),
            ("because", denial.because.as_ref()),
            ("to allow it", Some(&denial.to_allow)),
        ];
        for (label, value) in rows {
            if let Some(value) = value {
                text.push_str(&format!("  {label:<12} {value}\n"));
            }
        }
        for addition in &denial.add {
            text.push_str(&format!("  {:<12} in {}:\n", "", addition.file));
            addition.lines.iter().for_each(|line| text.push_str(&format!("  {:<12}     {line}\n", "")));
        }
        if let Some(command) = &denial.run {
            text.push_str(&format!("  {:<12}     {command}\n", ""));
        }
        if let Some(risk) = &denial.risk {
            text.push_str(&format!("  {:<12} {risk}\n", "the risk"));
        }
        text.push('\n');
    }
    if report.denials.is_empty() {
        text.push_str(&format!("{}: no denial is in the audit log\n", report.module));
    }
    if report.suppressed > 0 {
        text.push_str(&format!("{} more denials were counted, too often to list\n", report.suppressed));
    }
    if let Some(why) = &report.does_not_start {
        text.push_str(&format!("it does not start as it is: {why}\n"));
    }
    if let Some(end) = &report.last_end {
        text.push_str(&format!("it last ended {end}\n"));
    }
    text
}
