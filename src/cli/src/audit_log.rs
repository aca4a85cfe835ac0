//! `cofferdam audit-log`: whether the audit log is what was written, and what it says. It never changes the log.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cofferdam_audit::{Denial, Entry, Error, Hash, Reader, Record, Signer, Text, Verdict, Verified, verify};
use cofferdam_installation::Installation;
use serde_json::json;

use crate::answer::{Answer, Outcome};
use crate::arguments::{Form, Place};

const VERIFY_STATUS: &str = "\
Exit status:
  0  every line is what was written, and with --head that line is among them
  1  a line is not, or the head is missing, or the log cannot be read; the text says which

The log holds no secret. Lines that were cut off at its end, and a log that was made anew by somebody who can
write it, are found only with --head: a hash that the launcher printed when it started or stopped, or that an
earlier `verify` printed, kept where that somebody cannot reach it.";

/// What is asked of the log.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Find any change of the log since it was written
    #[command(after_help = VERIFY_STATUS)]
    Verify {
        /// The hash of a line, kept from earlier; it must be in the log
        #[arg(long, value_name = "HASH")]
        head: Option<Hash>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Print the log, line by line, checking each; JSON is one record a line
    Show {
        /// Only what concerns this module (or `core`)
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
}

pub(crate) fn audit_log(asked: &Asked) -> anyhow::Result<Answer> {
    match &asked.question {
        Question::Verify { head, place, form } => {
            let path = location(place)?;
            let verified = verify(&path, *head);
            if form.json { Ok(verified_json(&verified)) } else { Ok(verified_text(&path, &verified?)) }
        }
        Question::Show { module, place, form } => show(&location(place)?, module.as_deref(), form),
    }
}

fn location(place: &Place) -> anyhow::Result<PathBuf> {
    Ok(cofferdam_audit::location(&Installation::read(&place.config)?.config.state_dir))
}

fn verified_text(path: &std::path::Path, verified: &Verified) -> Answer {
    let Verified { lines, first_seq, last_seq, head, known_seq } = verified;
    let mut text = format!("{}: whole; {lines} lines", path.display());
    if *lines > 0 {
        text.push_str(&format!(", numbers {first_seq} to {last_seq}"));
    }
    if *first_seq > 1 {
        text.push_str(" (older ones were removed by rotation)");
    }
    if let Some(known) = known_seq {
        text.push_str(&format!("\nthe head that you kept is line {known}: nothing up to it was changed"));
    }
    Answer::good(format!("{text}\nhead {head}\n"))
}

fn verified_json(verified: &Result<Verified, Error>) -> Answer {
    match verified {
        Ok(Verified { lines, first_seq, last_seq, head, known_seq }) => {
            let report = json!({
                "whole": true, "lines": lines, "first_seq": first_seq, "last_seq": last_seq, "head": head,
                "known_seq": known_seq,
            });
            Answer::good(format!("{report:#}\n"))
        }
        Err(error) => {
            let mut report = json!({ "whole": false, "problem": error.to_string() });
            if let (Error::Broken(broken), Some(report)) = (error, report.as_object_mut()) {
                report.insert("file".to_owned(), json!(broken.file));
                report.insert("line".to_owned(), json!(broken.line));
            }
            Answer { text: format!("{report:#}\n"), outcome: Outcome::Wanting }
        }
    }
}

/// What could be read is shown, whatever stands behind it.
fn show(path: &std::path::Path, module: Option<&str>, form: &Form) -> anyhow::Result<Answer> {
    let mut answer = Answer::good(String::new());
    for entry in Reader::open(path)? {
        match entry {
            Ok(entry) if module.is_none_or(|module| concerns(&entry, module)) => {
                let line = if form.json { serde_json::to_string(&entry)? } else { line(&entry) };
                answer.text.push_str(&line);
                answer.text.push('\n');
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("cofferdam: {error}");
                answer.outcome = Outcome::Wanting;
            }
        }
    }
    Ok(answer)
}

/// Whether the entry is about this subject.
pub(crate) fn concerns(entry: &Entry, subject: &str) -> bool {
    entry.record.subject().is_some_and(|about| about.as_str() == subject)
}

fn line(entry: &Entry) -> String {
    let about = entry.record.subject().map_or("cofferdam", Text::as_str);
    format!("{:>6}  {}  {about:<16} {}", entry.seq, entry.time, sentence(&entry.record))
}

fn sentence(record: &Record) -> String {
    match record {
        Record::Start { version, config_sha256 } => {
            format!("start of version {version}, config {config_sha256}")
        }
        Record::Stop { reason } => format!("stop: {reason}"),
        Record::Launch {
            program_sha256, profile_sha256, layers, weakened_by, granted, signed_by, ..
        } => {
            let weakened = if weakened_by.is_empty() {
                String::new()
            } else {
                format!("; WEAKENED BY {}", list(weakened_by))
            };
            format!(
                "launch; program {program_sha256}; profile {profile_sha256}; {}{weakened}; granted {}{}",
                list(layers),
                if granted.is_empty() { "nothing".to_owned() } else { list(granted) },
                signed_by.as_ref().map(signed).unwrap_or_default()
            )
        }
        Record::Denial { what, .. } => format!("denied: {}", denial(what)),
        Record::Exit { reason, .. } => format!("end: {reason}"),
        Record::Suppressed { counts, .. } => {
            let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            format!("denied besides, too often to list: {}", counts.join(", "))
        }
        Record::Grant { added, removed, .. } => {
            let part = |what: &str, words: &[Text]| {
                if words.is_empty() { String::new() } else { format!("; {what} {}", list(words)) }
            };
            format!("grant{}{}", part("added", added), part("removed", removed))
        }
        Record::Recovered { bytes, kept_in, .. } => {
            format!("the log ended in a torn line of {bytes} bytes, now in {kept_in}")
        }
        Record::Continues { oldest } => {
            let oldest = oldest.map_or("unknown".to_owned(), |oldest| oldest.to_string());
            format!("a new file begins; the oldest line that is kept is {oldest}")
        }
        Record::Unwritten { count } => format!("{count} records before this one could not be written"),
    }
}

fn signed(by: &Signer) -> String {
    let Signer { name, key, comment } = by;
    format!("; signed by {name} ({key}): {comment}")
}

fn denial(what: &Denial) -> String {
    match what {
        Denial::Api { call, needs } => format!("{call}: needs {needs}"),
        Denial::Syscall { name, arguments, verdict, .. } => {
            let arguments = arguments.map(|argument| argument.to_string()).join(", ");
            let met = match verdict {
                Verdict::Refused(errno) => errno.as_str(),
                Verdict::Killed => "killed",
            };
            format!("{name}({arguments}): {met}")
        }
        Denial::Limit { which, detail } => format!("limit of {which}: {detail}"),
    }
}

fn list(texts: &[Text]) -> String {
    let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
    texts.join(", ")
}
