//! All verdicts together: a table, JUnit's file, and the last line. It prints nothing itself.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::verdict::{Judgement, Verdict};

/// Kernel and user, in the order in which they ran.
fn groups(verdicts: &[Verdict]) -> Vec<(&str, &'static str)> {
    let mut seen = BTreeSet::new();
    let of = verdicts.iter().map(|verdict| (verdict.kernel.as_str(), verdict.session()));
    of.filter(|group| seen.insert(*group)).collect()
}

fn members<'v>(verdicts: &'v [Verdict], group: (&str, &str)) -> Vec<&'v Verdict> {
    verdicts.iter().filter(|verdict| (verdict.kernel.as_str(), verdict.session()) == group).collect()
}

/// One row for each kernel and user.
pub(crate) fn table(verdicts: &[Verdict]) -> String {
    let mut text = format!(
        "{:<12} {:<8} {:>6} {:>7} {:>16} {:>7} {:>9}\n",
        "KERNEL", "USER", "TESTS", "PASSED", "FAILED AS STATED", "FAILED", "SECONDS"
    );
    for (kernel, session) in groups(verdicts) {
        let members = members(verdicts, (kernel, session));
        let failed = members.iter().filter(|verdict| verdict.is_failure()).count();
        let is_stated = |verdict: &&&Verdict| matches!(verdict.judgement, Judgement::FailedAsStated(_));
        let stated = members.iter().filter(is_stated).count();
        let seconds: f64 = members.iter().map(|verdict| verdict.seconds).sum();
        let (all, passed) = (members.len(), members.len() - failed - stated);
        let row =
            format!("{kernel:<12} {session:<8} {all:>6} {passed:>7} {stated:>16} {failed:>7} {seconds:>9.1}");
        let _infallible = writeln!(text, "{row}");
    }
    text
}

/// The last line: a test that fails as kernels.toml states has passed.
pub(crate) fn last_line(verdicts: &[Verdict]) -> String {
    let kernels: BTreeSet<_> = verdicts.iter().map(|verdict| verdict.kernel.as_str()).collect();
    let failed = verdicts.iter().filter(|verdict| verdict.is_failure()).count();
    let passed = verdicts.len() - failed;
    let (tests, kernels) = (verdicts.len(), kernels.len());
    let noun = if kernels == 1 { "kernel" } else { "kernels" };
    format!("Summary: {tests} tests on {kernels} {noun}: {passed} passed, {failed} failed, 0 skipped")
}

/// JUnit's XML: one suite for each kernel and user.
///
/// # Errors
/// When it cannot be written as XML.
pub(crate) fn junit(verdicts: &[Verdict]) -> Result<String> {
    let mut report = Report::new("cofferdam-vm-tests");
    for (kernel, session) in groups(verdicts) {
        let mut suite = TestSuite::new(format!("{kernel} {session}"));
        for verdict in members(verdicts, (kernel, session)) {
            let mut case = TestCase::new(verdict.test.clone(), status(&verdict.judgement));
            case.set_classname(format!("{kernel} {session}"));
            case.set_time(Duration::try_from_secs_f64(verdict.seconds).unwrap_or_default());
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn status(judgement: &Judgement) -> TestCaseStatus {
    match judgement {
        Judgement::Passed | Judgement::FailedAsStated(_) => TestCaseStatus::success(),
        Judgement::Failed(detail) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message("not as kernels.toml states").set_description(detail.clone());
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SessionName;
    use expect_test::expect;

    fn verdicts() -> Vec<Verdict> {
        let verdict = |kernel: &str, session, test: &str, judgement| Verdict {
            kernel: kernel.to_owned(),
            session,
            test: test.to_owned(),
            judgement,
            seconds: 1.5,
        };
        vec![
            verdict("6.1", None, "kernel::landlock_abi is 2", Judgement::Passed),
            verdict("6.1", Some(SessionName::Root), "a", Judgement::Passed),
            verdict("6.1", Some(SessionName::Root), "b", Judgement::FailedAsStated("why".to_owned())),
            verdict("6.1", Some(SessionName::User), "a", Judgement::Failed("1 < 2 \u{1b}[2J".to_owned())),
            verdict("newest", Some(SessionName::RootV1), "a", Judgement::Passed),
        ]
    }

    #[test]
    fn the_table_has_a_row_for_each_kernel_and_user() {
        expect![[r#"
            KERNEL       USER      TESTS  PASSED FAILED AS STATED  FAILED   SECONDS
            6.1          kernel        1       1                0       0       1.5
            6.1          root          2       1                1       0       3.0
            6.1          user          1       0                0       1       1.5
            newest       root-v1       1       1                0       0       1.5
        "#]]
        .assert_eq(&table(&verdicts()));
    }

    #[test]
    fn the_last_line_counts_tests_and_kernels() {
        let expected = "Summary: 5 tests on 2 kernels: 4 passed, 1 failed, 0 skipped";
        assert_eq!(last_line(&verdicts()), expected);
    }

    #[test]
    fn junit_has_a_suite_for_each_kernel_and_user_and_is_xml_whatever_a_guest_says() {
        let text = junit(&verdicts()).unwrap();
        assert!(text.contains(r#"name="6.1 root" tests="2""#), "{text}");
        assert!(text.contains("<failure") && text.contains("1 &lt; 2"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(text.matches("<testcase").count(), 5);
    }
}
