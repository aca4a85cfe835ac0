//! The controls: every attempt, unconfined, each in a process of its own with all that it needs around it.
//!
//! A process of its own, because many attempts change the process that makes them for good. Those that would
//! change the machine's mounts or name get namespaces of their own first. Everything is cleaned up after.

mod fixture;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::attempt::{self, Attempt, Needs, Run};
use crate::attempts::{self, NAMESPACES};
use crate::context::Context;
use crate::error::{Error, on, while_doing};
use crate::inherited::Inherited;
use crate::report::{FILE_NAME, Report, outcome};
use fixture::Fixture;

/// What the victim has in its memory.
pub(crate) const SECRET: &[u8; 16] = b"the macaroon key";

/// How long a control may take; the slowest, which touches 300 MiB, takes a second on a small machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const POLL: Duration = Duration::from_millis(2);
/// Exit status when no control failed, but some could not succeed on this kernel.
const UNAVAILABLE: u8 = 3;
/// Runs every control and prints a line for each: name, kind and detail, separated by tabs. The kinds are those
/// of the report; `unavailable` where what it needs is not there, and it did not succeed; `within` for an attempt on the
/// core, which holds its control itself; and `died`. The exit status is 0 if all succeeded, [`UNAVAILABLE`] if all did that
/// could on this machine, and 1 otherwise.
///
/// # Errors
/// What a control needs around it cannot be made.
pub(crate) fn run_all() -> Result<ExitCode, Error> {
    let mut ending = Ending::Succeeded;
    for (_, attempt) in attempts::all() {
        ending = ending.max(run_and_print(attempt.name)?);
    }
    Ok(ending.into())
}

/// Runs one control, as [`run_all`] does.
///
/// # Errors
/// As for `run_all`, or that there is no attempt of this name.
pub(crate) fn run_one(name: &str) -> Result<ExitCode, Error> {
    attempts::find(name).map_err(Error::Setting)?;
    Ok(run_and_print(name)?.into())
}

/// How a control ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Succeeded,
    Unavailable,
    Failed,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded => Self::SUCCESS,
            Ending::Unavailable => Self::from(UNAVAILABLE),
            Ending::Failed => Self::FAILURE,
        }
    }
}

fn run_and_print(name: &str) -> Result<Ending, Error> {
    let (_, attempt) = attempts::find(name).map_err(Error::Setting)?;
    let (ending, line) = match attempt.run {
        Run::Kernel(_) => run_one_on_kernel(attempt)?,
        Run::Core(_) | Run::Handshake(_) => {
            (Ending::Succeeded, "within\tthe same call for what is its own".to_owned())
        }
    };
    let line = format!("{name}\t{line}\n");
    io::stdout().lock().write_all(line.as_bytes()).map_err(while_doing("write to standard output"))?;
    Ok(ending)
}

fn run_one_on_kernel(attempt: &Attempt) -> Result<(Ending, String), Error> {
    let fixture = Fixture::new()?;
    let status = run_in_process(attempt.name, &fixture)?;
    let reported = outcome(&fixture.report(), attempt.name).unwrap_or_default();
    // After the control, which may have had the kernel load what it needs.
    let needs = if attempt.needs.is_there() { Ok(()) } else { Err(attempt.needs) };
    let (ending, kind, detail) = judge(reported, status, needs);
    Ok((ending, format!("{kind}\t{detail}{}", fixture.last_words())))
}

/// A control that succeeds without what it needs is a failure too: then what it needs is not what is stated.
fn judge(
    reported: Option<(String, String)>,
    status: ExitStatus,
    needs: Result<(), Needs>,
) -> (Ending, String, String) {
    let Some((kind, detail)) = reported else {
        return (Ending::Failed, "died".to_owned(), status.to_string());
    };
    match (kind.as_str(), needs) {
        ("succeeded", Ok(())) => (Ending::Succeeded, kind, detail),
        ("succeeded", Err(needs)) => {
            (Ending::Failed, "needless".to_owned(), format!("without {needs}: {detail}"))
        }
        (_, Err(needs)) => {
            (Ending::Unavailable, "unavailable".to_owned(), format!("{detail}: it needs {needs}"))
        }
        (_, Ok(())) => (Ending::Failed, kind, detail),
    }
}

