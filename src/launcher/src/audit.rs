//! What the launcher writes to the audit log. It decides one thing: what cannot be recorded is not launched. Everything
//! else that cannot be written is said to the operator, counted, and told by the log itself later.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_audit::{
    Admission as Rate, Denial, Hash, Limit, Log, RateLimit, Record, Rotation, Signer, Text, location,
};
use cofferdam_control::{End, Usage};
use cofferdam_installation::{Admission, Installed};
use cofferdam_manifest::ModuleName;

use crate::error::Error;
use crate::identity::make_directory;
use crate::log::{self, Bucket, LineRate, Taken};
use crate::start::{Launcher, Loaded};

/// A launch is followed by others, by output and by denials: the disk's turn comes after so much quiet.
const QUIET: Duration = Duration::from_millis(10);

/// And after this time at the latest.
const LONGEST_UNSYNCED: Duration = Duration::from_millis(200);

/// The longest text of the core's in a record. A line counts up to 64 kinds by their names: with longer ones it would
/// be too long to be written, and what the launcher itself has counted would be lost with it.
const MAX_CLAIM_BYTES: usize = 128;

/// How many of the core's claims are written one by one, whatever names of modules it gives them: with the longest
/// texts one a second is 80 MB a day, a seventh of the log.
const CLAIMS: LineRate = LineRate { burst: 2000, per_second: 1 };

/// What starts are counted as that were refused because there were too many.
const REFUSED_STARTS: &str = "starts beyond one a minute";

/// The open log, and what is counted for it.
pub(crate) struct Audit {
    log: Log,
    /// Since when a record waits to be put on the disk.
    unsynced_since: Option<Instant>,
    rate: RateLimit,
    /// How many of the core's claims are still written one by one.
    claims: Bucket,
    config: Hash,
    modules: BTreeMap<String, Known>,
    /// What was refused before the log told of this start.
    refused: Vec<Record>,
}

/// What a launch of a module is recorded with.
struct Known {
    manifest: Hash,
    signer: Option<Signer>,
}

impl Audit {
    /// Opens the log below the state directory, to go on with it. `config` is the hash of what was parsed: a file that is
    /// read again may be another by then.
    ///
    /// # Errors
    /// When it cannot be written, or when its last line is not what was written.
    pub(crate) fn open(state_dir: &Path, config: Hash) -> Result<Self, Error> {
        let path = location(state_dir);
        if let Some(folder) = path.parent() {
            make_directory(folder, 0o700)?;
        }
        let log = Log::open(&path, Rotation::default()).map_err(Error::Audit)?;
        let claims = Bucket::new(CLAIMS, Instant::now());
        let (rate, modules, refused) = (RateLimit::default(), BTreeMap::new(), Vec::new());
        Ok(Self { log, unsynced_since: None, rate, claims, config, modules, refused })
    }

    /// Takes what the launches of a module are recorded with: the hash of the manifest that was parsed, and who signed.
    pub(crate) fn know(&mut self, installed: &Installed, admission: &Admission) {
        let signer = admission.signer.as_ref().map(|signer| Signer {
            name: Text::new(&signer.name),
            key: Text::new(&signer.key),
            comment: Text::new(&signer.comment),
        });
        let known = Known { manifest: installed.manifest_hash, signer };
        self.modules.insert(installed.manifest.name().to_string(), known);
    }

    /// Keeps, for after the line that tells of this start, that a module is not among those that run.
    pub(crate) fn refuse(&mut self, module: &ModuleName, error: &Error) {
        self.refused.push(not_started(module.as_str(), error));
    }

    /// Writes what the operator has granted or taken back.
    ///
    /// # Errors
    /// When that cannot be written: then nothing may start by it.
    pub(crate) fn grant(
        &mut self,
        module: &ModuleName,
        added: Vec<String>,
        removed: Vec<String>,
    ) -> Result<(), Error> {
        let texts = |words: Vec<String>| words.into_iter().map(Text::from).collect();
        self.append(&Record::Grant {
            module: module.as_str().into(),
            added: texts(added),
            removed: texts(removed),
        })
    }

