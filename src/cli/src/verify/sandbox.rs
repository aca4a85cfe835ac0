//! Everything but system calls: descriptors, mounts, paths, namespaces, interfaces, limits, rights. What the page does
//! not list must not be there.

use std::collections::BTreeMap;

use cofferdam_policy::profile::{
    Access, Descriptor, DirectoryRule, Namespace, Network, Profile, Resource, RlimitRule,
};

use super::Verdict;
use crate::facts::Facts;

/// What the page says of something that it does not list.
const NOT_THERE: &str = "not there";

/// What the page lists and was not found.
const MISSING: Result<&str, &str> = Err("it is not there");

pub(super) fn compare(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    exactly(verdict, "descriptor ", &descriptors(claimed), facts);
    mounts(verdict, claimed, facts);
    paths(verdict, claimed, facts);
    exactly(verdict, "namespace ", &namespaces(claimed), facts);
    interfaces(verdict, claimed, facts);
    limits(verdict, claimed, facts);
    cgroup(verdict, claimed, facts);
    disk(verdict, claimed, facts);
    rights(verdict, facts);
}

/// What was found of a kind is exactly what is claimed of it.
fn exactly(verdict: &mut Verdict, kind: &str, claimed: &BTreeMap<String, String>, facts: &Facts) {
    let found: BTreeMap<&str, _> = facts.all(kind).collect();
    for (name, value) in claimed {
        verdict.compare(format!("{kind}{name}"), value, found.get(name.as_str()).copied().unwrap_or(MISSING));
    }
    for (name, value) in found.into_iter().filter(|(name, _)| !claimed.contains_key(*name)) {
        verdict.compare(format!("{kind}{name}"), NOT_THERE, value);
    }
}

fn descriptors(claimed: &Profile) -> BTreeMap<String, String> {
    let kind = |what| match what {
        Descriptor::Null | Descriptor::Log => "pipe",
        Descriptor::Ipc | Descriptor::Control => "socket",
    };
    claimed.descriptors.iter().map(|rule| (rule.number.to_string(), kind(rule.what).to_owned())).collect()
}

fn namespaces(claimed: &Profile) -> BTreeMap<String, String> {
    let owned = |namespace: &Namespace| claimed.namespaces.iter().any(|rule| rule.namespace == *namespace);
    let of = |namespace: &Namespace| {
        let whose = if owned(namespace) { "own" } else { "the launcher's" };
        (namespace.as_str().to_owned(), whose.to_owned())
    };
    Namespace::ALL.iter().map(of).collect()
}

fn directories(claimed: &Profile) -> impl Iterator<Item = &DirectoryRule> {
    claimed.directories()
}

/// The root, and one mount for each directory, each with its options.
fn mounts(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    let mut expected: BTreeMap<&str, &[&str]> =
        BTreeMap::from([("/", &["ro", "nosuid", "nodev", "noexec"][..])]);
    for rule in directories(claimed) {
        let options: &[&str] = match rule.access {
            Access::ReadWrite => &["rw", "nosuid", "nodev", "noexec"],
            Access::Read => &["ro", "nosuid", "nodev", "noexec"],
            Access::ReadExecute => &["ro", "nosuid", "nodev"],
        };
        expected.insert(&rule.inside, options);
    }
    let found: BTreeMap<&str, _> = facts.all("mount ").collect();
    for (point, wanted) in &expected {
        let options = found.get(point).copied().unwrap_or(MISSING);
        let has_all = options.is_ok_and(|options| {
            wanted.iter().all(|option| options.split(',').any(|found| found == *option))
        });
        let claim = wanted.join(",");
        verdict.compare(format!("mount {point}"), &claim, if has_all { Ok(&claim) } else { options });
    }
    for (point, options) in found.into_iter().filter(|(point, _)| !expected.contains_key(point)) {
        verdict.compare(format!("mount {point}"), NOT_THERE, options);
    }
}

/// A path that exists is a directory of the page, lies in one, or leads to one.
fn paths(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    let mut seen_data = false;
    for (path, found) in facts.all("path") {
        let path = path.trim_start();
        seen_data |= path == claimed.data.inside;
        verdict.compare(format!("path {path}"), at(claimed, path), found);
    }
    if !seen_data {
        verdict.compare(format!("path {}", claimed.data.inside), at(claimed, &claimed.data.inside), MISSING);
    }
}

fn at(claimed: &Profile, path: &str) -> &'static str {
    let below = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(rule) = directories(claimed).find(|rule| below(path, &rule.inside)) {
        return match rule.access {
            Access::ReadWrite => "write",
            Access::Read | Access::ReadExecute => "read",
        };
    }
    if directories(claimed).any(|rule| below(&rule.inside, path)) { "read" } else { NOT_THERE }
}

