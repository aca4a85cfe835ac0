//! Judges what a guest reported by what kernels.toml states. It fails in both directions: what holds against the
//! statement is as wrong as what does not hold.

use std::collections::BTreeSet;
use std::fmt;

use crate::expectations::{Expectations, Kernel, Stated};
use crate::plan::{Outcome, Report, SessionName, Test};

/// One test on one kernel in one session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) kernel: String,
    /// None: it is about the kernel itself.
    pub(crate) session: Option<SessionName>,
    pub(crate) test: String,
    pub(crate) judgement: Judgement,
    pub(crate) seconds: f64,
}

/// Whether it is as it must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judgement {
    /// It holds.
    Passed,
    /// It does not hold, and kernels.toml says so; with its reason.
    FailedAsStated(String),
    /// It is not as it must be; with what was seen.
    Failed(String),
}

impl Verdict {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.judgement, Judgement::Failed(_))
    }

    /// The user, in a word.
    pub(crate) fn session(&self) -> &'static str {
        self.session.map_or("kernel", SessionName::as_str)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_failure() { "FAIL" } else { "PASS" };
        let session = self.session();
        write!(formatter, "{word} [{:6.1}s] {} {session} {}", self.seconds, self.kernel, self.test)?;
        match &self.judgement {
            Judgement::Passed => Ok(()),
            Judgement::FailedAsStated(why) => write!(formatter, " (fails, as stated: {why})"),
            Judgement::Failed(detail) => {
                detail.lines().try_for_each(|line| write!(formatter, "\n    {}", printable(line)))
            }
        }
    }
}

/// A guest's text on the operator's terminal: no control character gets through.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// What becomes of a report: a verdict, if it is one about the kernel or the end of a test.
pub(crate) fn judge(expectations: &Expectations, kernel: &Kernel, report: &Report) -> Option<Verdict> {
    match report {
        Report::Fact { name, value } => fact(kernel, name, value),
        Report::Ended { session, test, outcome, seconds, output } => {
            let stated = expectations.failure(kernel, *session, test);
            Some(Verdict {
                kernel: kernel.name.clone(),
                session: Some(*session),
                test: test.clone(),
                judgement: judgement(*outcome, stated, output),
                seconds: *seconds,
            })
        }
        Report::Started { .. } | Report::Failed { .. } | Report::Done => None,
    }
}

fn judgement(outcome: Outcome, stated: Option<Stated<'_>>, output: &str) -> Judgement {
    match (outcome, stated) {
        (Outcome::Passed, None) => Judgement::Passed,
        (Outcome::Failed, Some(Stated { why, says })) if output.contains(says) => {
            Judgement::FailedAsStated(why.to_owned())
        }
        (Outcome::Failed, Some(Stated { says, .. })) => Judgement::Failed(format!(
            "it fails as kernels.toml states, but it does not say {says:?}:\n{output}"
        )),
        (Outcome::Passed, Some(Stated { why, .. })) => Judgement::Failed(format!(
            "it passes, and kernels.toml states that it fails ({why}): remove that"
        )),
        (Outcome::Failed, None) => Judgement::Failed(output.to_owned()),
        (Outcome::TimedOut, _) => Judgement::Failed(format!("it took too long and was killed\n{output}")),
        (Outcome::NotRun, _) => Judgement::Failed(output.to_owned()),
    }
}

fn fact(kernel: &Kernel, name: &str, value: &str) -> Option<Verdict> {
    let expected = kernel.facts().into_iter().find(|(known, _)| *known == name).map(|(_, expected)| expected);
    let (claim, holds) = match (name, expected) {
        ("release", _) => (format!("release is {}*", kernel.release), value.starts_with(&kernel.release)),
        ("lsm", _) => (format!("lsm is {}", kernel.lsm), value == kernel.lsm),
        (_, Some(expected)) => (format!("{name} is {expected}"), value == expected),
        (_, None) => return None,
    };
    let judgement =
        if holds { Judgement::Passed } else { Judgement::Failed(format!("the kernel says: {name} {value}")) };
    Some(about(kernel, &claim, judgement))
}

/// A verdict about the kernel itself.
pub(crate) fn about(kernel: &Kernel, claim: &str, judgement: Judgement) -> Verdict {
    let test = format!("kernel::{claim}");
    Verdict { kernel: kernel.name.clone(), session: None, test, judgement, seconds: 0.0 }
}

