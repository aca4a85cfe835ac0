//! One denial in words, from what is granted and in force now.

use std::path::Path;

use cofferdam_audit::{Argument, Denial, Entry, Limit, Record, Text, Verdict};
use cofferdam_installation::{Installation, Installed, grant_command};
use cofferdam_manifest::{Capability, ModuleName};
use cofferdam_policy::Tables;
use cofferdam_policy::profile::{Linkage, Profile};
use serde::Serialize;

use super::decode;
use crate::{launch, program};

/// A denial, explained.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The number of its line in the audit log.
    pub(super) seq: u64,
    /// When.
    pub(super) time: Text,
    /// What the module tried.
    pub(super) tried: String,
    /// Which layer refused it, and what the module met.
    pub(super) refused_by: String,
    /// The policy's own reason.
    pub(super) because: Option<String>,
    /// What would allow it, or that nothing does.
    pub(super) to_allow: String,
    /// The lines to write for that.
    pub(super) add: Vec<Addition>,
    /// The command to run then.
    pub(super) run: Option<String>,
    /// What can go wrong then.
    pub(super) risk: Option<String>,
}

/// Lines to write into a file.
#[derive(Debug, Serialize)]
pub(super) struct Addition {
    /// Which.
    pub(super) file: String,
    /// What.
    pub(super) lines: Vec<String>,
}

/// The subject whose denials are explained, as it is installed now.
pub(super) struct Subject<'s> {
    name: &'s str,
    installation: &'s Installation,
    installed: Option<&'s Installed>,
    profile: Option<Profile>,
    tables: &'s Tables,
    config: String,
}

/// What is said where the policy offers no choice.
const NO_SWITCH: &str = "there is no switch: the policy is the same for every module and compiled in; a module \
                         that needs this asks the core instead (`cofferdam calls` lists what it may ask)";

impl<'s> Subject<'s> {
    /// Finds what is known of it. A module that is not installed any more is explained without its policy.
    pub(super) fn find(
        name: &'s str,
        installation: &'s Installation,
        tables: &'s Tables,
        config: &Path,
    ) -> Self {
        let installed = ModuleName::new(name).ok().and_then(|name| installation.modules.get(&name));
        let profile = match installed {
            Some(installed) => {
                let entry_point = installed.directory.join(installed.manifest.entry_point().as_str());
                Some(installation.profile(installed, linkage(&entry_point), tables))
            }
            None if name == "core" => {
                let core = launch::beside().map(|launcher| launcher.with_file_name("cofferdam"));
                let linkage = core.map_or(Linkage::Static, |core| linkage(&core));
                Some(installation.core_profile(linkage, tables))
            }
            None => None,
        };
        let config = config.display().to_string();
        Self { name, installation, installed, profile, tables, config }
    }

    /// Explains one line of the log; `None` if it is no denial.
    pub(super) fn explain(&self, entry: &Entry) -> Option<Explanation> {
        let Record::Denial { what, .. } = &entry.record else { return None };
        let blank = Explanation {
            seq: entry.seq,
            time: entry.time.clone(),
            tried: String::new(),
            refused_by: String::new(),
            because: None,
            to_allow: NO_SWITCH.to_owned(),
            add: Vec::new(),
            run: None,
            risk: None,
        };
        Some(match what {
            Denial::Api { call, needs } => self.api(blank, call, needs),
            Denial::Syscall { name, number, arguments, verdict } => {
                self.system_call(blank, name, *number, arguments, verdict)
            }
            Denial::Limit { which, detail } => self.limit(blank, *which, detail),
        })
    }

    fn api(&self, blank: Explanation, call: &Text, needs: &Text) -> Explanation {
        let tried = format!("the call {call} of the node API");
        let refused_by = format!("the core: it needs {needs}, which was not granted");
        let Ok(wanted) = needs.as_str().parse::<Capability>() else {
            let to_allow = format!("no capability does; what the operator grants it needs: {needs}");
            return Explanation { tried, refused_by, to_allow, ..blank };
        };
        let note = self.tables.note(wanted);
        let because = note.map(|note| format!("{wanted} lets a module {}; {}", wanted.summary(), note.why));
        let risk = note.map(|note| note.risk.clone());
        let add = self.grant(wanted);
        let run = self.command(wanted);
        let to_allow = match (self.installed, add.is_empty(), run.is_some()) {
            (None, ..) => "it is not installed now: its manifest must declare the capability".to_owned(),
            (Some(_), true, false) => format!("{wanted} is granted now; it counts from the next start on"),
            (Some(_), true, true) => "run this, and start again:".to_owned(),
            (Some(_), false, false) => "write this, and start again:".to_owned(),
            (Some(_), false, true) => "write this, run the command, and start again:".to_owned(),
        };
        Explanation { tried, refused_by, because, to_allow, add, run, risk, ..blank }
    }