    /// Writes that Cofferdam begins to run.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        let version = Text::new(env!("CARGO_PKG_VERSION"));
        self.log.append(&Record::Start { version, config_sha256: self.config }).map_err(Error::Audit)?;
        for refused in std::mem::take(&mut self.refused) {
            self.append(&refused)?;
        }
        self.log.sync().map_err(Error::Audit)?;
        log::line("launcher", &format!("audit log begins with head {}", self.log.head()));
        Ok(())
    }

    /// Writes that Cofferdam has stopped, and the head that proves later what was written until now.
    pub(crate) fn stop(&mut self, outcome: &Result<(), Error>) {
        for counted in self.rate.rest() {
            self.write(&counted);
        }
        let reason = outcome.as_ref().map_or_else(ToString::to_string, |()| "asked to".to_owned());
        self.write(&Record::Stop { reason: reason.into() });
        self.sync();
        log::line("launcher", &format!("audit log ends with head {}", self.log.head()));
    }

    /// Writes that a subject is launched, before it is. The disk is not waited for: a launch is quicker.
    ///
    /// # Errors
    /// When that cannot be written: then it must not be launched.
    pub(crate) fn launch(&mut self, launcher: &Launcher, loaded: &Loaded) -> Result<(), Error> {
        let profile = loaded.profile();
        let label = profile.subject.label();
        let texts = |texts: Vec<String>| texts.into_iter().map(Text::from).collect();
        let known = self.modules.get(label);
        let record = Record::Launch {
            subject: label.into(),
            manifest_sha256: known.map(|known| known.manifest),
            program_sha256: loaded.program_hash(),
            profile_sha256: loaded.profile_hash(),
            layers: texts(launcher.layers_in_force(loaded)),
            weakened_by: texts(launcher.layers_missing(loaded)),
            granted: profile.granted.iter().map(|capability| capability.as_str().into()).collect(),
            signed_by: known.and_then(|known| known.signer.clone()),
        };
        self.append(&record)
    }

    /// Writes that a launch which was announced did not happen.
    pub(crate) fn not_started(&mut self, subject: &str, error: &Error) {
        self.write(&not_started(subject, error));
    }

    /// Counts a start that was refused because there were too many.
    pub(crate) fn start_refused(&mut self, module: &ModuleName, now: Instant) {
        self.rate.count(&Text::new(module.as_str()), &Text::new(REFUSED_STARTS), 1, now);
    }

    /// Writes or counts a denial.
    pub(crate) fn denial(&mut self, subject: &str, what: Denial, now: Instant) {
        let subject = Text::new(subject);
        match self.rate.admit(&subject, &what.key(), now) {
            Rate::Write => self.write(&Record::Denial { subject, what }),
            Rate::Count => {}
        }
    }

    /// Writes or counts a call that the core refused, and counts those that it stands for. It is the core's claim: its
    /// length and its number are bounded, so that a core that has fallen does not push the rest out of the log.
    pub(crate) fn refused(&mut self, module: &str, call: &str, needs: &str, more: u64, now: Instant) {
        let what = Denial::Api { call: claimed(call), needs: claimed(needs) };
        let (subject, kind) = (Text::new(module), what.key());
        self.rate.count(&subject, &kind, more, now);
        match self.claims.take(now) {
            Taken::Yes => self.denial(module, what, now),
            Taken::Empty => self.rate.count(&subject, &kind, 1, now),
        }
    }

    /// Writes how a subject ended, after what it was denied and is only counted so far.
    pub(crate) fn end(&mut self, subject: &str, end: &End, limits: Vec<Denial>, now: Instant) {
        for what in limits {
            self.denial(subject, what, now);
        }
        let subject = Text::new(subject);
        if let Some(counted) = self.rate.ended(&subject) {
            self.write(&counted);
        }
        let word = match end {
            End::Exited { .. } => "exited",
            End::Signaled { .. } => "signaled",
            End::Stopped => "stopped",
            End::OutOfMemory { .. } => "out_of_memory",
            End::Forbidden { .. } => "forbidden",
        };
        self.write(&Record::Exit { subject, end: word.into(), reason: end.to_string().into() });
    }

    /// Writes the counts that have waited long enough.
    pub(crate) fn write_counts(&mut self, now: Instant) {
        for counted in self.rate.due(now) {
            self.write(&counted);
        }
    }

    /// When there are counts to write.
    pub(crate) fn next_counts(&self) -> Option<Instant> {
        self.rate.next_due()
    }

    /// How long the launcher waits for something else to do before it syncs the log; `None` if there is no need.
    pub(crate) fn sync_after(&self) -> Option<Duration> {
        self.unsynced_since.map(|_| QUIET)
    }

    /// Puts what waits on the disk, when the launcher has nothing else to do, or when it has waited long enough.
    pub(crate) fn sync_in_time(&mut self, work: Work, now: Instant) {
        let waited = |since: Instant| now.saturating_duration_since(since);
        if self.unsynced_since.is_some_and(|since| work == Work::None || waited(since) >= LONGEST_UNSYNCED) {
            self.sync();
        }
    }

    /// Puts what waits on the disk.
    ///
    /// # Errors
    /// When that is not possible.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        self.unsynced_since = None;
        self.log.sync().map_err(Error::Audit)
    }

    fn sync(&mut self) {
        self.unsynced_since = None;
        if let Err(error) = self.log.sync() {
            log::error("launcher", &Error::Audit(error));
        }
    }

    fn write(&mut self, record: &Record) {
        if let Err(error) = self.append(record) {
            log::error("launcher", &error);
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), Error> {
        let written = self.log.append(record).map_err(Error::Audit);
        if self.log.wants_sync() {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        written
    }
}

fn not_started(subject: &str, error: &Error) -> Record {
    Record::Exit { subject: subject.into(), end: "not_started".into(), reason: error.to_string().into() }
}

/// Whether the launcher's loop had something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// It had.
    Some,
    /// Nothing was ready.
    None,
}

