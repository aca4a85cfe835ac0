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
    /// Whether programs that nobody here wrote run on it, when they are asked for.
    #[serde(default)]
    checkers: bool,
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
    /// Programs that nobody here wrote: on these kernels; if none is named, on all that have them.
    Checkers(Vec<String>),
}

/// The list of those.
const CHECKERS: &str = "checkers";

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
        if let Choice::Named(names) | Choice::Checkers(names) = choice {
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
            Choice::Checkers(names) => kernel.checkers && (names.is_empty() || names.contains(&kernel.name)),
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
            (Choice::Checkers(_), _) => CHECKERS,
            _ => &kernel.tests,
        };
        let list = self.tests.get(name);
        let list = list.with_context(|| format!("kernel {}: [tests] has no list {name:?}", kernel.name))?;
        Ok(list)
    }

    /// Under which users a kernel runs it: programs that nobody here wrote are compared once, as root.
    pub(crate) fn sessions(kernel: &Kernel, choice: &Choice) -> BTreeSet<SessionName> {
        match choice {
            Choice::Checkers(_) => BTreeSet::from([SessionName::Root]),
            Choice::Default | Choice::All | Choice::Named(_) => kernel.sessions.clone(),
        }
    }

    /// Why a test is run on no kernel, if it is not.
    pub(crate) fn left_out(&self, test: &str) -> Option<&str> {
        self.left_out.iter().find(|(entry, _)| means(entry, test)).map(|(_, why)| why.as_str())
    }

    /// What is stated of a test that must fail there.
    pub(crate) fn failure(&self, kernel: &Kernel, session: SessionName, test: &str) -> Option<Stated<'_>> {
        let holds = |failure: &&Failure| {
            means(&failure.test, test)
                && (failure.kernels.is_empty() || failure.kernels.contains(&kernel.name))
                && (failure.sessions.is_empty() || failure.sessions.contains(&session))
        };
        let stated =
            self.failures.iter().find(holds).map(|failure| Stated { why: &failure.why, says: &failure.says });
        let of_root = session == SessionName::User && self.root_only.iter().any(|entry| means(entry, test));
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
        let root_only = self.root_only.iter().map(String::as_str);
        let stated = failures.chain(root_only).chain(self.left_out.keys().map(String::as_str));
        let idle = stated.filter(|entry| !tests.iter().any(|test| means(entry, test)));
        idle.filter(|name| programs.contains(program(name))).collect()
    }
}

/// The test program of an entry or of a test: what stands before the second `::`.
pub(crate) fn program(name: &str) -> &str {
    name.match_indices("::").nth(1).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

/// Whether a test is meant by an entry of a list.
pub(crate) fn means(entry: &str, test: &str) -> bool {
    match test.strip_prefix(entry) {
        Some(rest) => rest.is_empty() || program(entry) != entry || rest.starts_with("::"),
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
mod tests;
