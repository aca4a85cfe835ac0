//! `kernels.toml`: which kernels there are, what each must enforce, what runs on it and what is stated to fail. It reads
//! text and judges it; it opens no file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::plan::SessionName;

/// Landlock's ABI that restricts TCP, and the one that scopes signals and abstract sockets. landlock(7)
const ABI_NETWORK: u32 = 4;
const ABI_SCOPE: u32 = 6;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    /// Named lists of test programs.
    tests: BTreeMap<String, Vec<String>>,
    #[serde(rename = "kernel")]
    kernels: Vec<Kernel>,
    #[serde(rename = "failure", default)]
    failures: Vec<Failure>,
}

/// One kernel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernel {
    /// How this file and the command line call it.
    pub(crate) name: String,
    /// The Debian suite that it comes from.
    pub(crate) suite: String,
    /// What is added to its command line.
    #[serde(default)]
    pub(crate) parameters: String,
    /// How its release begins.
    pub(crate) release: String,
    /// Whether it runs when no kernel is named.
    by_default: bool,
    /// The name of a list of test programs.
    tests: String,
    /// Under which users.
    pub(crate) sessions: BTreeSet<SessionName>,
    /// The security modules in force, as the kernel lists them.
    pub(crate) lsm: String,
    /// 0: it has no Landlock.
    pub(crate) landlock_abi: u32,
    /// The layers that it lacks, by their names in `sandbox.allow_missing`.
    pub(crate) missing: BTreeSet<String>,
}

/// A test that is stated to fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    test: String,
    /// On these kernels; if none is named, on all.
    #[serde(default)]
    kernels: BTreeSet<String>,
    /// In these sessions; if none is named, in all.
    #[serde(default)]
    sessions: BTreeSet<SessionName>,
    why: String,
}

/// Which kernels a run is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Default,
    All,
    Named(Vec<String>),
}

impl Expectations {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What does not parse, contradicts itself, or names what is not there.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let read: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for kernel in &read.kernels {
            ensure!(names.insert(kernel.name.as_str()), "kernel {} is stated twice", kernel.name);
            kernel.check().with_context(|| format!("kernel {}", kernel.name))?;
            read.listed(kernel)?;
        }
        for failure in &read.failures {
            let name = &failure.test;
            ensure!(!failure.why.trim().is_empty(), "failure of {name}: `why` says nothing");
            let unknown = failure.kernels.iter().find(|kernel| !names.contains(kernel.as_str()));
            ensure!(unknown.is_none(), "failure of {name}: there is no kernel {unknown:?}");
        }
        Ok(read)
    }

    /// The chosen kernels, in the file's order.
    ///
    /// # Errors
    /// When a kernel is named that is not stated.
    pub(crate) fn kernels(&self, choice: &Choice) -> Result<Vec<&Kernel>> {
        if let Choice::Named(names) = choice {
            for name in names {
                let known: Vec<_> = self.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
                if !known.contains(&name.as_str()) {
                    bail!("no kernel is called {name:?}; there are: {}", known.join(", "));
                }
            }
        }
        let chosen = |kernel: &&Kernel| match choice {
            Choice::Default => kernel.by_default,
            Choice::All => true,
            Choice::Named(names) => names.contains(&kernel.name),
        };
        Ok(self.kernels.iter().filter(chosen).collect())
    }

    /// The entries of a kernel's list.
    ///
    /// # Errors
    /// When its list is not there.
    pub(crate) fn listed(&self, kernel: &Kernel) -> Result<&[String]> {
        let list = self.tests.get(&kernel.tests);
        let list =
            list.with_context(|| format!("kernel {}: [tests] has no list {:?}", kernel.name, kernel.tests))?;
        Ok(list)
    }

    /// Why a test is stated to fail there, if it is.
    pub(crate) fn failure(&self, kernel: &Kernel, session: SessionName, test: &str) -> Option<&str> {
        let holds = |failure: &&Failure| {
            failure.test == test
                && (failure.kernels.is_empty() || failure.kernels.contains(&kernel.name))
                && (failure.sessions.is_empty() || failure.sessions.contains(&session))
        };
        self.failures.iter().find(holds).map(|failure| failure.why.as_str())
    }

    /// Stated failures of these programs that are no test of theirs.
    pub(crate) fn unknown_failures(&self, programs: &BTreeSet<&str>, tests: &BTreeSet<&str>) -> Vec<&str> {
        let failures = self.failures.iter().map(|failure| failure.test.as_str());
        failures.filter(|name| programs.contains(program(name)) && !tests.contains(name)).collect()
    }
}

