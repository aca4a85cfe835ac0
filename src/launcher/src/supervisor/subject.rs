//! A running subject: its output, its denials, its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_audit::{Argument, Denial, Verdict as Met};
use cofferdam_control::End;
use cofferdam_policy::profile::{SyscallPolicy, Verdict};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::seen::Seen;
use crate::audit::limits_met;
use crate::cgroup::{Cgroup, InForce};
use crate::denial::{call_name, kernel_errno, sentence};
use crate::error::{Error, system};
use crate::log::{self, Bucket, LineRate, Output, Taken};
use crate::start::Running;
use crate::sys::notify::{self, Notification};
use crate::sys::parent::{self, Ended, Reap};

/// How many refused calls of a subject are answered at once, and a second. A subject that makes more waits for
/// its answers: its own threads pay, not the launcher.
const ANSWERS: LineRate = LineRate { burst: 500, per_second: 200 };
/// How many refused calls are reported one by one; the others are counted.
const REPORTS: LineRate = LineRate { burst: 100, per_second: 5 };

/// How many allowed calls of a watched subject are let go on at once, and a second: what a launcher can do in a
/// quarter of a processor. A subject that makes more waits for its turn, and nobody else does.
const WATCHED: LineRate = LineRate { burst: 20_000, per_second: 10_000 };
/// How many of them are let go on before the launcher looks at everything else.
const WATCHED_A_TURN: u32 = 64;

/// How long the last part of a process's end may take, in milliseconds.
const ENDING_MS: u8 = 100;

/// A running subject.
pub(crate) struct Subject {
    label: String,
    pidfd: OwnedFd,
    /// Its end, where it was reaped before it came here.
    ended: Option<Ended>,
    pid: nix::unistd::Pid,
    listener: Option<OwnedFd>,
    stdout: Output,
    stderr: Output,
    cgroup: Option<Cgroup>,
    policy: SyscallPolicy,
    memory_bytes: u64,
    answers: Bucket,
    reports: Bucket,
    unreported: u64,
    fate: Fate,
    /// What it calls, if it is watched.
    seen: Option<Seen>,
    /// How many allowed calls are let go on, if it is watched.
    watched: Bucket,
}

/// Why the launcher has killed it, if it has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Open,
    Stopped,
    Forbidden(String),
}

impl Subject {
    /// Takes over what was started; hands back the other end of its socket.
    pub(crate) fn new(
        label: String,
        running: Running,
        policy: SyscallPolicy,
        memory_bytes: u64,
        lines: LineRate,
        now: Instant,
    ) -> (Self, OwnedFd) {
        let Running { pid, pidfd, ended, listener, stdout, stderr, peer, cgroup } = running;
        let subject = Self {
            label,
            pidfd,
            ended,
            pid,
            listener: Some(listener),
            stdout: Output::new(stdout, lines, now),
            stderr: Output::new(stderr, lines, now),
            cgroup,
            policy,
            memory_bytes,
            answers: Bucket::new(ANSWERS, now),
            reports: Bucket::new(REPORTS, now),
            unreported: 0,
            fate: Fate::Open,
            seen: None,
            watched: Bucket::new(WATCHED, now),
        };
        (subject, peer)
    }

    /// From now on its allowed calls, which its filter reports too, are counted and let go on.
    pub(crate) fn watch(&mut self) {
        self.seen = Some(Seen::default());
    }

    /// What it has called so far, if it is watched.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.seen.clone()
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub(crate) fn outputs(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [self.stdout.to_poll(), self.stderr.to_poll()]
    }

