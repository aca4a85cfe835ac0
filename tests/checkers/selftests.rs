//! The kernel's own tests of Landlock and seccomp, from the source of the kernel that runs: as they are, outside of any
//! sandbox, what Cofferdam's layers rest on works; inside a module's sandbox neither can be used at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::checker::{Allowed, Checker, FOLDER, Refusals};
use crate::stated::{Failure, release, stated};

/// What these tests leave to their helpers: `*_test` and `seccomp_bpf` are tests.
fn is_test(program: &str) -> bool {
    program.ends_with("_test") || program.ends_with("_bpf")
}

/// The programs of this kernel, `folder/name`.
fn programs() -> BTreeSet<String> {
    let release = release();
    let all = stated().selftests.programs;
    let of_kernel = all.into_iter().find(|(kernel, _)| release.starts_with(kernel));
    of_kernel.unwrap_or_else(|| panic!("stated.toml has no programs for {release}")).1
}

#[test]
fn every_test_program_of_this_kernels_source_is_stated() {
    let mut found = BTreeSet::new();
    for folder in ["landlock", "seccomp"] {
        let Ok(entries) = fs::read_dir(Path::new(FOLDER).join(folder)) else { continue };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        found.extend(names.filter(|name| is_test(name)).map(|name| format!("{folder}/{name}")));
    }
    assert_eq!(found, programs());
}

/// What a TAP report says of each test. <https://docs.kernel.org/dev-tools/ktap.html>; before 6.9 a test that is skipped is
/// named only where it begins.
fn results(report: &str) -> BTreeMap<String, &'static str> {
    let mut results = BTreeMap::new();
    let mut name = String::new();
    for line in report.lines() {
        if let Some(rest) = line.strip_prefix("#  RUN ") {
            name = rest.trim().trim_end_matches(" ...").to_owned();
        } else if line.starts_with("ok ") || line.starts_with("not ok ") {
            let passed = line.starts_with("ok ") && !line.contains("# SKIP") && !line.contains("# XFAIL");
            let result = if passed {
                "passed"
            } else if line.starts_with("ok ") {
                "skipped"
            } else {
                "failed"
            };
            results.insert(name.clone(), result);
        }
    }
    results
}

impl Failure {
    fn holds(&self, program: &str, release: &str) -> bool {
        self.program == program
            && (self.kernels.is_empty() || self.kernels.iter().any(|kernel| release.starts_with(kernel)))
    }
}

/// Runs a program where this kernel's source has it, and compares.
fn check(program: &str) {
    if !programs().contains(program) {
        return;
    }
    let path = Path::new(FOLDER).join(program);
    let mut command = Command::new(&path);
    command.current_dir(path.parent().unwrap()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let report = String::from_utf8_lossy(&output.stdout);
    let results = results(&report);
    let planned = report.lines().find_map(|line| line.strip_prefix("1..")?.parse().ok());
    assert_eq!(planned, Some(results.len()), "it did not run to its end: {}\n{report}", output.status);
    let release = release();
    let stated = stated().selftests.failure;
    let mut beginnings: Vec<&str> = Vec::new();
    for failure in stated.iter().filter(|failure| failure.holds(program, &release)) {
        assert!(!failure.why.trim().is_empty(), "{failure:?}");
        beginnings.extend(failure.tests.iter().map(String::as_str));
    }
    let is_stated = |name: &str| beginnings.iter().any(|beginning| name.starts_with(beginning));
    let wrong: Vec<_> =
        results.iter().filter(|(name, result)| (**result == "passed") == is_stated(name)).collect();
    let unmet: Vec<_> = beginnings
        .iter()
        .filter(|beginning| !results.keys().any(|name| name.starts_with(**beginning)))
        .collect();
    let lines: Vec<&str> =
        report.lines().filter(|line| !line.starts_with("ok ") && !line.contains(" OK ")).collect();
    assert!(wrong.is_empty() && unmet.is_empty(), "{wrong:?}\nno test: {unmet:?}\n{}", lines.join("\n"));
}

macro_rules! as_they_are {
    ($($name:ident: $program:literal)*) => {
        $(#[test]
        fn $name() {
            check($program);
        })*

        #[test]
        fn every_program_that_is_stated_has_a_test_here() {
            let here = BTreeSet::from([$($program),*]);
            let stated = stated().selftests;
            for program in stated.programs.values().flatten().chain(stated.failure.iter().map(|failure| &failure.program)) {
                assert!(here.contains(program.as_str()), "{program}");
            }
        }
    };
}

as_they_are! {
    landlock_base_tests_pass_as_stated: "landlock/base_test"
    landlock_file_system_tests_pass_as_stated: "landlock/fs_test"
    landlock_network_tests_pass_as_stated: "landlock/net_test"
    landlock_ptrace_tests_pass_as_stated: "landlock/ptrace_test"
    landlock_scope_tests_pass_as_stated: "landlock/scoped_test"
    landlock_scoped_socket_tests_pass_as_stated: "landlock/scoped_abstract_unix_test"
    landlock_scoped_signal_tests_pass_as_stated: "landlock/scoped_signal_test"
    landlock_thread_tests_pass_as_stated: "landlock/tsync_test"
    landlock_audit_tests_pass_as_stated: "landlock/audit_test"
    seccomp_tests_pass_as_stated: "seccomp/seccomp_bpf"
}

/// Inside, a module can neither use Landlock nor seccomp: each of these tests fails at its first call.
fn all_fail_inside(program: &str) {
    if !programs().contains(program) {
        return;
    }
    let checker = Checker {
        program,
        arguments: Vec::new(),
        allowed: Allowed::Processes,
        refusals: Refusals::AtOnce,
        limits: "cpu_percent = 200\n",
    };
    let ended = checker.run();
    let told = ended.told();
    let passed: Vec<_> = told.iter().filter(|line| line.starts_with("ok ")).collect();
    assert!(passed.is_empty(), "{passed:?}");
    let failed = told.iter().filter(|line| line.starts_with("not ok ")).count();
    assert!(failed > 0 && told.contains(&"exited with status 1"), "{}", told.join("\n"));
}

#[test]
fn inside_a_sandbox_no_landlock_test_gets_a_ruleset() {
    all_fail_inside("landlock/base_test");
}

#[test]
fn of_a_report_each_test_has_its_result() {
    let report = "TAP version 13\n1..4\n#  RUN           a.b ...\n#            OK  a.b\nok 1 a.b\n#  RUN           a.c ...\n\
                  #      SKIP      no\nok 2 # SKIP no\n#  RUN           a.d ...\nnot ok 3 a.d\n#  RUN           a.e ...\n\
                  ok 4 a.e # XFAIL known\n";
    let expected = [("a.b", "passed"), ("a.c", "skipped"), ("a.d", "failed"), ("a.e", "skipped")];
    assert_eq!(results(report), expected.map(|(name, result)| (name.to_owned(), result)).into());
}