fn interfaces(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    if let Network::None { .. } = claimed.network {
        // The kernel gives every network namespace a loopback; it is down.
        let loopback = BTreeMap::from([("lo".to_owned(), "there".to_owned())]);
        exactly(verdict, "interface ", &loopback, facts);
    }
    if let Err(why) = facts.of("interfaces")
        && facts.all("interface ").next().is_none()
    {
        verdict.compare("interfaces", "seen", Err(&why));
    }
}

fn limits(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    for rule in &claimed.rlimits {
        let name = name_of(rule);
        let value = rule.value.to_string();
        let found = facts.of(&format!("limit {name}"));
        // A launcher whose own hard limit is lower passes that one on: it is stricter.
        let holds = found.as_deref().is_ok_and(|found| {
            let mut values = found.split(' ').map(|value| value.parse::<u64>());
            let within =
                |value: Option<Result<u64, _>>| matches!(value, Some(Ok(value)) if value <= rule.value);
            within(values.next()) && within(values.next())
        });
        // Before Linux 5.14 it would count every process of the user; then the cgroup's limit holds alone.
        let is_left_out =
            rule.resource == Resource::Nproc && facts.of("task limit").as_deref() == Ok("left to the cgroup");
        let found = found.as_deref().map_err(String::as_str);
        verdict.compare(
            format!("limit {name}"),
            &value,
            if holds || is_left_out { Ok(&value) } else { found },
        );
    }
}

/// The limits of its cgroup. One that the page lets be missing need not be there; if it is, it has these limits.
fn cgroup(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    /// The kernel keeps whole pages, and the launcher rounds down.
    const PAGE_BYTES: u64 = 4096;
    let may_be_missing = claimed.weakened_by.iter().any(|weakening| weakening.layer == "cgroup");
    if may_be_missing && facts.all("cgroup ").next().is_none() {
        return;
    }
    let limits = &claimed.limits;
    let memory = limits.memory_bytes.value / PAGE_BYTES * PAGE_BYTES;
    let claims = [
        ("memory_bytes", memory),
        ("cpu_percent", u64::from(limits.cpu_percent.value)),
        ("cpu_weight", u64::from(limits.cpu_weight.value)),
        ("tasks", u64::from(limits.tasks.value)),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_string()));
    exactly(verdict, "cgroup ", &claims.into(), facts);
}

/// What it may fill. What the page lets be missing need not be there; if it is, it has these limits.
fn disk(verdict: &mut Verdict, claimed: &Profile, facts: &Facts) {
    /// The kernel keeps whole units of 1024 bytes, and the launcher rounds down.
    const BLOCK_BYTES: u64 = 1024;
    let may_be_missing = claimed.weakened_by.iter().any(|weakening| weakening.layer == "disk_quota");
    if may_be_missing && facts.all("disk ").next().is_none() {
        return;
    }
    let claims = claimed.limits.disk.iter().flat_map(|disk| {
        let bytes = disk.bytes.value / BLOCK_BYTES * BLOCK_BYTES;
        [("bytes", bytes), ("files", disk.files.value)]
    });
    let claims = claims.map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    exactly(verdict, "disk ", &claims, facts);
}

/// The names of proc_pid_limits(5).
fn name_of(rule: &RlimitRule) -> &'static str {
    match rule.resource {
        Resource::Nofile => "Max open files",
        Resource::Core => "Max core file size",
        Resource::Fsize => "Max file size",
        Resource::Memlock => "Max locked memory",
        Resource::Msgqueue => "Max msgqueue size",
        Resource::Sigpending => "Max pending signals",
        Resource::Nice => "Max nice priority",
        Resource::Rtprio => "Max realtime priority",
        Resource::Nproc => "Max processes",
    }
}

/// No Linux capability, none to be gained, a filter in force, and not root.
fn rights(verdict: &mut Verdict, facts: &Facts) {
    let none = "0000000000000000";
    for (name, value) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("CapInh", none),
        ("CapPrm", none),
        ("CapEff", none),
        ("CapBnd", none),
    ] {
        let found = facts.of(&format!("status {name}"));
        verdict.compare(format!("status {name}"), value, found.as_deref().map_err(String::as_str));
    }
    for name in ["Uid", "Gid"] {
        let found = facts.of(&format!("status {name}"));
        let is_root = found.as_deref().map_or(true, |ids| ids.split(' ').any(|id| id == "0"));
        let claim = "an unprivileged one";
        let found = found.as_deref().map_err(String::as_str);
        verdict.compare(format!("status {name}"), claim, if is_root { found } else { Ok(claim) });
    }
}
