//! One virtual machine: QEMU with a kernel and an initial memory file system, no disk, no network. It ends when the guest
//! switches it off, says nothing for too long, or the driver is interrupted; never later than the driver.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::interrupt;
use crate::plan::{MAX_OUTPUT_BYTES, Report};

/// How long the guest may take from power on to its first report.
const BOOT_PATIENCE: Duration = Duration::from_secs(180);
/// How much longer than a test's own time limit the guest may be silent.
const SILENCE_PATIENCE: Duration = Duration::from_secs(60);
/// How often the driver looks whether it was interrupted.
const PAUSE: Duration = Duration::from_millis(100);
/// Reports that wait to be judged.
const MAX_WAITING: usize = 64;
/// Every byte of an output may take six in JSON; and there are names.
const MAX_LINE_BYTES: usize = 6 * MAX_OUTPUT_BYTES + 8192;
/// How much of a console is shown when its guest has failed.
const CONSOLE_LINES: usize = 30;

/// The guest runs a test on each; more than the host's would only slow it down.
const PROCESSORS: &str = "2";
/// For the files, twice while they are unpacked, and a test on each processor.
const MEMORY_MIB: &str = "2048";

/// How the guest's processors are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// By translation: works everywhere, and is some ten times slower.
    Tcg,
    /// By the host's kernel.
    Kvm,
}

/// What a machine is started with.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) accelerator: Accelerator,
    pub(crate) kernel: PathBuf,
    /// Added to its command line.
    pub(crate) parameters: String,
    pub(crate) initial_files: PathBuf,
    /// Where its console is kept.
    pub(crate) console: PathBuf,
    pub(crate) test_timeout: Duration,
}

/// QEMU, killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Runs it to its end, and hands on what the guest reports.
    ///
    /// # Errors
    /// When the guest ends without having said that it is done, hangs, or says that it cannot go on; with the end of
    /// its console.
    pub(crate) fn run(&self, mut on_report: impl FnMut(&Report)) -> Result<()> {
        let started =
            self.command().spawn().context("start setpriv and qemu-system-x86_64: are they installed?")?;
        let mut running = Running(started);
        let output = running.0.stdout.take().context("QEMU's output is a pipe")?;
        let ended = self.follow(&lines(output), &mut on_report);
        drop(running);
        ended.map_err(|error| {
            anyhow!("{error:#}; the end of {}:\n{}", self.console.display(), self.console_tail())
        })
    }

    fn command(&self) -> Command {
        // If the driver is killed QEMU is too: it would run on for ever.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config"]);
        match self.accelerator {
            // An older processor is translated faster: it has fewer and narrower registers to keep. Without cmpxchg16b,
            // after which QEMU 7.2 once left false flags, and the kernel a double fault.
            Accelerator::Tcg => command.args(["-accel", "tcg,thread=multi", "-cpu", "Nehalem,-cx16"]),
            Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        };
        command.args(["-smp", PROCESSORS, "-m", MEMORY_MIB, "-display", "none", "-no-reboot"]);
        command.arg("-serial").arg(format!("file:{}", self.console.display()));
        command.args(["-chardev", "stdio,id=reports,signal=off", "-serial", "chardev:reports"]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initial_files);
        // What keeps a processor's secrets costs much where it is translated, and keeps none there.
        let always = "console=ttyS0 panic=-1 loglevel=4 mitigations=off";
        command.arg("-append").arg(format!("{always} {}", self.parameters));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn follow(&self, lines: &Receiver<String>, on_report: &mut impl FnMut(&Report)) -> Result<()> {
        let mut deadline = Instant::now() + BOOT_PATIENCE;
        loop {
            if interrupt::requested() {
                bail!("interrupted");
            }
            let line = match lines.recv_timeout(PAUSE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => continue,
                Err(RecvTimeoutError::Timeout) => bail!("the guest hangs"),
                Err(RecvTimeoutError::Disconnected) => bail!("the guest ended too early"),
            };
            let report = serde_json::from_str(&line).with_context(|| format!("not a report: {line:?}"))?;
            match &report {
                Report::Done => return Ok(()),
                Report::Failed { why } => bail!("the guest cannot go on: {why}"),
                Report::Fact { .. } | Report::Started { .. } | Report::Ended { .. } => on_report(&report),
            }
            deadline = Instant::now() + self.test_timeout + SILENCE_PATIENCE;
        }
    }

    fn console_tail(&self) -> String {
        let bytes = fs::read(&self.console).unwrap_or_default();
        tail(&String::from_utf8_lossy(&bytes), CONSOLE_LINES)
    }
}

/// The last lines of a text.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).fold(String::new(), |all, line| all + line + "\n")
}

/// Reads lines in a thread of its own, which ends with QEMU.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = sync_channel(MAX_WAITING);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        while let Some(line) = line(&mut reader) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// One line that says something, no longer than a report may be.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let limit = u64::try_from(MAX_LINE_BYTES).ok()?;
    loop {
        let mut bytes = Vec::new();
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut bytes).ok()?;
        if read == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&bytes).trim().to_owned();
        if !line.is_empty() {
            return Some(line);
        }
    }
}

/// Where the console of one boot is kept.
pub(crate) fn console_path(folder: &Path, kernel: &str, boot: &str) -> PathBuf {
    folder.join(format!("{kernel}-{boot}.console"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_without_the_carriage_returns_of_a_terminal() {
        let mut port: &[u8] = b"\r\n{\"a\":1}\r\n{\"b\"";
        assert_eq!(line(&mut port).as_deref(), Some("{\"a\":1}"));
        assert_eq!(line(&mut port).as_deref(), Some("{\"b\""));
        assert_eq!(line(&mut port), None);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let endless = vec![b'x'; 1_000_000];
        let read = line(&mut endless.as_slice()).map(|line| line.len());
        assert_eq!(read, Some(MAX_LINE_BYTES));
    }

    #[test]
    fn of_a_console_the_end_is_shown() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc\n");
        assert_eq!(tail("a", 2), "a\n");
    }
}
