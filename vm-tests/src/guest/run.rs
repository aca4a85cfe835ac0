//! Runs the plan: each test in a process of its own, as its session's user, with a time limit; and reports each. What a
//! test leaves behind in its process group is killed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::cgroups::{self, Place};
use super::enter;
use crate::plan::{
    CGROUP_SETTING, FACTS, MAX_OUTPUT_BYTES, Outcome, PLAN, Plan, Report, Session, SessionName, Test,
};

/// The ordinary user: nothing but its cgroups belongs to it.
const UID: u32 = 1000;

/// How often a test is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// What stands for the middle of a long output.
const CUT: &[u8] = b"\n[...]\n";

/// Runs all of it.
pub(super) fn run(reports: &Path) -> Result<()> {
    let port = File::options().write(true).open(reports);
    let mut port = port.with_context(|| format!("open {}", reports.display()))?;
    let ended = run_to(&mut port);
    let last = match &ended {
        Ok(()) => Report::Done,
        Err(error) => Report::Failed { why: format!("{error:#}") },
    };
    report(&mut port, &last)?;
    // The machine is switched off next: what the port still holds must be out.
    nix::sys::termios::tcdrain(&port).context("send the last report")?;
    ended
}

fn run_to(port: &mut File) -> Result<()> {
    let plan = fs::read(PLAN).with_context(|| format!("read {PLAN}"))?;
    let plan: Plan = serde_json::from_slice(&plan).with_context(|| format!("read {PLAN}"))?;
    facts(port)?;
    let port = Mutex::new(port);
    plan.sessions.iter().try_for_each(|session| run_session(&plan, session, &port))
}