/// A text of the core's, escaped and then cut: the names of calls and what they need are shorter.
fn claimed(text: &str) -> Text {
    let safe = Text::new(text);
    let mut end = safe.as_str().len().min(MAX_CLAIM_BYTES);
    while !safe.as_str().is_char_boundary(end) {
        end -= 1;
    }
    Text::new(safe.as_str().get(..end).unwrap_or_default())
}

/// The limits that a subject met while it ran, from the last look at its cgroup and its output.
pub(crate) fn limits_met(end: &End, usage: Option<&Usage>, lost_lines: u64) -> Vec<Denial> {
    let met = |which, detail: String| Denial::Limit { which, detail: detail.into() };
    let mut limits = Vec::new();
    if let End::OutOfMemory { limit_bytes } = end {
        limits.push(met(Limit::Memory, format!("it needed more than {limit_bytes} bytes")));
    }
    if let Some(Usage { task_limit_hits, throttled_us, .. }) = usage {
        if *task_limit_hits > 0 {
            let detail = format!("{task_limit_hits} times it could not start a thread or a process");
            limits.push(met(Limit::Tasks, detail));
        }
        if *throttled_us > 0 {
            limits.push(met(Limit::Cpu, format!("it waited for {throttled_us} microseconds")));
        }
    }
    if lost_lines > 0 {
        limits.push(met(Limit::Output, format!("{lost_lines} lines that it printed were not shown")));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(end: &End, usage: Option<&Usage>, lost_lines: u64) -> Vec<Limit> {
        let limits = limits_met(end, usage, lost_lines);
        let which = |denial: &Denial| {
            if let Denial::Limit { which, .. } = denial { Some(*which) } else { None }
        };
        limits.iter().filter_map(which).collect()
    }

    /// As many kinds as a line counts by name, each with this name and a number.
    fn counted(name: impl Fn(usize) -> Text) -> Result<(), cofferdam_audit::Error> {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(&folder.path().join("log.jsonl"), Rotation::default()).unwrap();
        let (mut rate, subject) = (RateLimit::default(), Text::new("a"));
        for number in 0..100 {
            let what = Denial::Api { call: name(number), needs: Text::default() };
            rate.count(&subject, &what.key(), 1, Instant::now());
        }
        log.append(&rate.ended(&subject).unwrap())
    }

    #[test]
    fn no_claim_of_the_core_keeps_a_count_from_being_written() {
        for worst in ["\\", "\u{10ffff}", "\u{1b}", "数"] {
            let text = |number: usize| format!("{number}{}", worst.repeat(Text::MAX_BYTES));
            assert!(claimed(&text(1)).as_str().len() <= MAX_CLAIM_BYTES);
            counted(|number| claimed(&text(number))).unwrap();
        }
        // The control: names as long as a text may be are too long for one line.
        assert!(counted(|number| Text::new(&format!("{number}{}", "\\".repeat(Text::MAX_BYTES)))).is_err());
    }

    #[test]
    fn only_limits_that_were_met_are_told() {
        let usage = Usage {
            memory_bytes: 1,
            cpu_us: 1,
            tasks: 1,
            memory_limit_hits: 0,
            task_limit_hits: 0,
            throttled_us: 0,
        };
        assert_eq!(which(&End::Stopped, Some(&usage), 0), []);
        assert_eq!(which(&End::Stopped, None, 0), []);
        let all = Usage { task_limit_hits: 1, throttled_us: 1, ..usage };
        let met = which(&End::OutOfMemory { limit_bytes: 1 }, Some(&all), 1);
        assert_eq!(met, [Limit::Memory, Limit::Tasks, Limit::Cpu, Limit::Output]);
    }
}
