//! The section about system calls: every rule of the profile, grouped by its reason.

use super::layout::Layout;
use crate::profile::{Clause, SyscallPolicy, SyscallRules, Verdict};
use std::collections::BTreeSet;

/// A condition longer than this is spread out, so that it can be broken into lines.
const LONG_CONDITION: usize = 60;

/// Calls that share a verdict and a reason.
struct Group<'p> {
    verdict: Verdict,
    why: &'p str,
    calls: Vec<String>,
}

pub(super) fn render(layout: &mut Layout, policy: &SyscallPolicy) {
    let groups = groups(policy);
    let allowed = policy.rules.values().filter(|rules| any_is_allowed(rules)).count();
    layout.section("SYSTEM CALLS");
    let files: BTreeSet<&str> = clauses(policy).map(|clause| clause.file.as_str()).collect();
    let files: Vec<&str> = files.into_iter().collect();
    let summary = format!(
        "{allowed} calls are allowed, some with certain arguments only. A call that no rule names {}. A call \
         through the 32-bit or x32 interface kills. The rules are in {}.",
        consequence(policy.otherwise),
        files.join(", ")
    );
    layout.paragraph(2, &summary);
    part(layout, "allowed:", &groups, |verdict| verdict == Verdict::Allow);
    let quiet = "fail without a denial, because runtimes try them and go on:";
    part(layout, quiet, &groups, |verdict| matches!(verdict, Verdict::Quiet(_)));
    part(layout, "fail and are logged as denials:", &groups, |verdict| matches!(verdict, Verdict::Refuse(_)));
    part(layout, "kill:", &groups, |verdict| verdict == Verdict::Kill);
}

fn clauses(policy: &SyscallPolicy) -> impl Iterator<Item = &Clause> {
    policy.rules.values().flat_map(|rules| &rules.clauses)
}

fn any_is_allowed(rules: &SyscallRules) -> bool {
    rules.clauses.iter().any(|clause| clause.verdict == Verdict::Allow)
}

fn consequence(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow => "is allowed".to_owned(),
        Verdict::Quiet(errno) => format!("fails with {}", errno.as_str()),
        Verdict::Refuse(errno) => format!("fails with {} and is logged as a denial", errno.as_str()),
        Verdict::Kill => "kills the program".to_owned(),
    }
}

fn part(layout: &mut Layout, title: &str, groups: &[Group<'_>], belongs: impl Fn(Verdict) -> bool) {
    layout.line(0, "");
    layout.line(2, title);
    for group in groups.iter().filter(|group| belongs(group.verdict)) {
        layout.hanging(4, "", 4, &group.calls.join(", "));
        let errno = match group.verdict {
            Verdict::Quiet(errno) | Verdict::Refuse(errno) => format!("{}: ", errno.as_str()),
            Verdict::Allow | Verdict::Kill => String::new(),
        };
        layout.paragraph(8, &format!("{errno}{}", group.why));
    }
}

/// The groups, in the order in which their first call is numbered.
fn groups(policy: &SyscallPolicy) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for rules in policy.rules.values() {
        for (verdict, why) in reasons(rules) {
            let together: Vec<&Clause> = rules
                .clauses
                .iter()
                .filter(|clause| clause.verdict == verdict && clause.why == why)
                .collect();
            let call = described(&rules.name, &together, rules.clauses.len() > together.len());
            match groups.iter_mut().find(|group| group.verdict == verdict && group.why == why) {
                Some(group) => group.calls.push(call),
                None => groups.push(Group { verdict, why, calls: vec![call] }),
            }
        }
    }
    groups
}

/// Each verdict and reason once, in order.
fn reasons(rules: &SyscallRules) -> Vec<(Verdict, &str)> {
    let mut reasons = Vec::new();
    for clause in &rules.clauses {
        let reason = (clause.verdict, clause.why.as_str());
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// `fcntl (cmd is F_GETFD or F_SETFD)`. Clauses with the same reason came from one rule, whose conditions are
/// the distinct ones at each position.
fn described(name: &str, clauses: &[&Clause], others: bool) -> String {
    let positions = clauses.iter().map(|clause| clause.when.len()).max().unwrap_or(0);
    let conditions: Vec<String> = (0..positions)
        .map(|position| {
            let texts = clauses.iter().filter_map(|clause| Some(clause.when.get(position)?.text.as_str()));
            alternatives(texts)
        })
        .collect();
    match (conditions.is_empty(), others) {
        (false, _) => format!("{name} ({})", conditions.join("; ")),
        (true, true) => format!("{name} (otherwise)"),
        (true, false) => name.to_owned(),
    }
}

/// `cmd is A`, `cmd is B` as `cmd is A or B`.
fn alternatives<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut seen = BTreeSet::new();
    let mut joined = String::new();
    for text in texts.filter(|text| seen.insert(*text)) {
        let last = text.rsplit_once(' ').map_or(text, |(_, last)| last);
        if joined.is_empty() {
            joined.push_str(text);
        } else {
            joined.extend([" or ", last]);
        }
    }
    if joined.len() > LONG_CONDITION { joined.replace('|', " | ") } else { joined }
}