/// Verdicts of the tests of these sessions whose end was not heard of; `running` are those whose beginning was.
pub(crate) fn not_run(
    kernel: &Kernel,
    sessions: &[SessionName],
    tests: &[Test],
    heard: &[Verdict],
    running: &BTreeSet<(SessionName, String)>,
) -> Vec<Verdict> {
    let mut missing = Vec::new();
    for session in sessions {
        let of_session = heard.iter().filter(|verdict| verdict.session == Some(*session));
        let known: BTreeSet<_> = of_session.map(|verdict| verdict.test.as_str()).collect();
        for test in tests.iter().filter(|test| !known.contains(test.id.as_str())) {
            let was_running = running.contains(&(*session, test.id.clone()));
            let why = if was_running { "it was running when the guest ended" } else { "it was not run" };
            missing.push(Verdict {
                kernel: kernel.name.clone(),
                session: Some(*session),
                test: test.id.clone(),
                judgement: judgement(Outcome::NotRun, None, why),
                seconds: 0.0,
            });
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectations::Choice;

    const STATED: &str = "
[tests]
core = [\"cofferdam::launch\"]
[[kernel]]
name = \"6.1\"
suite = \"bookworm\"
release = \"6.1.\"
by_default = \"core\"
tests = \"core\"
sessions = [\"root\"]
lsm = \"landlock,yama\"
landlock_abi = 2
missing = [\"landlock_network\", \"landlock_scope\"]
[[failure]]
test = \"stated\"
why = \"no compiler\"
[[failure]]
test = \"says\"
says = \"left != right\"
why = \"it does\"
[[failure]]
test = \"silent\"
says = \"apt-get install gcc\"
why = \"it should\"
";

    fn judged(report: &Report) -> Option<Verdict> {
        let expectations = Expectations::parse(STATED).unwrap();
        let kernel = *expectations.kernels(&Choice::All).unwrap().first().unwrap();
        judge(&expectations, kernel, report)
    }

    fn ended(test: &str, outcome: Outcome) -> Verdict {
        let (test, output) = (test.to_owned(), "left != right".to_owned());
        judged(&Report::Ended { session: SessionName::Root, test, outcome, seconds: 1.0, output }).unwrap()
    }

    fn fact(name: &str, value: &str) -> Verdict {
        judged(&Report::Fact { name: name.to_owned(), value: value.to_owned() }).unwrap()
    }

    #[test]
    fn a_kernel_that_enforces_more_than_stated_fails_as_one_that_enforces_less() {
        assert!(!fact("landlock_abi", "2").is_failure());
        assert!(fact("landlock_abi", "1").is_failure());
        assert!(fact("landlock_abi", "3").is_failure());
        assert!(!fact("memory_deny_write_execute", "1").is_failure());
        assert!(fact("memory_deny_write_execute", "0").is_failure());
        assert!(!fact("release", "6.1.0-50-cloud-amd64").is_failure());
        assert!(fact("release", "6.12.0").is_failure());
    }

    #[test]
    fn a_test_that_is_stated_to_fail_must_fail() {
        assert_eq!(
            ended("stated", Outcome::Failed).judgement,
            Judgement::FailedAsStated("no compiler".to_owned())
        );
        assert!(ended("stated", Outcome::Passed).is_failure());
        assert!(ended("stated", Outcome::TimedOut).is_failure(), "hanging is not failing as stated");
    }

    #[test]
    fn a_test_that_fails_as_stated_must_say_what_is_stated() {
        assert_eq!(ended("says", Outcome::Failed).judgement, Judgement::FailedAsStated("it does".to_owned()));
        assert!(ended("silent", Outcome::Failed).is_failure());
    }

    #[test]
    fn a_test_that_nothing_is_stated_of_must_pass() {
        assert_eq!(ended("other", Outcome::Passed).judgement, Judgement::Passed);
        assert!(ended("other", Outcome::Failed).is_failure());
        assert!(ended("other", Outcome::TimedOut).is_failure());
    }

    #[test]
    fn a_verdict_is_one_line_and_what_was_seen_is_below_it() {
        assert_eq!(ended("other", Outcome::Passed).to_string(), "PASS [   1.0s] 6.1 root other");
        assert_eq!(
            ended("other", Outcome::Failed).to_string(),
            "FAIL [   1.0s] 6.1 root other\n    left != right"
        );
        let stated = "PASS [   1.0s] 6.1 root stated (fails, as stated: no compiler)";
        assert_eq!(ended("stated", Outcome::Failed).to_string(), stated);
    }

    #[test]
    fn what_a_guest_says_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }

    #[test]
    fn a_test_that_was_never_heard_of_is_a_failure() {
        let expectations = Expectations::parse(STATED).unwrap();
        let kernel = *expectations.kernels(&Choice::All).unwrap().first().unwrap();
        let test = |id: &str| Test {
            id: id.to_owned(),
            program: "/p".into(),
            name: id.to_owned(),
            folder: "/".into(),
        };
        let heard = [ended("other", Outcome::Passed)];
        let tests = [test("other"), test("hung"), test("lost")];
        let running = BTreeSet::from([(SessionName::Root, "hung".to_owned())]);
        let missing = not_run(kernel, &[SessionName::Root], &tests, &heard, &running);
        let found: Vec<_> = missing.iter().map(|verdict| (&*verdict.test, &verdict.judgement)).collect();
        let failed = |why: &str| Judgement::Failed(why.to_owned());
        let expected = [failed("it was running when the guest ended"), failed("it was not run")];
        assert_eq!(found, [("hung", &expected[0]), ("lost", &expected[1])]);
    }
}