/// The test program of an entry or of a test: what stands before the second `::`.
pub(crate) fn program(name: &str) -> &str {
    name.match_indices("::").nth(1).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

/// Whether a test is meant by an entry of a list.
pub(crate) fn means(entry: &str, test: &str) -> bool {
    match test.strip_prefix(entry) {
        Some(rest) => program(entry) != entry || rest.starts_with("::"),
        None => false,
    }
}

impl Kernel {
    fn check(&self) -> Result<()> {
        ensure!(!self.sessions.is_empty(), "`sessions` is empty: nothing would run");
        for (layer, abi) in
            [("landlock", 1), ("landlock_network", ABI_NETWORK), ("landlock_scope", ABI_SCOPE)]
        {
            let missing = self.missing.contains(layer);
            let lacks = self.landlock_abi < abi;
            ensure!(
                missing == lacks,
                "`missing` and landlock_abi {} contradict each other: {layer}",
                self.landlock_abi
            );
        }
        Ok(())
    }

    /// What `facts` must print of this kernel, beside its release.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let number = |holds: bool| u8::from(holds).to_string();
        vec![
            ("landlock_abi", self.landlock_abi.to_string()),
            ("memory_deny_write_execute", number(!self.missing.contains("memory_deny_write_execute"))),
            ("seccomp_user_notification", number(true)),
            ("close_range", number(true)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNELS: &str = include_str!("../kernels.toml");

    const ONE: &str = "
[tests]
core = [\"cofferdam::launch\", \"cofferdam\"]
[[kernel]]
name = \"6.1\"
suite = \"bookworm\"
release = \"6.1.\"
by_default = true
tests = \"core\"
sessions = [\"root\", \"user\"]
lsm = \"landlock,yama\"
landlock_abi = 2
missing = [\"landlock_network\", \"landlock_scope\"]
";

    fn error(text: &str) -> String {
        format!("{:#}", Expectations::parse(text).unwrap_err())
    }

    #[test]
    fn the_file_that_ships_is_whole_and_runs_two_kernels_by_default() {
        let read = Expectations::parse(KERNELS).unwrap();
        assert_eq!(read.kernels(&Choice::Default).unwrap().len(), 2);
        assert!(read.kernels(&Choice::All).unwrap().len() > 2);
    }

    #[test]
    fn some_kernel_that_ships_lacks_each_layer_of_landlock_and_some_kernel_has_it() {
        let read = Expectations::parse(KERNELS).unwrap();
        for layer in ["landlock", "landlock_network", "landlock_scope", "memory_deny_write_execute"] {
            let lacking = read.kernels.iter().filter(|kernel| kernel.missing.contains(layer)).count();
            assert!(0 < lacking && lacking < read.kernels.len(), "{layer}");
        }
    }

    #[test]
    fn layers_that_contradict_the_abi_are_an_error_that_names_kernel_and_layer() {
        let all_there = ONE.replace("\"landlock_network\", ", "");
        assert_eq!(
            error(&all_there),
            "kernel 6.1: `missing` and landlock_abi 2 contradict each other: landlock_network"
        );
        let too_new = ONE.replace("landlock_abi = 2", "landlock_abi = 6");
        assert!(error(&too_new).contains("landlock_network"));
    }

    #[test]
    fn a_kernel_whose_list_is_not_there_is_an_error() {
        assert_eq!(
            error(&ONE.replace("tests = \"core\"", "tests = \"ful\"")),
            "kernel 6.1: [tests] has no list \"ful\""
        );
    }

    #[test]
    fn a_key_that_is_unknown_is_an_error() {
        assert!(error(&ONE.replace("by_default", "default")).contains("unknown field `default`"));
    }

    #[test]
    fn a_failure_holds_for_the_kernels_and_sessions_that_it_names() {
        let text = format!(
            "{ONE}[[failure]]\ntest = \"cofferdam::launch::a\"\nsessions = [\"user\"]\nwhy = \"no\"\n"
        );
        let read = Expectations::parse(&text).unwrap();
        let kernel = &read.kernels.first().unwrap();
        assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::a"), Some("no"));
        assert_eq!(read.failure(kernel, SessionName::Root, "cofferdam::launch::a"), None);
        assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::b"), None);
        let elsewhere = text.replace("why =", "kernels = [\"6.2\"]\nwhy =");
        assert!(error(&elsewhere).contains("there is no kernel Some(\"6.2\")"));
    }

    #[test]
    fn a_failure_of_a_test_that_is_gone_is_found() {
        let text = format!("{ONE}[[failure]]\ntest = \"cofferdam::launch::gone\"\nwhy = \"no\"\n");
        let read = Expectations::parse(&text).unwrap();
        let programs = BTreeSet::from(["cofferdam::launch"]);
        assert_eq!(
            read.unknown_failures(&programs, &BTreeSet::from(["cofferdam::launch::a"])),
            ["cofferdam::launch::gone"]
        );
        assert!(read.unknown_failures(&programs, &BTreeSet::from(["cofferdam::launch::gone"])).is_empty());
    }

    #[test]
    fn an_entry_means_a_program_or_the_tests_whose_names_begin_so() {
        assert!(means("a::launch", "a::launch::one") && means("a", "a::one"));
        assert!(!means("a::launch", "a::launch2::one") && !means("a", "a2::one"));
        assert!(means("a::launch::on", "a::launch::one") && !means("a::launch::on", "a::launch::two"));
        assert_eq!(
            (program("a::launch::on"), program("a::launch"), program("a")),
            ("a::launch", "a::launch", "a")
        );
    }

    #[test]
    fn a_kernel_that_is_not_stated_cannot_be_chosen() {
        let read = Expectations::parse(ONE).unwrap();
        let error = read.kernels(&Choice::Named(vec!["6.2".to_owned()])).unwrap_err();
        assert_eq!(error.to_string(), "no kernel is called \"6.2\"; there are: 6.1");
    }
}
