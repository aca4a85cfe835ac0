//! System calls: what came back from each, against what the policy of the page decides for its number and arguments.

use cofferdam_policy::profile::{Profile, SyscallPolicy, Verdict as Decision};
use nix::errno::Errno;
use syscalls::Sysno;

use super::Verdict;
use crate::facts::Facts;

/// Set in the numbers of the x32 interface.
const X32_BIT: u64 = 0x4000_0000;

/// Whatever the policy says: an entry that is not the machine's own kills.
const KILLED: &str = "killed";

/// Compares each call that was made, and asks that every number was.
pub(super) fn compare(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    let last = Sysno::last().id();
    let mut made = vec![false; usize::try_from(last).unwrap_or(0).saturating_add(1)];
    for (call, found) in facts.all("call ") {
        let Some((number, arguments)) = parse(call) else {
            verdict.compare(format!("call {call}"), KILLED, found);
            continue;
        };
        if let Some(place) = usize::try_from(number).ok().and_then(|at| made.get_mut(at)) {
            *place = true;
        }
        one(verdict, &claimed.syscalls, number, &arguments, found);
    }
    for (number, _) in made.iter().enumerate().filter(|(_, made)| !**made) {
        verdict.compare(name(u64::try_from(number).unwrap_or(u64::MAX)), "tried", Err("it was not tried"));
    }
}

fn one(
    verdict: &mut Verdict,
    policy: &SyscallPolicy,
    number: u64,
    arguments: &[u64; 6],
    found: Result<&str, &str>,
) {
    let what = described(number, arguments);
    let decided = u32::try_from(number).map_or(policy.otherwise, |number| policy.decide(number, arguments));
    let claimed = if number & X32_BIT != 0 { Decision::Kill } else { decided };
    if found == Ok("untried") {
        if claimed == Decision::Allow {
            verdict.not_tried.push(what);
        } else {
            verdict.compare(what, &words(claimed), Err("the profile that is enforced allows it"));
        }
        return;
    }
    if decided != Decision::Allow && is_exempt(number, found) {
        verdict.exempt.push(what);
        return;
    }
    let found = found.map(observed);
    let said = match (&found, claimed) {
        // The filter answers by itself. Where that is what such arguments would get anyway, it cannot be told apart.
        (Ok(Observed::Kernel(returned)), Decision::Quiet(errno)) if result(*returned) == errno.as_str() => {
            Ok(words(claimed))
        }
        (Ok(Observed::Refused(_)), Decision::Quiet(_)) => Ok("refused, and logged".to_owned()),
        // What the kernel makes of such arguments is its own matter, as long as the kernel was asked.
        (Ok(Observed::Kernel(_)), Decision::Allow) => Ok(words(claimed)),
        (Ok(observed), _) => Ok(observed.words()),
        (Err(why), _) => Err((*why).to_owned()),
    };
    verdict.compare(what, &words(claimed), said.as_deref().map_err(String::as_str));
}

/// Two calls that the kernel makes itself, on behalf of root's probes, pass every filter since Linux 6.14 and 6.18
/// (seccomp: passthrough uretprobe systemcall without filtering). Made by a program they do nothing: the first ends
/// it by SIGILL, the second fails with ENXIO.
fn is_exempt(number: u64, found: Result<&str, &str>) -> bool {
    let is = |call: Sysno| u64::try_from(call.id()) == Ok(number);
    match found {
        Ok(found) => is(Sysno::uprobe) && found == "kernel -6",
        Err(found) => is(Sysno::uretprobe) && found.contains("Signaled { signal: 4 }"),
    }
}

/// What a policy claims, in the words of [`Observed::words`].
fn words(decision: Decision) -> String {
    match decision {
        Decision::Allow => "the kernel performs it".to_owned(),
        Decision::Quiet(errno) | Decision::Refuse(errno) => format!("refused with {}", errno.as_str()),
        Decision::Kill => KILLED.to_owned(),
    }
}

/// What happened to a call.
enum Observed {
    /// The kernel was asked, and returned this.
    Kernel(i64),
    /// The filter reported it, and this came back.
    Refused(i64),
    Killed,
    Strange(String),
}

fn observed(text: &str) -> Observed {
    let number = |text: &str| text.parse().ok();
    match text.split_once(' ') {
        Some(("kernel", value)) => number(value).map(Observed::Kernel),
        Some(("refused", value)) => number(value).map(Observed::Refused),
        _ => (text == KILLED).then_some(Observed::Killed),
    }
    .unwrap_or_else(|| Observed::Strange(text.to_owned()))
}

impl Observed {
    fn words(&self) -> String {
        match self {
            Self::Kernel(returned) => format!("the kernel performed it: {}", result(*returned)),
            Self::Refused(returned) => format!("refused with {}", result(*returned)),
            Self::Killed => KILLED.to_owned(),
            Self::Strange(text) => text.clone(),
        }
    }
}

/// An error's name, or the number that came back.
fn result(returned: i64) -> String {
    match i32::try_from(returned.saturating_neg()) {
        Ok(errno @ 1..=4095) => format!("{:?}", Errno::from_raw(errno)),
        _ => returned.to_string(),
    }
}

/// `NUMBER A B C D E F`, the arguments in hexadecimal.
fn parse(call: &str) -> Option<(u64, [u64; 6])> {
    let mut words = call.split(' ');
    let number = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = u64::from_str_radix(words.next()?, 16).ok()?;
    }
    Some((number, arguments))
}

fn name(number: u64) -> String {
    let known = usize::try_from(number & !X32_BIT).ok().and_then(Sysno::new);
    let name = known.map_or_else(|| format!("system call {number}"), |call| call.name().to_owned());
    if number & X32_BIT == 0 { name } else { format!("{name} by the x32 entry") }
}

/// The call with the arguments that were not simply invalid.
fn described(number: u64, arguments: &[u64; 6]) -> String {
    let of_note: Vec<String> = arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| **argument != u64::MAX)
        .map(|(at, argument)| format!("argument {at} = {argument:#x}"))
        .collect();
    if of_note.is_empty() { name(number) } else { format!("{} ({})", name(number), of_note.join(", ")) }
}
