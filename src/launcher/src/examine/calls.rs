//! Every system call, made once from inside with arguments that do nothing, and once more for each clause of its
//! rules; and what can be reached by paths.

use cofferdam_control::End;
use cofferdam_policy::profile::{Clause, SyscallPolicy, Verdict};
use syscalls::Sysno;

use super::inside::{BY_32_BIT_ENTRY, PATHS};
use super::session::{Reply, Session};
use crate::doctor::Fact;
use crate::error::Error;

/// An argument that is no descriptor, no address, no process, no size and no set of flags.
const NOTHING: u64 = u64::MAX;

/// Set in the numbers of the x32 interface.
const X32_BIT: u64 = 0x4000_0000;

/// Calls that an honest probe does not survive or come back from where they are allowed, whatever their arguments.
const NOT_WHERE_ALLOWED: [Sysno; 8] = [
    Sysno::exit,
    Sysno::exit_group,
    Sysno::rt_sigreturn,
    Sysno::pause,
    Sysno::fork,
    Sysno::vfork,
    Sysno::clone,
    Sysno::clone3,
];

/// What exists of a host's paths, and what can be done there.
pub(super) fn paths(session: &mut Session) -> Result<Vec<Fact>, Error> {
    let found = match session.ask(PATHS, &[0; 6])? {
        Reply::Answer { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
        Reply::Ended(end) => return Ok(vec![fact("paths".to_owned(), Err(ended(&end)))]),
        Reply::Silent => return Ok(vec![fact("paths".to_owned(), Err("silent".to_owned()))]),
    };
    let line = |line: &str| {
        let (path, access) = line.split_once('\t').unwrap_or((line, "read"));
        fact(format!("path {path}"), Ok(access.to_owned()))
    };
    Ok(found.lines().map(line).collect())
}

/// Every number up to the last that is known, and the two foreign entries.
pub(super) fn every(session: &mut Session) -> Result<Vec<Fact>, Error> {
    let policy = session.loaded().profile().syscalls.clone();
    let last = u64::try_from(Sysno::last().id()).unwrap_or(0);
    let mut facts = Vec::new();
    for number in 0..=last {
        for arguments in arguments(&policy, number) {
            facts.push(one(session, &policy, number, &arguments)?);
        }
    }
    let getpid = u64::try_from(Sysno::getpid.id()).unwrap_or(0);
    facts.push(one(session, &policy, getpid | X32_BIT, &[NOTHING; 6])?);
    let by_32_bit_entry = session.ask(BY_32_BIT_ENTRY, &[0; 6])?;
    facts.push(fact("call by the 32-bit entry".to_owned(), told(by_32_bit_entry)));
    Ok(facts)
}

/// Arguments that do nothing, and for each clause some that it decides.
fn arguments(policy: &SyscallPolicy, number: u64) -> Vec<[u64; 6]> {
    let mut all = vec![[NOTHING; 6]];
    let rules = u32::try_from(number).ok().and_then(|number| policy.rules.get(&number));
    for clause in rules.map_or(&[][..], |rules| rules.clauses.as_slice()) {
        let arguments = meeting(clause);
        if clause.applies(&arguments) && !all.contains(&arguments) {
            all.push(arguments);
        }
    }
    all
}

fn meeting(clause: &Clause) -> [u64; 6] {
    let mut arguments = [NOTHING; 6];
    for condition in &clause.when {
        if let Some(argument) = arguments.get_mut(usize::from(condition.argument)) {
            let others = if *argument == NOTHING { 0 } else { *argument };
            *argument = others | u64::from(condition.value);
        }
    }
    arguments
}

fn one(
    session: &mut Session,
    policy: &SyscallPolicy,
    number: u64,
    arguments: &[u64; 6],
) -> Result<Fact, Error> {
    let words: Vec<String> = arguments.iter().map(|argument| format!("{argument:x}")).collect();
    let name = format!("call {number} {}", words.join(" "));
    let known = u32::try_from(number).unwrap_or(u32::MAX);
    let allowed = policy.decide(known, arguments) == Verdict::Allow;
    let ends = NOT_WHERE_ALLOWED.iter().any(|call| u64::try_from(call.id()) == Ok(number));
    if allowed && ends {
        return Ok(fact(name, Ok("untried".to_owned())));
    }
    let reply = session.ask(number, arguments)?;
    Ok(fact(name, told(reply)))
}

/// `kernel N`: the kernel performed it and returned N. `refused N`: the filter reported it, and N came back.
fn told(reply: Reply) -> Result<String, String> {
    match reply {
        Reply::Answer { bytes, reported } => {
            let returned = bytes.try_into().map(i64::from_le_bytes).unwrap_or(i64::MIN);
            Ok(format!("{} {returned}", if reported { "refused" } else { "kernel" }))
        }
        Reply::Ended(End::Forbidden { .. }) => Ok("killed".to_owned()),
        Reply::Ended(end) => Err(ended(&end)),
        Reply::Silent => Err("it did not come back".to_owned()),
    }
}

fn ended(end: &End) -> String {
    format!("the probe ended: {end:?}")
}

fn fact(name: String, found: Result<String, String>) -> Fact {
    Fact { name, found }
}
