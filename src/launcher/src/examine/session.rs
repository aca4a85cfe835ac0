//! The probe in its sandbox, started again whenever it was killed, and one request to it at a time.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use cofferdam_control::End;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::inside::REQUEST_BYTES;
use crate::error::{Error, file, system};
use crate::log::LineRate;
use crate::start::{Launcher, Loaded};
use crate::supervisor::subject::{Buried, Subject};
use crate::sys::parent::Reap;

/// How long one call may take. Most take microseconds; a probe that waits for ever is started again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The probe writes nothing; a line would be no harm.
const LINES: LineRate = LineRate { burst: 10, per_second: 1 };

/// A sandbox that can be asked.
pub(crate) struct Session {
    launcher: Launcher,
    loaded: Loaded,
    running: Option<Running>,
}

struct Running {
    subject: Subject,
    link: UnixStream,
    pid: Pid,
}

/// What became of a request.
pub(crate) enum Reply {
    /// The probe's answer; and whether a call was reported to the launcher, and refused.
    Answer { bytes: Vec<u8>, reported: bool },
    /// The probe has ended.
    Ended(End),
    /// Nothing came back; the probe was killed.
    Silent,
}

impl Session {
    pub(crate) fn new(launcher: Launcher, loaded: Loaded) -> Self {
        Self { launcher, loaded, running: None }
    }

    pub(super) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Looks at the probe while it waits for a request.
    pub(super) fn with_running<T>(
        &mut self,
        look: impl FnOnce(&Loaded, &Subject, Pid) -> T,
    ) -> Result<T, Error> {
        let running = self.start()?;
        let seen = look(&self.loaded, &running.subject, running.pid);
        self.running = Some(running);
        Ok(seen)
    }

    fn start(&mut self) -> Result<Running, Error> {
        if let Some(running) = self.running.take() {
            return Ok(running);
        }
        let prepared = self.launcher.prepare(&self.loaded)?;
        let running = self.launcher.launch(prepared)?;
        let pid = running.pid();
        let profile = self.loaded.profile();
        let (subject, peer) = Subject::new(
            profile.subject.label().to_owned(),
            running,
            profile.syscalls.clone(),
            profile.limits.memory_bytes.value,
            LINES,
            Instant::now(),
        );
        Ok(Running { subject, link: UnixStream::from(peer), pid })
    }

    /// Asks the probe, and answers the calls that its filter reports meanwhile.
    pub(crate) fn ask(&mut self, number: u64, arguments: &[u64; 6]) -> Result<Reply, Error> {
        let mut running = self.start()?;
        let mut request = Vec::with_capacity(REQUEST_BYTES);
        request.extend(number.to_le_bytes());
        arguments.iter().for_each(|argument| request.extend(argument.to_le_bytes()));
        running.link.write_all(&request).map_err(talking)?;
        let reply = wait(&mut running)?;
        match reply {
            Some(reply) => {
                self.running = Some(running);
                Ok(reply)
            }
            None => bury(running),
        }
    }

    /// Ends the probe and removes what was made for it.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        if let Some(mut running) = self.running.take() {
            running.subject.kill();
            bury(running)?;
        }
        self.loaded.forget_disk();
        self.launcher.remove_cgroups()
    }
}

fn talking(error: std::io::Error) -> Error {
    file("talk to", "the probe", "")(error)
}

/// Waits for the answer; `None`: the probe has ended, or was killed for saying nothing.
fn wait(running: &mut Running) -> Result<Option<Reply>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut reported = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            running.subject.kill();
            return Ok(None);
        }
        // A listener that has used up its answers is not watched until this pause is over.
        let pause = running.subject.refill(Instant::now()).unwrap_or(left).min(left);
        let readable = PollFlags::POLLIN;
        let mut watched =
            vec![PollFd::new(running.link.as_fd(), readable), PollFd::new(running.subject.pidfd(), readable)];
        watched.extend(running.subject.listener().map(|listener| PollFd::new(listener, readable)));
        let milliseconds = i32::try_from(pause.as_millis()).unwrap_or(i32::MAX).saturating_add(1);
        poll(&mut watched, PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX))
            .map_err(system("poll"))?;
        let ready = |at: usize| {
            watched.get(at).and_then(PollFd::revents).is_some_and(|events| events.contains(readable))
        };
        let (answered, ended, waiting) = (ready(0), ready(1), ready(2));
        drop(watched);
        if waiting {
            reported |= running.subject.answer(Instant::now()).is_some();
        } else if ended {
            return Ok(None);
        } else if answered {
            return Ok(answer(&mut running.link).map(|bytes| Reply::Answer { bytes, reported }));
        }
    }
}

/// One answer, whole; `None` where the probe ended instead.
fn answer(link: &mut UnixStream) -> Option<Vec<u8>> {
    // A probe that stops in the middle of an answer is no honest one.
    link.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut length = [0_u8; 4];
    link.read_exact(&mut length).ok()?;
    let length =
        usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| *length <= MAX_ANSWER_BYTES)?;
    let mut bytes = vec![0_u8; length];
    link.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn bury(mut running: Running) -> Result<Reply, Error> {
    running.subject.kill_unless_it_ends();
    match running.subject.bury(Reap::Wait, Instant::now())? {
        Buried::Ended(End::Stopped, _) => Ok(Reply::Silent),
        Buried::Ended(end, _) => Ok(Reply::Ended(end)),
        Buried::StillRunning(_) => Ok(Reply::Silent),
    }
}