/// As many tests at a time as there are processors.
fn run_session(plan: &Plan, session: &Session, port: &Mutex<&mut File>) -> Result<()> {
    let count = std::thread::available_parallelism().context("count the processors")?.get();
    let places = cgroups::places(session.name, UID, count);
    let places = places.with_context(|| format!("cgroups of {}", session.name.as_str()))?;
    let waiting = Mutex::new(plan.tests.iter());
    let timeout = Duration::from_secs(plan.test_timeout_s);
    let tell = |line: &Report| report(&mut held(port), line);
    let work = |(number, place): (usize, Place)| -> Result<()> {
        let output = PathBuf::from(format!("/run/output-{number}"));
        let seat = Seat { session, place, output };
        loop {
            let Some(test) = held(&waiting).next() else { return Ok(()) };
            tell(&Report::Started { session: session.name, test: test.id.clone() })?;
            let ended = seat.run(test, timeout);
            tell(&ended.with_context(|| format!("run {}", test.id))?)?;
        }
    };
    std::thread::scope(|scope| {
        let places = places.into_iter().enumerate();
        let threads: Vec<_> = places.map(|place| scope.spawn(|| work(place))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// What a lock guards; nothing that panics holds one.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(port: &mut File, report: &Report) -> Result<()> {
    let line = serde_json::to_string(report)? + "\n";
    port.write_all(line.as_bytes()).context("report")
}

fn facts(port: &mut File) -> Result<()> {
    let output = Command::new(FACTS).output().with_context(|| format!("start {FACTS}"))?;
    ensure!(output.status.success(), "{FACTS}: {}", output.status);
    for line in String::from_utf8(output.stdout)?.lines() {
        let (name, value) = line.split_once(' ').with_context(|| format!("{FACTS}: {line:?}"))?;
        report(port, &Report::Fact { name: name.to_owned(), value: value.to_owned() })?;
    }
    Ok(())
}

/// Where one test at a time runs.
struct Seat<'s> {
    session: &'s Session,
    place: Place,
    /// Keeps a test's output until it is reported.
    output: PathBuf,
}

impl Seat<'_> {
    fn run(&self, test: &Test, timeout: Duration) -> Result<Report> {
        let output = File::create(&self.output)?;
        let uid = match self.session.name {
            SessionName::Root | SessionName::RootV1 => 0,
            SessionName::User => UID,
        };
        let mut command = enter::command(uid, self.place.cgroup.as_deref(), &test.program);
        command.args(["--exact", &test.name, "--nocapture"]).current_dir(&test.folder).env_clear();
        command.env("PATH", "/bin").env("HOME", "/tmp").envs(&self.session.environment).process_group(0);
        if let Some(subtree) = &self.place.delegated {
            command.env(CGROUP_SETTING, subtree);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let begun = Instant::now();
        let mut child = command.spawn().with_context(|| format!("start {}", test.program.display()))?;
        let status = wait(&mut child, begun + timeout)?;
        let seconds = begun.elapsed().as_secs_f64();
        let output = ends(&self.output)?;
        let outcome = outcome(status, &output);
        Ok(Report::Ended { session: self.session.name, test: test.id.clone(), outcome, seconds, output })
    }
}

/// Waits for the end of a test, or brings it about: then there is no status.
fn wait(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    let group = Pid::from_raw(i32::try_from(child.id())?);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        std::thread::sleep(PAUSE);
    };
    // Without a member the group is gone, which is as it should be.
    let _gone = killpg(group, Signal::SIGKILL);
    if status.is_none() {
        child.wait()?;
    }
    Ok(status)
}

/// A program that found no such test ends well too, and has shown nothing.
fn outcome(status: Option<ExitStatus>, output: &str) -> Outcome {
    match status {
        None => Outcome::TimedOut,
        Some(status) if status.success() && output.contains("test result: ok. 1 passed;") => Outcome::Passed,
        Some(_) => Outcome::Failed,
    }
}

/// A file's text; of a long one, as much of its beginning and its end as a report may carry. What failed is said at the
/// beginning, the result at the end.
fn ends(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let half = u64::try_from(MAX_OUTPUT_BYTES / 2)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length > 2 * half {
        (&mut file).take(half).read_to_end(&mut bytes)?;
        bytes.extend_from_slice(CUT);
        file.seek(SeekFrom::Start(length - half))?;
    }
    file.take(2 * half).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_with(command: &str) -> ExitStatus {
        Command::new("sh").args(["-c", command]).status().unwrap()
    }

    #[test]
    fn a_test_has_passed_only_if_it_has_run() {
        let ran = "test result: ok. 1 passed; 0 failed; 0 ignored";
        let found_none = "test result: ok. 0 passed; 0 failed; 0 ignored; 9 filtered out";
        assert_eq!(outcome(Some(ended_with("exit 0")), ran), Outcome::Passed);
        assert_eq!(outcome(Some(ended_with("exit 0")), found_none), Outcome::Failed);
        assert_eq!(outcome(Some(ended_with("exit 101")), ran), Outcome::Failed);
        assert_eq!(outcome(Some(ended_with("kill -9 $$")), ran), Outcome::Failed);
        assert_eq!(outcome(None, ran), Outcome::TimedOut);
    }

    #[test]
    fn a_test_that_hangs_is_killed_with_what_it_started() {
        let mut child = Command::new("sh").args(["-c", "sleep 600 & wait"]).process_group(0).spawn().unwrap();
        assert_eq!(wait(&mut child, Instant::now()).unwrap(), None);
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while killpg(group, None).is_ok() {
            assert!(Instant::now() < deadline, "the group is left");
            std::thread::sleep(PAUSE);
        }
    }

    #[test]
    fn of_a_long_output_beginning_and_end_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        fs::write(&path, format!("the beginning{}the end", "x".repeat(MAX_OUTPUT_BYTES))).unwrap();
        let text = ends(&path).unwrap();
        assert!(text.starts_with("the beginningx") && text.ends_with("xthe end"), "{text}");
        assert_eq!(text.len(), MAX_OUTPUT_BYTES + CUT.len());
        fs::write(&path, "short").unwrap();
        assert_eq!(ends(&path).unwrap(), "short");
    }
}
