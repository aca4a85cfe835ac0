//! The policy that ships, changed where a checker needs it. Each change is a piece of the shipped text that must be there;
//! if it is not, the shipped policy has changed, and that is an error. It reads no file.

use anyhow::{Context, Result, anyhow, ensure};
use cofferdam_policy::{Sources, Tables};
use serde::Deserialize;

/// What a test changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// The program's whole command line, after its name.
    arguments: Vec<String>,
    /// What it is allowed besides what ships.
    allowed: Allowed,
    /// How calls that are not allowed are answered.
    refusals: Refusals,
}

/// What a program is allowed besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Allowed {
    /// Nothing.
    Nothing,
    /// Processes of its own: to make them, to wait for them, to signal them.
    Processes,
    /// Besides, memory that holds code and no file: what stress-ng keeps pages in that can be executed and not read.
    ProcessesAndCode,
}

/// How calls that are not allowed are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusals {
    /// As shipped: some kill, the others wait for the launcher, which answers so many a second.
    Shipped,
    /// Each by the filter itself, with the error of its rule or EPERM, so that a program which tries every call in a loop
    /// lives to tell of all of them. The same calls are allowed, and no other.
    AtOnce,
}

/// The shipped command line, where the rules about threads begin, and the calls that signal a process.
const ARGUMENTS: &str =
    r#"values = ["--module-id", "{name}", "--socket-path", "fd:3", "--data-dir", "/data"]"#;
const THREADS: &str = "# ---- threads ---";
const SIGNALS: &str = r#"calls = ["kill", "rt_sigqueueinfo", "#;
const SIGNALS_WITHOUT_KILL: &str = r#"calls = ["rt_sigqueueinfo", "#;
const CAPSET: &str = r#""capset", "chroot","#;

/// The shipped rule about code without a file.
const NO_CODE: &str = r#"[[refuse]]
why = "executable memory: a program brings all its code and makes none while it runs"
errno = "EACCES"
calls = ["mmap"]
"#;
const CODE: &str = r#"[[allow]]
why = "the checker hands such pages to the kernel, as addresses that cannot be read"
calls = ["mmap"]
"#;

/// To make a process: fork by clone, with no flag that shares or unshares anything.
const PROCESSES: &str = r#"
[[allow]]
why = "the checker runs each of its tests in a process of its own"
calls = ["clone"]
when = [
    "flags lacks CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_DETACHED|CLONE_NEWUSER|CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWNET|CLONE_NEWIPC|CLONE_NEWUTS|CLONE_NEWCGROUP",
]

[[allow]]
why = "the checker waits for its processes, and ends them when their time is over; the pid namespace holds nobody else"
calls = ["wait4", "waitid", "kill"]

[[allow]]
why = "the checker's processes end themselves, and a call that does not return, when their time is over"
calls = ["setitimer"]

[[allow]]
why = "the checker's processes end themselves when their time is over"
arch = "x86_64"
calls = ["alarm"]

[[allow]]
why = "the checker drops its Linux capabilities, of which it has none, before it begins"
calls = ["capget", "capset"]

[[allow]]
why = "the checker promises not to gain privileges, as it has promised already"
calls = ["prctl"]
# PR_SET_NO_NEW_PRIVS, by the name of an fcntl command with the same number: no policy that ships has a name for it.
when = ["option is F_OFD_SETLKW"]
"#;

impl Changes {
    /// The policy with these changes.
    pub(crate) fn tables(&self) -> Result<Tables> {
        let shipped = Sources::BUILTIN;
        let arguments = toml::Value::from(self.arguments.clone());
        let module = replaced(shipped.module.text, ARGUMENTS, &format!("values = {arguments}"))?;
        let calls_module = match self.allowed {
            Allowed::Nothing => shipped.calls_module.text.to_owned(),
            Allowed::Processes => with_processes(shipped.calls_module.text)?,
            Allowed::ProcessesAndCode => {
                replaced(&with_processes(shipped.calls_module.text)?, NO_CODE, CODE)?
            }
        };
        let (calls_module, calls_kill) = match self.refusals {
            Refusals::Shipped => (calls_module, shipped.calls_kill.text.to_owned()),
            Refusals::AtOnce => {
                let kill =
                    replaced(shipped.calls_kill.text, "\n[[kill]]\n", "\n[[quiet]]\nerrno = \"EPERM\"\n")?;
                let refuse = replaced(&calls_module, "\n[[refuse]]\n", "\n[[quiet]]\n")?;
                (replaced(&refuse, "verdict = \"refuse\"", "verdict = \"quiet\"")?, kill)
            }
        };
        let mut sources = shipped;
        sources.module.text = &module;
        sources.calls_module.text = &calls_module;
        sources.calls_kill.text = &calls_kill;
        Tables::parse(&sources).map_err(|error| anyhow!("{error}")).context("the changed policy")
    }
}

fn with_processes(calls: &str) -> Result<String> {
    let without_kill = replaced(calls, SIGNALS, SIGNALS_WITHOUT_KILL)?;
    let without_both = replaced(&without_kill, CAPSET, r#""chroot","#)?;
    replaced(&without_both, THREADS, &format!("{PROCESSES}{THREADS}"))
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(
        text.contains(from),
        "the policy that ships has no {from:?} any more: change the checkers' policy"
    );
    Ok(text.replace(from, to))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn changed(allowed: &str, refusals: &str) -> Tables {
        let text = format!("arguments = [\"--x\"]\nallowed = {allowed:?}\nrefusals = {refusals:?}\n");
        toml::from_str::<Changes>(&text).unwrap().tables().unwrap()
    }

    #[test]
    fn every_change_fits_the_policy_that_ships_and_changes_it() {
        let mut found = vec![Tables::builtin()];
        for allowed in ["nothing", "processes", "processes_and_code"] {
            for refusals in ["shipped", "at_once"] {
                let tables = changed(allowed, refusals);
                assert!(!found.contains(&tables), "{allowed}, {refusals}");
                found.push(tables);
            }
        }
    }

    #[test]
    fn a_piece_that_the_shipped_policy_does_not_have_is_an_error_that_names_it() {
        let error = replaced("calls = []", "calls = [\"kill\"]", "").unwrap_err();
        assert!(error.to_string().contains("kill"), "{error}");
    }
}
