//! What the launcher saw of the watched module, read from its facts. Names that the core made up are errors: the table
//! of calls says which there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};
use cofferdam_protocol::{CallInfo, EventType};

use crate::facts::Facts;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The hash of the profile that was in force.
    pub(super) profile: String,
    pub(super) lasted: Duration,
    pub(super) starts: u64,
    pub(super) sessions: u64,
    /// How it ended, the last times.
    pub(super) ends: Vec<String>,
    pub(super) calls: BTreeMap<&'static str, Met>,
    pub(super) published: BTreeMap<&'static str, Met>,
    pub(super) subscribed: BTreeSet<&'static str>,
    /// System calls by number and clause of the policy.
    pub(super) allowed: BTreeMap<(u32, usize), u64>,
    /// Refused system calls by number.
    pub(super) refused: BTreeMap<i32, u64>,
    /// Of numbers that were not counted apart.
    pub(super) refused_others: u64,
    /// Allowed system calls that make, change or remove files, however they ended.
    pub(super) writes: u64,
}

/// How often something was granted and refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) granted: u64,
    pub(super) refused: u64,
}

impl Seen {
    /// Reads the facts.
    ///
    /// # Errors
    /// When the module did not run, or a fact is none of the launcher's.
    pub(super) fn of(facts: &Facts) -> anyhow::Result<Self> {
        let number = |name: &str| -> anyhow::Result<u64> { parsed(name, facts.of(name)) };
        let mut seen = Self {
            profile: match facts.of("profile") {
                Ok(hash) => hash,
                Err(why) => bail!("nothing was seen: {why}; the log above says what kept it from running"),
            },
            lasted: Duration::from_millis(number("watched_ms")?),
            starts: number("starts")?,
            sessions: number("sessions")?,
            refused_others: number("refused_others")?,
            writes: number("writes")?,
            ends: facts.all("end ").filter_map(|(_, end)| end.ok().map(str::to_owned)).collect(),
            ..Self::default()
        };
        for (name, met) in facts.all("call ") {
            let info =
                CallInfo::by_name(name).with_context(|| format!("{name:?} is no call of the node API"))?;
            seen.calls.insert(info.name, met_of(name, met)?);
        }
        for (name, met) in facts.all("published ") {
            seen.published.insert(event(name)?, met_of(name, met)?);
        }
        for (name, _) in facts.all("subscribed ") {
            seen.subscribed.insert(event(name)?);
        }
        for (place, count) in facts.all("allowed ") {
            let (call, clause) =
                place.split_once(' ').with_context(|| format!("{place:?} is no system call"))?;
            let place = (call.parse().context("a system call")?, clause.parse().context("a clause")?);
            seen.allowed.insert(place, parsed("allowed", count)?);
        }
        for (call, count) in facts.all("refused ") {
            seen.refused.insert(call.parse().context("a system call")?, parsed("refused", count)?);
        }
        Ok(seen)
    }
}

fn event(name: &str) -> anyhow::Result<&'static str> {
    let found = EventType::ALL.iter().find(|event| event.as_str() == name);
    found.map(|event| event.as_str()).with_context(|| format!("{name:?} is no event type"))
}

fn met_of<T: AsRef<str>>(name: &str, found: Result<T, T>) -> anyhow::Result<Met> {
    let text = found.as_ref().map_or("", AsRef::as_ref);
    let (granted, refused) =
        text.split_once(' ').with_context(|| format!("{name}: {text:?} are no counts"))?;
    Ok(Met { granted: granted.parse()?, refused: refused.parse()? })
}

fn parsed<T: AsRef<str>>(name: &str, found: Result<T, T>) -> anyhow::Result<u64> {
    let text = found.as_ref().unwrap_or_else(|why| why).as_ref();
    text.parse().with_context(|| format!("{name}: {text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        ["watched_ms", "starts", "sessions", "refused_others", "writes"]
            .iter()
            .fold(Facts::default().with("profile", Ok("00")), |facts, name| facts.with(name, Ok("2")))
    }

    #[test]
    fn what_was_seen_is_read() {
        let facts = facts()
            .with("call get_block", Ok("3 1"))
            .with("allowed 0 1", Ok("7"))
            .with("refused -1", Ok("9"))
            .with("end 0", Ok("stopped"));
        let seen = Seen::of(&facts).unwrap();
        assert_eq!(seen.calls["get_block"], Met { granted: 3, refused: 1 });
        assert_eq!((seen.allowed[&(0, 1)], seen.refused[&-1]), (7, 9));
        assert_eq!(seen.ends, ["stopped"]);
    }

    #[test]
    fn names_that_the_core_made_up_are_errors() {
        for name in ["call mint_coins", "published Nonsense", "subscribed Nonsense"] {
            let error = Seen::of(&facts().with(name, Ok("1 0"))).unwrap_err().to_string();
            assert!(error.contains(name.split_once(' ').unwrap().1), "{error}");
        }
    }

    #[test]
    fn a_module_that_did_not_start_teaches_nothing() {
        let error = Seen::of(&facts().with("profile", Err("it was not started"))).unwrap_err().to_string();
        assert!(error.contains("it was not started"), "{error}");
    }
}
