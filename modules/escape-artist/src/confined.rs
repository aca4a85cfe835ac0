//! The module: makes the attempts one after the other and logs and reports what each met.
//!
//! Attempts that should kill it come last. It never makes an attempt twice: each start goes on after the last
//! one in the report, so that with `restart = "on-failure"` it gets through all of them. To begin again, delete
//! the report.
//!
//! It runs on an inherited connection only, as the launcher gives it: started by hand with the path of a socket
//! it would attack the machine it is on.

use std::os::fd::RawFd;
use std::path::Path;
use std::process::ExitCode;

use cofferdam_sdk::{Args, EventPayload, LogLevel, ModuleIntegration, ModuleMessage, SdkError};

use crate::attempt::{self, Attempt, Expected, Host, Met, Run, Verdict};
use crate::attempts;
use crate::context::Context;
use crate::error::{Error, on, while_doing};
use crate::inherited::Inherited;
use crate::report::{FILE_NAME, Report};

const NAME: &str = "escape-artist";
/// How `--socket-path` names the inherited connection.
const INHERITED: &str = "fd:3";
/// Its number.
const CONNECTION: RawFd = 3;

/// Runs as a module until the node shuts down, unless the setting `exit` says otherwise.
///
/// # Errors
/// The connection, the report or a setting. Whatever the attempts meet is no error.
pub(crate) fn run(inherited: Inherited) -> Result<ExitCode, Error> {
    let args = Args::parse();
    if args.socket_path != Path::new(INHERITED) {
        return Err(Error::ByHand);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(while_doing("start the runtime"))?;
    runtime.block_on(serve(args, inherited))
}

async fn serve(args: Args, inherited: Inherited) -> Result<ExitCode, Error> {
    let settings = cofferdam_sdk::module_config();
    let path = args.data_dir.join(FILE_NAME);
    let context = Context::new(&settings, &args.data_dir, &path, Some(CONNECTION), inherited)
        .map_err(Error::Setting)?;
    let mut report = Report::open(&path).map_err(on(&path))?;
    let started = report.started().map_err(on(&path))?;
    let mut chosen = choose(settings.get("attempt").map(String::as_str))?;
    chosen.retain(|attempt| !started.contains(attempt.name));

    if let Some((attempt, Run::Handshake(run))) = chosen.first().map(|attempt| (*attempt, attempt.run)) {
        let other = context.other.clone();
        report.start(attempt.name).map_err(on(&path))?;
        let met = attempt::met(run(attempt::Args { socket_path: args.socket_path, other }).await);
        report.finish(attempt.name, &met).map_err(on(&path))?;
        // There is no session to log it in.
        return Err(Error::Setting(describe(attempt, attempt.expected(&context.missing), &met).1));
    }
    let module_id = args.module_id.unwrap_or_else(|| NAME.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let integration =
        ModuleIntegration::connect(&args.socket_path, module_id, NAME.to_owned(), version).await?;
    let host = Host::new(&integration, &context.other);
    Session { host, report, context }.make_all(chosen).await?;
    if settings.get("exit").is_some_and(|exit| exit == "true") {
        return Ok(ExitCode::SUCCESS);
    }
    wait_for_shutdown(&integration).await;
    Ok(ExitCode::SUCCESS)
}

/// The one attempt of this name, or all, those that kill at the end.
fn choose(name: Option<&str>) -> Result<Vec<&'static Attempt>, Error> {
    if let Some(name) = name {
        return attempts::find(name).map(|(_, attempt)| vec![attempt]).map_err(Error::Setting);
    }
    let (lethal, mut chosen): (Vec<_>, Vec<_>) =
        attempts::all().map(|(_, attempt)| attempt).partition(|attempt| attempt.expected(&[]).is_lethal());
    chosen.extend(lethal);
    Ok(chosen)
}

async fn wait_for_shutdown(integration: &ModuleIntegration) {
    let mut events = integration.event_receiver();
    while let Some(ModuleMessage::Event(event)) = events.recv().await {
        if let EventPayload::NodeShutdown { .. } = event.payload {
            return;
        }
    }
}

struct Session {
    host: Host,
    report: Report,
    context: Context,
}

impl Session {
    /// Makes attempts. Those on the kernel block the runtime: it has nothing else to do, and more threads would count
    /// against the limit that one of them is about. One in place of a handshake waits for the next start.
    async fn make_all(&mut self, chosen: Vec<&'static Attempt>) -> Result<(), Error> {
        let path = self.context.report.clone();
        for attempt in chosen {
            let tried = match attempt.run {
                Run::Handshake(_) => break,
                Run::Kernel(run) => {
                    self.report.start(attempt.name).map_err(on(&path))?;
                    run(&self.context)
                }
                Run::Core(run) => {
                    self.report.start(attempt.name).map_err(on(&path))?;
                    run(self.host.clone()).await
                }
            };
            let met = attempt::met(tried);
            self.report.finish(attempt.name, &met).map_err(on(&path))?;
            let (level, line) = describe(attempt, attempt.expected(&self.context.missing), &met);
            self.log(level, line).await?;
        }
        let done = format!("every attempt is made, see {}; delete it to begin again", path.display());
        self.log(LogLevel::Info, done).await
    }

    /// Logs a line. If the host does not take it, it goes to standard error, which the host logs too.
    async fn log(&self, level: LogLevel, line: String) -> Result<(), Error> {
        match self.host.node.log(level, line.clone()).await {
            Err(error @ SdkError::Closed { .. }) => Err(error.into()),
            Err(error) => {
                eprintln!("{line} ({error})");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// The line for the log.
fn describe(attempt: &Attempt, expected: Expected, met: &Met) -> (LogLevel, String) {
    let tries = attempt.tries;
    match expected.judge(met) {
        Verdict::AsExpected => (LogLevel::Info, format!("tried to {tries}: {met}")),
        Verdict::Otherwise => (LogLevel::Warn, format!("tried to {tries}: {met}, expected {expected}")),
        Verdict::Escaped => {
            (LogLevel::Error, format!("ESCAPED: tried to {tries}: {met}, expected {expected}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn attempts_that_kill_come_after_all_others() {
        let chosen = choose(None).unwrap();
        assert_eq!(chosen.len(), attempts::all().count());
        assert!(chosen.is_sorted_by_key(|attempt| attempt.expected(&[]).is_lethal()));
    }

    #[test]
    fn one_attempt_can_be_chosen_by_its_name() {
        let chosen: Vec<_> =
            choose(Some("mount-tmpfs")).unwrap().iter().map(|attempt| attempt.name).collect();
        assert_eq!(chosen, ["mount-tmpfs"]);
    }

    #[test]
    fn what_was_tried_is_logged_with_what_it_met() {
        let (_, attempt) = attempts::find("read-passwd").unwrap();
        let (level, line) = describe(attempt, attempt.expected(&[]), &Met::Errno(Errno::ENOENT));
        assert_eq!((level, line.as_str()), (LogLevel::Info, "tried to read /etc/passwd: ENOENT"));
    }

    #[test]
    fn an_escape_is_an_error_and_says_so_first() {
        let (_, attempt) = attempts::find("read-passwd").unwrap();
        let (level, line) =
            describe(attempt, attempt.expected(&[]), &Met::Succeeded("read 9 bytes".to_owned()));
        assert_eq!(level, LogLevel::Error);
        assert_eq!(line, "ESCAPED: tried to read /etc/passwd: succeeded, read 9 bytes, expected ENOENT");
    }
}
