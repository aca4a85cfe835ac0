//! One of those programs as a module of a Cofferdam of its own: its command line, what it is allowed besides what ships,
//! and what became of it. `checkers-launcher` makes the policy; see vm-tests/checkers/src/policy.rs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::rig::{self, As, Plan, Rig, eventually};

/// Where the guest has what `vm-tests/checkers/fetch.sh` fetched.
pub(crate) const FOLDER: &str = "/checkers";

/// The module's name.
pub(crate) const NAME: &str = "checker";

/// What it writes its report to, and where it may write.
pub(crate) const REPORT: &str = "/data/report";

/// What a program is allowed besides what ships.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Allowed {
    Nothing,
    Processes,
    ProcessesAndCode,
}

/// How calls that are not allowed are answered.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusals {
    Shipped,
    AtOnce,
}

/// The program below [`FOLDER`] that is run, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Checker<'c> {
    #[serde(skip)]
    pub(crate) program: &'c str,
    pub(crate) arguments: Vec<String>,
    pub(crate) allowed: Allowed,
    pub(crate) refusals: Refusals,
    /// Lines of `[modules.limits.checker]`.
    #[serde(skip)]
    pub(crate) limits: &'c str,
}

impl<'c> Checker<'c> {
    /// stress-ng with these arguments; it works in /data and reports there.
    pub(crate) fn stress_ng(arguments: &[&str], allowed: Allowed, refusals: Refusals) -> Self {
        let common = ["--temp-path", "/data", "--log-file", REPORT];
        let arguments = arguments.iter().chain(&common).map(|argument| (*argument).to_owned()).collect();
        Self { program: "stress-ng", arguments, allowed, refusals, limits: "cpu_percent = 200\n" }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Rig {
        let plan = Plan::new(As::Root).launched_by("checkers-launcher");
        fs::write(plan.path().join("checker.toml"), toml::to_string(self).unwrap()).unwrap();
        let folder = plan.path().join("modules").join(NAME);
        fs::create_dir(&folder).unwrap();
        let manifest = format!("name = \"{NAME}\"\nversion = \"1.0.0\"\nentry_point = \"{NAME}\"\n");
        fs::write(folder.join("module.toml"), manifest).unwrap();
        let program = Path::new(FOLDER).join(self.program);
        fs::copy(&program, folder.join(NAME)).unwrap_or_else(|error| {
            panic!("{}: {error}: run this by scripts/vm-test.sh --checkers", program.display())
        });
        let limits = self.limits;
        plan.config(&format!("[modules]\nrestart = \"never\"\n[modules.limits.{NAME}]\n{limits}")).start()
    }

    /// Starts it and waits for its end.
    pub(crate) fn run(&self) -> Ended {
        let mut rig = self.start();
        let pid = rig.started(NAME, 1);
        let lines = || rig.lines().join("\n");
        eventually("the checker does not end", || !rig::is_alive(pid), lines);
        let end = ["exited with ", "killed: ", "killed by ", "stopped"];
        let ended = |line: &String| {
            end.iter().any(|words| told_by(line, NAME).is_some_and(|told| told.starts_with(words)))
        };
        eventually("its end is not told", || rig.lines().iter().any(ended), lines);
        let report = fs::read_to_string(in_data(&rig, REPORT)).unwrap_or_default();
        let lines = rig.lines();
        assert!(rig.interrupt().success(), "{}", lines.join("\n"));
        Ended { lines, report }
    }
}

/// What a line of the log says, if it is about this subject.
pub(crate) fn told_by<'l>(line: &'l str, subject: &str) -> Option<&'l str> {
    let (_time, rest) = line.split_once("Z ")?;
    Some(rest.strip_prefix(subject)?.strip_prefix(' ')?.trim_start())
}

/// A path of the sandbox's /data, as it is outside.
fn in_data(rig: &Rig, path: &str) -> PathBuf {
    rig.path().join("data/modules").join(NAME).join(path.strip_prefix("/data/").unwrap())
}

/// What became of a checker.
pub(crate) struct Ended {
    /// Cofferdam's whole log.
    pub(crate) lines: Vec<String>,
    /// What the checker wrote of what it found.
    pub(crate) report: String,
}

impl Ended {
    /// Everything that the log says of it.
    pub(crate) fn told(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| told_by(line, NAME)).collect()
    }
}
