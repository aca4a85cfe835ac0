//! What each fact means: what it is needed for, and whether nothing runs without it, whether the config may waive it,
//! or whether it is advice only. Pure: facts and config in, findings out.

use std::collections::BTreeSet;

use cofferdam_config::Layer;
use cofferdam_policy::Tables;
use serde::Serialize;

use super::remedy::remedy;
use crate::facts::Facts;

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What.
    pub(crate) name: &'static str,
    /// What it is needed for.
    pub(crate) needed_for: &'static str,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    /// How a config lives without it, where that is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiver: Option<Waiver>,
}

/// What becomes of a thing that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It works.
    Ok,
    /// Everything runs without it, and the host would be safer with it.
    Advice,
    /// It does not work; see the waiver.
    Missing,
    /// It does not work, and nothing runs without it.
    Fatal,
}

/// A name of `sandbox.allow_missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Waiver {
    /// The name.
    pub(crate) layer: &'static str,
    /// What a module can do then.
    pub(crate) weakens: String,
    /// Whether the config has it.
    pub(crate) allowed: bool,
}

impl Finding {
    /// Whether it keeps modules from running with this config.
    pub(crate) fn stops(&self) -> bool {
        match self.verdict {
            Verdict::Ok | Verdict::Advice => false,
            Verdict::Missing => !self.waiver.as_ref().is_some_and(|waiver| waiver.allowed),
            Verdict::Fatal => true,
        }
    }
}

/// How much depends on a thing.
#[derive(Clone, Copy)]
enum Weight {
    Needed,
    Layer(Layer),
    Advice,
}

use Weight::{Advice, Needed};

/// What was tried by doing, in the order of the report.
const TRIED: &[(&str, Weight, &str)] = &[
    ("user_namespaces", Needed, "an identity of its own for each module"),
    ("mount_namespace", Needed, "a file tree of its own for each module"),
    ("pid_namespace", Needed, "hiding all other processes from a module"),
    ("net_namespace", Needed, "keeping modules off every network"),
    ("ipc_namespace", Needed, "keeping modules off shared memory of others"),
    ("uts_namespace", Needed, "hiding the host's name"),
    ("cgroup_namespace", Needed, "hiding the host's cgroups"),
    ("root_file_system", Needed, "a root that holds a module's data directory and nothing else"),
    ("landlock", Weight::Layer(Layer::Landlock), "the second wall around files"),
    ("landlock_network", Weight::Layer(Layer::LandlockNetwork), "the second wall before TCP"),
    (
        "landlock_scope",
        Weight::Layer(Layer::LandlockScope),
        "the second wall before signals and abstract sockets",
    ),
    ("seccomp", Needed, "refusing system calls and telling the operator which"),
    (
        "memory_deny_write_execute",
        Weight::Layer(Layer::MemoryDenyWriteExecute),
        "no code that was written at run time",
    ),
    ("no_new_privs", Needed, "no rights by executing a program"),
    ("clone3", Needed, "starting a module inside its walls"),
    ("pidfd", Needed, "killing the right process, always"),
    ("memfd_exec", Needed, "running exactly the program that was looked at"),
    ("openat2", Needed, "opening programs without following links"),
    ("close_range", Needed, "handing a module its descriptors and no other"),
    ("keyring", Needed, "not handing the operator's keys to a module"),
    ("cgroup", Weight::Layer(Layer::Cgroup), "limits of memory, processor time and tasks"),
    ("descriptors", Needed, "some forty descriptors for each module"),
    ("launch", Needed, "the start of any module"),
    ("state_dir", Needed, "the core's state, the lock and the audit log"),
    ("state_dir_lasts", Advice, "keeping the audit log and the modules' databases"),
    ("data_dir", Needed, "the modules' own files"),
    ("data_dir_lasts", Advice, "keeping the modules' own files"),
    ("disk_quota", Weight::Layer(Layer::DiskQuota), "limits of what modules that write files can fill"),
    ("room", Advice, "room for the audit log, and for every launch, whatever modules keep"),
];

/// What only root has.
const UIDS: (&str, Weight, &str) = ("uids", Needed, "a host uid of its own for each module");

/// A setting, whether a value of it is a good one, and what for.
type Hardening = (&'static str, fn(&str) -> bool, &'static str);

/// Settings that harden the host beyond what modules meet: a module is kept from each by its system call rules.
const HARDENING: &[Hardening] = &[
    (
        "kernel.yama.ptrace_scope",
        |value| value != "0",
        "keeping processes of one user from each other's memory",
    ),
    ("kernel.unprivileged_bpf_disabled", |value| value != "0", "a smaller kernel for a local attacker"),
    ("kernel.kptr_restrict", |value| value != "0", "hiding kernel addresses"),
    ("kernel.dmesg_restrict", |value| value != "0", "hiding the kernel's log"),
    ("vm.unprivileged_userfaultfd", |value| value == "0", "a smaller kernel for a local attacker"),
    ("kernel.core_pattern", |value| !value.starts_with('|'), "no program of root's fed by what crashes"),
];

/// Judges what was found against what this config allows to be missing.
pub(crate) fn judge(facts: &Facts, allowed: &BTreeSet<Layer>, tables: &Tables) -> Vec<Finding> {
    let uids = facts.is_root().then_some(UIDS);
    let tried = TRIED.iter().copied().chain(uids);
    let mut findings: Vec<Finding> = vec![kernel(facts)];
    findings.extend(tried.map(|(name, weight, needed_for)| {
        let found = facts.of(name);
        let waiver = match weight {
            Weight::Layer(layer) => waiver(layer, tables, allowed),
            Needed | Advice => None,
        };
        finding(name, weight, needed_for, found, waiver, facts)
    }));
    findings.extend(HARDENING.iter().filter_map(|(name, is_well, needed_for)| {
        let value = facts.setting(name)?;
        let found = if is_well(value) { Ok(value.to_owned()) } else { Err(format!("it is {value}")) };
        Some(finding(name, Advice, needed_for, found, None, facts))
    }));
    findings
}

fn kernel(facts: &Facts) -> Finding {
    finding("kernel", Needed, "all of it", facts.of("kernel"), None, facts)
}

fn waiver(layer: Layer, tables: &Tables, allowed: &BTreeSet<Layer>) -> Option<Waiver> {
    let weakening = tables.weakening(layer.as_str())?;
    Some(Waiver {
        layer: layer.as_str(),
        weakens: weakening.consequence.clone(),
        allowed: allowed.contains(&layer),
    })
}

fn finding(
    name: &'static str,
    weight: Weight,
    needed_for: &'static str,
    found: Result<String, String>,
    waiver: Option<Waiver>,
    facts: &Facts,
) -> Finding {
    match found {
        Ok(seen) => Finding { name, needed_for, verdict: Verdict::Ok, seen, remedy: None, waiver: None },
        Err(seen) => {
            let verdict = match weight {
                Needed => Verdict::Fatal,
                Weight::Layer(_) => Verdict::Missing,
                Advice => Verdict::Advice,
            };
            let remedy = Some(remedy(name, &seen, facts));
            Finding { name, needed_for, verdict, seen, remedy, waiver }
        }
    }
}

#[cfg(test)]
mod tests;
