//! Puts files of rules together into one policy. The order of rules never decides: two that could both apply
//! and disagree are an error, and a rule without conditions is what happens when no other applies.

use super::seccomp::{Rule, RuleFile};
use crate::profile::{SyscallPolicy, SyscallRules};
use cofferdam_document::{DocumentError, Source};
use std::collections::BTreeMap;

/// The policy that `base` and `others` make together. Only `base` says what happens to all other calls.
pub(crate) fn merge(base: &RuleFile<'_>, others: &[&RuleFile<'_>]) -> Result<SyscallPolicy, DocumentError> {
    let Some((otherwise, _)) = base.otherwise else {
        let fix = "add [otherwise] with verdict, errno and why";
        return Err(base.source.error(0..0, "otherwise", "nothing is said about all other calls", fix));
    };
    if let Some((other, span)) = others.iter().find_map(|file| Some((file, file.otherwise.clone()?.1))) {
        let problem = format!("{} says already what happens to all other calls", base.source.file);
        return Err(other.source.error(span, "otherwise", problem, "remove [otherwise] here"));
    }
    let mut by_call: BTreeMap<u32, Vec<(Source<'_>, &Rule)>> = BTreeMap::new();
    for file in std::iter::once(base).chain(others.iter().copied()) {
        for rule in &file.rules {
            let earlier = by_call.entry(rule.number).or_default();
            if let Some(error) = earlier.iter().find_map(|other| disagreement(*other, file.source, rule)) {
                return Err(error);
            }
            earlier.push((file.source, rule));
        }
    }
    let rules = by_call.into_iter().filter_map(|(number, rules)| Some((number, clauses(&rules)?))).collect();
    Ok(SyscallPolicy { rules, otherwise })
}

/// The clauses of one call, the one without conditions last.
fn clauses(rules: &[(Source<'_>, &Rule)]) -> Option<SyscallRules> {
    let name = rules.first()?.1.name.to_owned();
    let (conditional, always): (Vec<_>, Vec<_>) =
        rules.iter().map(|(_, rule)| rule.clause.clone()).partition(|clause| !clause.when.is_empty());
    Some(SyscallRules { name, clauses: conditional.into_iter().chain(always).collect() })
}

fn disagreement(
    (other_source, other): (Source<'_>, &Rule),
    source: Source<'_>,
    rule: &Rule,
) -> Option<DocumentError> {
    let error = |problem: String, fix: &str| Some(source.error(rule.span.clone(), "calls", problem, fix));
    let name = rule.name;
    let place = other_source.error(other.span.clone(), "", "", "");
    let place = format!("{}:{}", place.file, place.line);
    if same_conditions(other, rule) {
        return error(format!("{name} has a rule for the same case at {place}"), "keep one of the two");
    }
    if other.clause.when.is_empty() {
        let same_file = other_source.file == source.file;
        let problem = format!("{name} has a rule without `when` before this one, at {place}");
        return same_file.then(|| error(problem, "put the rule without `when` last")).flatten();
    }
    if rule.clause.when.is_empty() || rule.clause.verdict == other.clause.verdict || !overlap(other, rule) {
        return None;
    }
    error(
        format!("this rule for {name} and the one at {place} can both apply and disagree"),
        "narrow one `when`",
    )
}

fn same_conditions(one: &Rule, other: &Rule) -> bool {
    one.clause.when == other.clause.when
}

/// Whether some arguments satisfy both.
fn overlap(one: &Rule, other: &Rule) -> bool {
    one.clause.when.iter().all(|first| other.clause.when.iter().all(|second| first.can_hold_with(second)))
}
