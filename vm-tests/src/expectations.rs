//! `kernels.toml`: which kernels there are, what each must enforce, what runs on it and what is stated to fail. It reads
//! text and judges it; it opens no file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::plan::SessionName;

/// Landlock's ABI that restricts TCP, and the one that scopes signals and abstract sockets. landlock(7)
const ABI_NETWORK: u32 = 4;
const ABI_SCOPE: u32 = 6;

/// The package whose test programs are those of the whole: each must be in a list, or be left out by name.
const WHOLE: &str = "cofferdam";

/// What is stated of a test that only root's launcher can pass.
const ROOT_ONLY: &str = "root only";

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    /// Named lists of test programs.
    tests: BTreeMap<String, Vec<String>>,
    /// What no kernel runs, each with the reason.
    #[serde(default)]
    left_out: BTreeMap<String, String>,
    /// Tests that fail for an ordinary user, because what they claim is claimed of root's launcher only.
    #[serde(default)]
    root_only: BTreeSet<String>,
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
    /// The list that it runs when no kernel is named; without it, none.
    by_default: Option<String>,
    /// The list that it runs otherwise.
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
    /// What its output must say then.
    #[serde(default)]
    says: String,
    why: String,
}

/// What is stated of a test that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stated<'e> {
    pub(crate) why: &'e str,
    /// What its output must say.
    pub(crate) says: &'e str,
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
            for choice in [Choice::Default, Choice::All] {
                read.listed(kernel, &choice)?;
            }
        }
        for (name, why) in &read.left_out {
            ensure!(!why.trim().is_empty(), "left_out {name}: no reason is given");
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
            Choice::Default => kernel.by_default.is_some(),
            Choice::All => true,
            Choice::Named(names) => names.contains(&kernel.name),
        };
        Ok(self.kernels.iter().filter(chosen).collect())
    }

    /// The entries of the list that a kernel runs in a run of this kind.
    ///
    /// # Errors
    /// When the list is not there.
    pub(crate) fn listed(&self, kernel: &Kernel, choice: &Choice) -> Result<&[String]> {
        let name = match (choice, &kernel.by_default) {
            (Choice::Default, Some(name)) => name,
            _ => &kernel.tests,
        };
        let list = self.tests.get(name);
        let list = list.with_context(|| format!("kernel {}: [tests] has no list {name:?}", kernel.name))?;
        Ok(list)
    }

    /// Why a test is run on no kernel, if it is not.
    pub(crate) fn left_out(&self, test: &str) -> Option<&str> {
        self.left_out.iter().find(|(entry, _)| means(entry, test)).map(|(_, why)| why.as_str())
    }

    /// What is stated of a test that must fail there.
    pub(crate) fn failure(&self, kernel: &Kernel, session: SessionName, test: &str) -> Option<Stated<'_>> {
        let holds = |failure: &&Failure| {
            failure.test == test
                && (failure.kernels.is_empty() || failure.kernels.contains(&kernel.name))
                && (failure.sessions.is_empty() || failure.sessions.contains(&session))
        };
        let stated =
            self.failures.iter().find(holds).map(|failure| Stated { why: &failure.why, says: &failure.says });
        let of_root = session == SessionName::User && self.root_only.contains(test);
        stated.or_else(|| of_root.then_some(Stated { why: ROOT_ONLY, says: "" }))
    }

    /// Test programs of the whole that are in no list and not left out either: nobody would notice that they are not run.
    pub(crate) fn unlisted<'n>(&self, programs: &'n BTreeSet<String>) -> Vec<&'n str> {
        let of_whole = |name: &&String| name.starts_with(&format!("{WHOLE}::"));
        let is_known = |name: &String| {
            self.left_out.contains_key(name) || self.tests.values().any(|list| list.contains(name))
        };
        programs.iter().filter(of_whole).filter(|name| !is_known(name)).map(String::as_str).collect()
    }

    /// What is stated of tests of these programs that are none.
    pub(crate) fn unknown(&self, programs: &BTreeSet<&str>, tests: &BTreeSet<&str>) -> Vec<&str> {
        let failures = self.failures.iter().map(|failure| failure.test.as_str());
        let named = failures.chain(self.root_only.iter().map(String::as_str));
        let named = named.filter(|name| !tests.contains(name));
        let left_out = self.left_out.keys().map(String::as_str);
        let left_out = left_out.filter(|entry| !tests.iter().any(|test| means(entry, test)));
        named.chain(left_out).filter(|name| programs.contains(program(name))).collect()
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
few = [\"cofferdam::launch::one\"]
[[kernel]]
name = \"6.1\"
suite = \"bookworm\"
release = \"6.1.\"
by_default = \"few\"
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
    fn without_a_name_a_kernel_runs_its_short_list_and_otherwise_its_long_one() {
        let read = Expectations::parse(ONE).unwrap();
        let kernel = read.kernels.first().unwrap();
        assert_eq!(read.listed(kernel, &Choice::Default).unwrap(), ["cofferdam::launch::one"]);
        let named = Choice::Named(vec!["6.1".to_owned()]);
        assert_eq!(read.listed(kernel, &named).unwrap(), ["cofferdam::launch", "cofferdam"]);
    }

    #[test]
    fn a_test_program_that_is_in_no_list_and_not_left_out_is_found() {
        let left_out = "[left_out]\n\"cofferdam::pages\" = \"asks the kernel nothing\"\n";
        let read = Expectations::parse(&format!("{ONE}{left_out}")).unwrap();
        let programs = ["cofferdam::launch", "cofferdam::pages", "cofferdam::new", "cofferdam-node::rpc"];
        let programs = programs.map(str::to_owned).into();
        assert_eq!(read.unlisted(&programs), ["cofferdam::new"]);
        assert_eq!(read.left_out("cofferdam::pages::one"), Some("asks the kernel nothing"));
        assert_eq!(read.left_out("cofferdam::launch::one"), None);
        assert!(
            error(&format!("{ONE}{}", left_out.replace("asks the kernel nothing", ""))).contains("no reason")
        );
    }

    #[test]
    fn what_only_root_can_pass_must_fail_for_a_user() {
        let read = Expectations::parse(&format!("root_only = [\"cofferdam::launch::a\"]\n{ONE}")).unwrap();
        let kernel = read.kernels.first().unwrap();
        let why = |session| read.failure(kernel, session, "cofferdam::launch::a").map(|stated| stated.why);
        assert_eq!(why(SessionName::User), Some(ROOT_ONLY));
        assert_eq!((why(SessionName::Root), why(SessionName::RootV1)), (None, None));
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
        let stated = Stated { why: "no", says: "" };
        assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::a"), Some(stated));
        assert_eq!(read.failure(kernel, SessionName::Root, "cofferdam::launch::a"), None);
        assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::b"), None);
        let elsewhere = text.replace("why =", "kernels = [\"6.2\"]\nwhy =");
        assert!(error(&elsewhere).contains("there is no kernel Some(\"6.2\")"));
    }

    #[test]
    fn what_is_stated_of_a_test_that_is_gone_is_found() {
        let text = format!(
            "root_only = [\"cofferdam::launch::moved\"]\n{ONE}[left_out]\n\"cofferdam::launch::old\" = \"no\"\n\
             [[failure]]\ntest = \"cofferdam::launch::gone\"\nwhy = \"no\"\n"
        );
        let read = Expectations::parse(&text).unwrap();
        let programs = BTreeSet::from(["cofferdam::launch"]);
        let stated = ["cofferdam::launch::gone", "cofferdam::launch::moved", "cofferdam::launch::old"];
        assert_eq!(read.unknown(&programs, &BTreeSet::from(["cofferdam::launch::a"])), stated);
        assert!(read.unknown(&programs, &BTreeSet::from(stated)).is_empty());
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
