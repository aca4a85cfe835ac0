//! Parses one file of policies/seccomp into rules. It does not look at other files: `stack` puts them together.

use super::checks::{named, why};
use super::condition::{self, Flaw};
use crate::profile::{Clause, Condition, Errno, Verdict};
use cofferdam_document::{DocumentError, Source, Spanned, closest, quote};
use serde::Deserialize;
use std::ops::Range;
use syscalls::Sysno;

/// The most clauses that the alternatives of one rule may multiply to.
const MAX_CLAUSES: usize = 64;

/// The errors that a policy may name.
const ERRNOS: [Errno; 4] = [Errno::Perm, Errno::Access, Errno::NoSys, Errno::FamilyNotSupported];

/// Architectures whose additions a policy may hold, as Rust names them.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// One file, parsed.
#[derive(Debug)]
pub(crate) struct RuleFile<'t> {
    pub(crate) source: Source<'t>,
    /// What happens to calls without a rule, if this file says so.
    pub(crate) otherwise: Option<(Verdict, Range<usize>)>,
    /// In the order of the file.
    pub(crate) rules: Vec<Rule>,
}

/// One clause about one call, and where it stands.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) clause: Clause,
    pub(crate) span: Range<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    otherwise: Option<RawOtherwise>,
    #[serde(default)]
    allow: Vec<RawRule>,
    #[serde(default)]
    quiet: Vec<RawErrnoRule>,
    #[serde(default)]
    refuse: Vec<RawErrnoRule>,
    #[serde(default)]
    kill: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOtherwise {
    verdict: Spanned<String>,
    errno: Spanned<String>,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    why: Spanned<String>,
    arch: Option<Spanned<String>>,
    calls: Vec<Spanned<String>>,
    #[serde(default)]
    when: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawErrnoRule {
    why: Spanned<String>,
    errno: Spanned<String>,
    arch: Option<Spanned<String>>,
    calls: Vec<Spanned<String>>,
    #[serde(default)]
    when: Vec<Spanned<String>>,
}

impl RawErrnoRule {
    fn split(self) -> (Spanned<String>, RawRule) {
        (self.errno, RawRule { why: self.why, arch: self.arch, calls: self.calls, when: self.when })
    }
}

/// Parses the file.
pub(crate) fn parse(source: Source<'_>) -> Result<RuleFile<'_>, DocumentError> {
    let raw: Raw = source.read()?;
    let mut rules = Vec::new();
    for rule in &raw.allow {
        push(source, "allow", rule, Verdict::Allow, &mut rules)?;
    }
    for rule in &raw.kill {
        push(source, "kill", rule, Verdict::Kill, &mut rules)?;
    }
    for (errno, rule) in raw.quiet.into_iter().map(RawErrnoRule::split) {
        let verdict = Verdict::Quiet(parse_errno(source, "quiet.errno", &errno)?);
        push(source, "quiet", &rule, verdict, &mut rules)?;
    }
    for (errno, rule) in raw.refuse.into_iter().map(RawErrnoRule::split) {
        let verdict = Verdict::Refuse(parse_errno(source, "refuse.errno", &errno)?);
        push(source, "refuse", &rule, verdict, &mut rules)?;
    }
    rules.sort_by_key(|rule| rule.span.start);
    let otherwise = raw.otherwise.map(|otherwise| parse_otherwise(source, &otherwise)).transpose()?;
    Ok(RuleFile { source, otherwise, rules })
}

fn parse_otherwise(source: Source<'_>, raw: &RawOtherwise) -> Result<(Verdict, Range<usize>), DocumentError> {
    why(source, "otherwise.why", &raw.why)?;
    let errno = parse_errno(source, "otherwise.errno", &raw.errno)?;
    let choices = [("refuse", Verdict::Refuse(errno)), ("quiet", Verdict::Quiet(errno))];
    Ok((named(source, "otherwise.verdict", &raw.verdict, &choices)?, raw.verdict.span()))
}

fn parse_errno(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<Errno, DocumentError> {
    named(source, key, text, &ERRNOS.map(|errno| (errno.as_str(), errno)))
}

/// Adds the clauses of one rule; none if the rule is for another architecture.
fn push(
    source: Source<'_>,
    table: &str,
    raw: &RawRule,
    verdict: Verdict,
    rules: &mut Vec<Rule>,
) -> Result<(), DocumentError> {
    let why = why(source, &format!("{table}.why"), &raw.why)?;
    if let Some(arch) = &raw.arch {
        let choices = ARCHITECTURES.map(|arch| (arch, arch));
        if named(source, &format!("{table}.arch"), arch, &choices)? != std::env::consts::ARCH {
            return Ok(());
        }
    }
    for call in &raw.calls {
        let sysno = resolve(source, &format!("{table}.calls"), call)?;
        for when in product(source, &format!("{table}.when"), sysno.name(), &raw.when)? {
            let clause = Clause { when, verdict, why: why.clone(), file: source.file.to_owned() };
            rules.push(Rule { number: number(sysno), name: sysno.name(), clause, span: call.span() });
        }
    }
    Ok(())
}

fn resolve(source: Source<'_>, key: &str, call: &Spanned<String>) -> Result<Sysno, DocumentError> {
    call.get_ref().parse::<Sysno>().map_err(|()| {
        let known: Vec<&'static str> = Sysno::iter().map(|sysno| sysno.name()).collect();
        let fix = closest(call.get_ref(), &known).map_or_else(
            || {
                "use the name of a man page of section 2; a call of one architecture only needs `arch`"
                    .to_owned()
            },
            |meant| format!("did you mean `{meant}`?"),
        );
        let problem = format!("no system call {} on {}", quote(call.get_ref()), std::env::consts::ARCH);
        source.error(call.span(), key, problem, fix)
    })
}

fn number(sysno: Sysno) -> u32 {
    sysno.id().unsigned_abs()
}

/// All combinations of the alternatives of all conditions: one clause each.
fn product(
    source: Source<'_>,
    key: &str,
    call: &str,
    when: &[Spanned<String>],
) -> Result<Vec<Vec<Condition>>, DocumentError> {
    let mut clauses = vec![Vec::new()];
    for text in when {
        let located = |flaw: Flaw| source.error(text.span(), key, flaw.problem, flaw.fix);
        let alternatives = condition::parse(call, text.get_ref()).map_err(located)?;
        clauses = clauses.iter().flat_map(|clause| extended(clause, &alternatives)).collect();
        if clauses.len() > MAX_CLAUSES {
            return Err(located(Flaw::new("the conditions multiply to too many clauses", "split the rule")));
        }
        if clauses.iter().any(|clause| contradicts_itself(clause)) {
            return Err(located(Flaw::new("no argument satisfies all conditions", "remove one of them")));
        }
    }
    Ok(clauses)
}

fn extended(clause: &[Condition], alternatives: &[Condition]) -> Vec<Vec<Condition>> {
    alternatives.iter().map(|one| clause.iter().chain([one]).cloned().collect()).collect()
}

fn contradicts_itself(clause: &[Condition]) -> bool {
    clause.iter().any(|one| clause.iter().any(|other| !one.can_hold_with(other)))
}
