//! One module, watched for `cofferdam learn`: what it calls and asks for while it runs as it always does. It opens
//! nothing and proposes nothing; it ends the run when its time is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cofferdam_audit::Hash;
use cofferdam_control::{End, Watched};
use cofferdam_manifest::ModuleName;

use super::Supervisor;
use super::seen::Seen;
use crate::doctor::Fact;
use crate::log;

/// How many of its ends are told, the last of them.
const MAX_ENDS: usize = 8;

/// What is watched, and what was seen.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The module.
    pub(crate) module: ModuleName,
    /// How long; `None`: until the launcher is told to stop.
    lasts: Option<Duration>,
    /// When everything is stopped.
    until: Option<Instant>,
    first_start: Option<Instant>,
    profile: Option<Hash>,
    starts: u64,
    ends: VecDeque<String>,
    pub(super) seen: Seen,
    /// What cores that have ended told of it, and what the present one tells.
    earlier: Watched,
    present: Watched,
}

impl Watch {
    /// A watch that has not begun.
    pub(crate) fn new(module: ModuleName, lasts: Option<Duration>) -> Self {
        Self {
            module,
            lasts,
            until: None,
            first_start: None,
            profile: None,
            starts: 0,
            ends: VecDeque::new(),
            seen: Seen::default(),
            earlier: Watched::default(),
            present: Watched::default(),
        }
    }

    /// The time runs from here, whether or not the module starts.
    pub(super) fn begin(&mut self, now: Instant) {
        self.until = self.lasts.and_then(|lasts| now.checked_add(lasts));
    }

    /// When everything is stopped, if that is given.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn started(&mut self, profile: Hash, now: Instant) {
        self.first_start.get_or_insert(now);
        self.profile = Some(profile);
        self.starts = self.starts.saturating_add(1);
    }

    /// Takes what was seen of a start that has ended, and ends the run where nothing can be seen.
    pub(super) fn ended(&mut self, seen: Seen, end: &End, now: Instant) {
        self.seen.add(seen);
        self.ends.push_back(end.to_string());
        if self.ends.len() > MAX_ENDS {
            self.ends.pop_front();
        }
        if self.seen.cannot_go_on {
            self.until = Some(now);
        }
    }

    /// A core has ended: the next one counts from nothing.
    pub(super) fn core_ended(&mut self) {
        let told = std::mem::take(&mut self.present);
        self.earlier.add(&told);
    }

    /// Whether the kernel could not let calls go on: then nothing was seen.
    pub(crate) fn cannot_go_on(&self) -> bool {
        self.seen.cannot_go_on
    }

    /// All of it, for `cofferdam learn`.
    pub(crate) fn facts(mut self, now: Instant) -> Vec<Fact> {
        self.core_ended();
        let lasted = self.first_start.map_or(Duration::ZERO, |start| now.saturating_duration_since(start));
        let profile = self.profile.map(|hash| hash.to_string()).ok_or("it was not started".to_owned());
        let mut facts = vec![
            Fact { name: "profile".to_owned(), found: profile },
            fact("watched_ms", lasted.as_millis()),
            fact("starts", self.starts),
            fact("sessions", self.earlier.sessions),
            fact("refused_others", self.seen.refused_others()),
            fact("writes", self.seen.writes()),
        ];
        facts.extend((0..).zip(&self.ends).map(|(number, end): (u32, _)| fact(format!("end {number}"), end)));
        for (kind, names) in [("call", &self.earlier.calls), ("published", &self.earlier.published)] {
            let counted = names.iter().map(|(name, met)| {
                fact(format!("{kind} {name}"), format!("{} {}", met.granted, met.refused))
            });
            facts.extend(counted);
        }
        facts.extend(self.earlier.subscribed.iter().map(|name| fact(format!("subscribed {name}"), "")));
        facts.extend(
            self.seen
                .allowed()
                .map(|(number, clause, count)| fact(format!("allowed {number} {clause}"), count)),
        );
        facts.extend(self.seen.refused().map(|(number, count)| fact(format!("refused {number}"), count)));
        facts
    }
}

fn fact(name: impl Into<String>, found: impl ToString) -> Fact {
    Fact { name: name.into(), found: Ok(found.to_string()) }
}

impl Supervisor {
    /// Takes what was seen of a module that has ended, if it is the watched one.
    pub(super) fn note_seen(&mut self, seen: Option<Seen>, end: &End, now: Instant) {
        if let (Some(watch), Some(seen)) = (&mut self.watch, seen) {
            watch.ended(seen, end, now);
        }
    }

    /// Takes what the core tells of the watched module. It is one claim, which replaces the one before.
    pub(super) fn note_watched(&mut self, module: &ModuleName, watched: Watched) {
        match &mut self.watch {
            Some(watch) if watch.module == *module && watched.is_sound() => watch.present = watched,
            Some(_) | None => {
                let Some(core) = &mut self.core.running else { return };
                log::line(
                    "core",
                    "error: it tells of a module that is not watched, or of calls that there are not",
                );
                core.subject.kill();
            }
        }
    }
}