fn run_in_process(name: &str, fixture: &Fixture) -> Result<ExitStatus, Error> {
    let _open_in_the_process = fixture.leak_descriptor()?;
    let process = Command::new("/proc/self/exe")
        .args(["--control", name])
        .arg(fixture.data_dir())
        .env_clear()
        .envs(fixture.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fixture.standard_error()?)
        .spawn()
        .map_err(while_doing("start a control"))?;
    wait(process)
}

fn wait(mut process: Child) -> Result<ExitStatus, Error> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = process.try_wait().map_err(while_doing("wait for a control"))? {
            return Ok(status);
        }
        if Instant::now() > end {
            process.kill().map_err(while_doing("kill a control that takes too long"))?;
        }
        sleep(POLL);
    }
}

/// The control itself: makes one attempt and reports what it met.
///
/// # Errors
/// The report, a setting, or the namespaces around it.
pub(crate) fn control(name: &str, data_dir: &Path, inherited: Inherited) -> Result<ExitCode, Error> {
    let (group, attempt) = attempts::find(name).map_err(Error::Setting)?;
    let path = data_dir.join(FILE_NAME);
    let settings = cofferdam_sdk::module_config();
    let context = Context::new(&settings, data_dir, &path, None, inherited).map_err(Error::Setting)?;
    if group == NAMESPACES {
        isolate(&context.mount_point).map_err(|errno| while_doing("make namespaces")(errno.into()))?;
    }
    let mut report = Report::open(&path).map_err(on(&path))?;
    report.start(name).map_err(on(&path))?;
    let Run::Kernel(run) = attempt.run else {
        return Err(Error::Setting(format!("`{name}` has no control outside of the sandbox")));
    };
    let met = attempt::met(run(&context));
    // Not by its path: some attempts change what paths mean.
    report.finish(name, &met).map_err(on(&path))?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps what an attempt does to mounts and to the host's name from everybody else, and mounts something that
/// it can unmount or make its root. What is left of it goes with the process.
fn isolate(mount_point: &Path) -> Result<(), Errno> {
    const NOTHING: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    mount(Some("tmpfs"), mount_point, Some("tmpfs"), MsFlags::empty(), NOTHING)
}

/// The process that others signal, trace and read: prints where its secret is, and ends with its standard input.
///
/// # Errors
/// Standard input or output.
pub(crate) fn be_victim() -> Result<ExitCode, Error> {
    let secret = std::hint::black_box(SECRET.to_vec());
    let mut out = io::stdout().lock();
    writeln!(out, "{}", secret.as_ptr().addr()).map_err(while_doing("write to standard output"))?;
    io::stdin().lock().read_to_end(&mut Vec::new()).map_err(while_doing("read standard input"))?;
    std::hint::black_box(secret);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const NEEDS: Needs = Needs::Protocol("ALG");

    fn judged(kind: &str, detail: &str, needs: Result<(), Needs>) -> (Ending, String) {
        let reported = Some((kind.to_owned(), detail.to_owned()));
        let (ending, kind, _) = judge(reported, ExitStatus::from_raw(0), needs);
        (ending, kind)
    }

    #[test]
    fn a_control_that_has_what_it_needs_must_succeed() {
        let succeeded = judged("succeeded", "read 9 bytes", Ok(()));
        assert_eq!(succeeded, (Ending::Succeeded, "succeeded".to_owned()));
        assert_eq!(judged("errno", "EPERM", Ok(())), (Ending::Failed, "errno".to_owned()));
        assert_eq!(judged("nothing", "no process", Ok(())), (Ending::Failed, "nothing".to_owned()));
    }

    #[test]
    fn a_control_that_lacks_what_it_needs_must_not_succeed() {
        let refused = judged("errno", "EAFNOSUPPORT", Err(NEEDS));
        assert_eq!(refused, (Ending::Unavailable, "unavailable".to_owned()));
        assert_eq!(judged("succeeded", "made it", Err(NEEDS)), (Ending::Failed, "needless".to_owned()));
    }

    #[test]
    fn a_control_that_says_nothing_has_died() {
        let (ending, kind, _) = judge(None, ExitStatus::from_raw(9), Ok(()));
        assert_eq!((ending, kind.as_str()), (Ending::Failed, "died"));
    }
}