    /// What the operator runs to grant what is asked for, or will be asked for when the manifest says so.
    fn command(&self, wanted: Capability) -> Option<String> {
        let name = self.installed?.manifest.name();
        let grant = self.installation.grants.lock.modules.get(name);
        let command = grant_command(name, &self.installation.named);
        match grant {
            Some(grant) if grant.capabilities.contains(wanted) => None,
            Some(grant) if grant.withheld.contains(wanted) => Some(format!("{command} --with {wanted}")),
            Some(_) | None => Some(command),
        }
    }

    /// What must be written where, so that the capability is granted.
    fn grant(&self, wanted: Capability) -> Vec<Addition> {
        let Some(installed) = self.installed else { return Vec::new() };
        let declared = installed.manifest.capabilities();
        let mut add = Vec::new();
        if !declared.contains(wanted) {
            let file = installed.directory.join("module.toml").display().to_string();
            let line = format!("capabilities = {}", with(declared.iter(), wanted));
            add.push(Addition { file, lines: vec![line] });
        }
        let granted = self.installation.config.modules.grants.get(installed.manifest.name());
        if let Some(granted) = granted.filter(|granted| !granted.contains(wanted)) {
            let line = format!("{} = {}", self.name, with(granted.iter(), wanted));
            add.push(Addition {
                file: self.config.clone(),
                lines: vec!["[modules.grants]".to_owned(), line],
            });
        }
        add
    }

    fn system_call(
        &self,
        blank: Explanation,
        name: &Text,
        number: i32,
        arguments: &[Argument; 6],
        verdict: &Verdict,
    ) -> Explanation {
        let tried = format!("the system call {}", decode::call(name.as_str(), arguments));
        let refused_by = match verdict {
            Verdict::Refused(errno) => {
                format!("the system call filter: it returned {errno}, the module went on")
            }
            Verdict::Killed => "the system call filter: the program was killed".to_owned(),
        };
        let because = Some(self.rule(number, arguments));
        Explanation { tried, refused_by, because, ..blank }
    }

    /// The reason that the policy gives for what it decides now.
    fn rule(&self, number: i32, arguments: &[Argument; 6]) -> String {
        let Some(profile) = &self.profile else {
            return "it is not installed now, and its policy cannot be derived".to_owned();
        };
        let arguments = arguments.map(|argument| argument.0);
        let rules = u32::try_from(number).ok().and_then(|number| profile.syscalls.rules.get(&number));
        let clause = rules.and_then(|rules| rules.clauses.iter().find(|clause| clause.applies(&arguments)));
        match clause {
            Some(clause) => {
                let when: Vec<&str> = clause.when.iter().map(|condition| condition.text.as_str()).collect();
                let when =
                    if when.is_empty() { String::new() } else { format!(" where {}", when.join(" and ")) };
                format!("{}{when} ({})", clause.why, clause.file)
            }
            None => {
                "no rule allows it, and what nobody thought of is not allowed (policies/seccomp/module.toml)"
                    .to_owned()
            }
        }
    }

    fn limit(&self, blank: Explanation, which: Limit, detail: &Text) -> Explanation {
        let tried = format!("to use more than its limit of {which}: {detail}");
        let refused_by = match which {
            Limit::Memory => "its cgroup: the kernel killed it",
            Limit::Tasks => "its cgroup: it got an error instead of another thread or process",
            Limit::Cpu => "its cgroup: it had to wait",
            Limit::Output => "the launcher: it did not show all that the module printed",
        };
        let refused_by = refused_by.to_owned();
        let limits = self.profile.as_ref().map(|profile| &profile.limits);
        let larger = limits.and_then(|limits| match which {
            Limit::Memory => {
                let limit = &limits.memory_bytes;
                Some(("memory_bytes", limit.value.saturating_mul(2), &limit.why))
            }
            Limit::Tasks => {
                let limit = &limits.tasks;
                Some(("tasks", u64::from(limit.value).saturating_mul(2), &limit.why))
            }
            Limit::Cpu => {
                let limit = &limits.cpu_percent;
                Some(("cpu_percent", u64::from(limit.value).saturating_mul(2), &limit.why))
            }
            Limit::Output => None,
        });
        match larger {
            Some((key, value, why)) if self.installed.is_some() => {
                let lines = vec![format!("[modules.limits.{}]", self.name), format!("{key} = {value}")];
                Explanation {
                    tried,
                    refused_by,
                    because: Some(why.clone()),
                    to_allow: "twice as much, for example:".to_owned(),
                    add: vec![Addition { file: self.config.clone(), lines }],
                    risk: Some(
                        "a module that uses all of it leaves less to the node and to the others".to_owned(),
                    ),
                    ..blank
                }
            }
            _ => {
                let to_allow = "there is no switch: this limit is compiled in".to_owned();
                Explanation { tried, refused_by, to_allow, ..blank }
            }
        }
    }
}

/// A program that cannot be looked at is taken to be static, as on the audit page.
fn linkage(program: &Path) -> Linkage {
    program::at(program).unwrap_or(Linkage::Static)
}

/// The list with one more, as TOML.
fn with(listed: impl Iterator<Item = Capability>, wanted: Capability) -> String {
    let names: Vec<String> = listed.chain([wanted]).map(|capability| format!("\"{capability}\"")).collect();
    format!("[{}]", names.join(", "))
}