    /// The listener, unless the subject has used up its answers for now.
    pub(crate) fn listener(&self) -> Option<BorrowedFd<'_>> {
        let may_wait = self.answers.is_empty() || self.watched.is_empty();
        self.listener.as_ref().filter(|_| !may_wait).map(AsFd::as_fd)
    }

    /// Lets its allowances grow with time. What it has used up is not waited for until the pause that is returned
    /// is over: its own threads wait meanwhile, and the launcher spends no time on them.
    pub(crate) fn refill(&mut self, now: Instant) -> Option<Duration> {
        let answers = [self.answers.pause_from(now), self.watched.pause_from(now)];
        let outputs = [self.stdout.pause_from(now), self.stderr.pause_from(now)];
        outputs.into_iter().chain(answers).flatten().min()
    }

    pub(crate) fn read_outputs(&mut self, which: Stream, now: Instant) {
        match which {
            Stream::Stdout => self.stdout.read(&self.label, now),
            Stream::Stderr => self.stderr.read(&self.label, now),
        }
    }

    /// Answers one waiting call, logs it, and says what the audit log is to hold of it. Of a watched subject, calls
    /// that are allowed go on before.
    pub(crate) fn answer(&mut self, now: Instant) -> Option<Denial> {
        for _ in 0..WATCHED_A_TURN {
            let notification = self.next_call()?;
            let verdict = self.verdict(&notification);
            if verdict != Verdict::Allow || self.seen.is_none() {
                return Some(self.deny(&notification, verdict, now));
            }
            self.let_go_on(&notification, now);
            if !self.another_waits() {
                break;
            }
        }
        None
    }

    fn next_call(&mut self) -> Option<Notification> {
        match notify::receive(self.listener.as_ref()?.as_fd()) {
            Ok(notification) => Some(notification),
            // The caller was killed while it waited, or a signal came: nothing waits any more.
            Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => None,
            Err(_) => {
                self.close_listener();
                None
            }
        }
    }

    /// Receiving would wait for the next call.
    fn another_waits(&self) -> bool {
        let Some(listener) = self.listener() else { return false };
        let mut waiting = [PollFd::new(listener, PollFlags::POLLIN)];
        let told = poll(&mut waiting, 0_u8);
        let [waiting] = waiting;
        told == Ok(1) && waiting.revents().is_some_and(|events| events.contains(PollFlags::POLLIN))
    }

    /// The one place where a reported call is performed. The policy has allowed it by its number and the registers
    /// that were reported, and these are what the kernel goes on with: no other thread can change them. Without the
    /// watch the filter itself would have let it pass.
    fn let_go_on(&mut self, notification: &Notification, now: Instant) {
        let (Some(listener), Some(seen)) = (&self.listener, &mut self.seen) else { return };
        let _counted = self.watched.take(now);
        seen.allow(notification, &self.policy);
        // ENOENT: the caller is gone. Any other failure leaves it waiting, unserved.
        if notify::go_on(listener.as_fd(), notification.id) == Err(Errno::EINVAL) {
            seen.cannot_go_on = true;
            self.kill();
        }
    }

    fn deny(&mut self, notification: &Notification, verdict: Verdict, now: Instant) -> Denial {
        let _counted = self.answers.take(now);
        if let Some(seen) = &mut self.seen {
            seen.refuse(notification.number);
        }
        match verdict {
            Verdict::Kill => {
                self.fate = Fate::Forbidden(call_name(notification.number));
                // It may have been killed meanwhile; its end is seen at its pidfd in any case.
                let _already_dead = parent::pidfd_kill(self.pidfd.as_fd());
            }
            Verdict::Refuse(errno) | Verdict::Quiet(errno) => {
                self.refuse(notification, kernel_errno(errno));
            }
            Verdict::Allow => self.refuse(notification, Errno::EPERM),
        }
        self.report(notification, verdict, now);
        denial(notification, verdict)
    }

    fn verdict(&self, notification: &Notification) -> Verdict {
        let number = u32::try_from(notification.number).unwrap_or(u32::MAX);
        self.policy.decide(number, &notification.arguments)
    }

    fn refuse(&self, notification: &Notification, errno: Errno) {
        if let Some(listener) = &self.listener {
            // ENOENT: the caller is gone and needs no answer. Any other failure leaves it waiting, unserved.
            let _caller_gone = notify::refuse(listener.as_fd(), notification.id, errno);
        }
    }

    fn report(&mut self, notification: &Notification, verdict: Verdict, now: Instant) {
        if verdict != Verdict::Kill && self.reports.take(now) == Taken::Empty {
            self.unreported += 1;
            return;
        }
        let unreported = std::mem::take(&mut self.unreported);
        let text = sentence(notification.number, notification.arguments, verdict, unreported);
        log::line(&self.label, &text);
    }

    pub(crate) fn close_listener(&mut self) {
        self.listener = None;
    }

    /// Kills it: the kernel ends every process of its pid namespace with it.
    pub(crate) fn kill(&mut self) {
        if self.fate == Fate::Open && !self.ends_within(0) {
            self.fate = Fate::Stopped;
        }
        // It may have ended by itself; its end is seen at its pidfd in any case.
        let _already_dead = parent::pidfd_kill(self.pidfd.as_fd());
    }

    /// Kills it unless it is about to end: a process closes its descriptors a moment before it has ended.
    pub(crate) fn kill_unless_it_ends(&mut self) {
        if !self.ends_within(ENDING_MS) {
            self.kill();
        }
    }

    /// Whether it has ended by itself: what it died of is then not the launcher's doing.
    fn ends_within(&self, milliseconds: u8) -> bool {
        let mut pidfd = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut pidfd, milliseconds), Ok(1))
    }

    /// The limits of its cgroup as the kernel has them; `None` without one.
    pub(crate) fn limits_in_force(&self) -> Option<Result<InForce, Error>> {
        self.cgroup.as_ref().map(Cgroup::limits_in_force)
    }

    /// What it uses now; `None` without a cgroup.
    pub(crate) fn usage(&self) -> Result<Option<cofferdam_control::Usage>, Error> {
        let Some(cgroup) = &self.cgroup else { return Ok(None) };
        cgroup.usage(process_cpu_us(self.pid)).map(Some)
    }

    /// Reaps it, logs what it left in its pipes, and removes its cgroup.
    ///
    /// # Errors
    /// When the cgroup cannot be removed; the end is known all the same and logged.
    pub(crate) fn bury(mut self, wait: Reap, now: Instant) -> Result<Buried, Error> {
        let ended = match self.ended {
            Some(ended) => Some(ended),
            None => parent::reap(self.pidfd.as_fd(), wait).map_err(system("wait for a child"))?,
        };
        let Some(ended) = ended else { return Ok(Buried::StillRunning(Box::new(self))) };
        self.stdout.drain(&self.label, now);
        self.stderr.drain(&self.label, now);
        if self.unreported > 0 {
            log::line(&self.label, &format!("denied: {} more system calls", self.unreported));
        }
        let end = self.end(ended);
        // The process's own time counts no more; what its cgroup counted does.
        let usage = self.cgroup.as_ref().and_then(|cgroup| cgroup.usage(0).ok());
        let lost = self.stdout.lost().saturating_add(self.stderr.lost());
        let limits = limits_met(&end, usage.as_ref(), lost);
        if let Some(cgroup) = self.cgroup.take()
            && let Err(error) = cgroup.remove()
        {
            log::error(&self.label, &error);
        }
        Ok(Buried::Ended(end, limits))
    }

    fn end(&self, ended: Ended) -> End {
        let starved = self.cgroup.as_ref().is_some_and(Cgroup::was_out_of_memory);
        match (&self.fate, ended) {
            (Fate::Forbidden(call), _) => End::Forbidden { call: call.clone() },
            (Fate::Stopped, Ended::Signaled(libc::SIGKILL)) => End::Stopped,
            (Fate::Open, Ended::Signaled(libc::SIGKILL)) if starved => {
                End::OutOfMemory { limit_bytes: self.memory_bytes }
            }
            // The filter kills in the kernel only for an entry of another architecture.
            (_, Ended::Signaled(libc::SIGSYS)) => {
                End::Forbidden { call: "the kernel by its 32-bit or x32 entry".to_owned() }
            }
            (_, Ended::Signaled(signal)) => End::Signaled { signal },
            (_, Ended::Exited(status)) => End::Exited { status },
        }
    }
}

/// A refused call as the audit log holds it.
fn denial(notification: &Notification, verdict: Verdict) -> Denial {
    Denial::Syscall {
        name: call_name(notification.number).into(),
        number: notification.number,
        arguments: notification.arguments.map(Argument),
        verdict: match verdict {
            Verdict::Kill => Met::Killed,
            Verdict::Refuse(errno) | Verdict::Quiet(errno) => Met::Refused(errno.as_str().into()),
            Verdict::Allow => Met::Refused("EPERM".into()),
        },
    }
}

/// What became of a subject that was to be buried.
pub(crate) enum Buried {
    /// How it ended, and the limits that it met.
    Ended(End, Vec<Denial>),
    StillRunning(Box<Subject>),
}

/// One of a subject's output pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// User and system time of a process. proc_pid_stat(5), fields 14 and 15, in clock ticks of 10 ms.
fn process_cpu_us(pid: nix::unistd::Pid) -> u64 {
    const TICK_US: u64 = 10_000;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in field 2 may hold anything, but not a closing bracket after its own.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * TICK_US
}
