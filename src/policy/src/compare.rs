//! Compares two profiles: what the new one allows that the old one did not, and the reverse.
//!
//! Pure. It compares meaning and not words: a rule that only says another reason is no difference. Where it cannot
//! tell in which direction two rules differ it never calls that less.

mod syscalls;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::profile::{
    Access, CoreLimits, Descriptor, DirectoryRule, Limit, Linkage, Network, Profile, Resource, Subject,
};

/// All differences of two profiles, in the order of the page's sections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Each, once.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Where the page tells of it.
    pub section: Section,
    /// What differs: a capability's name, a system call with its conditions, a limit.
    pub what: String,
    /// What the old profile says; `None`: nothing.
    pub old: Option<String>,
    /// What the new profile says; `None`: nothing.
    pub new: Option<String>,
    /// What that means.
    pub direction: Direction,
}

/// The sections of a profile, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Whom it confines, and how the program is linked.
    Subject,
    /// What it may ask of the core.
    Capabilities,
    /// The event types it may publish.
    Events,
    /// Directories.
    Files,
    /// Networks.
    Network,
    /// System calls.
    SystemCalls,
    /// Limits.
    Limits,
    /// Namespaces.
    Privileges,
    /// Descriptors, environment and arguments.
    Inherits,
    /// Layers that may be missing.
    WeakenedBy,
}

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The new profile allows what the old one did not.
    More,
    /// The new profile no longer allows what the old one did.
    Less,
    /// They differ, and neither allows more.
    Neither,
}

impl Direction {
    const fn mirrored(self) -> Self {
        match self {
            Self::More => Self::Less,
            Self::Less => Self::More,
            Self::Neither => Self::Neither,
        }
    }
}

impl Difference {
    /// Whether the new profile allows anything that the old one did not.
    #[must_use]
    pub fn allows_more(&self) -> bool {
        self.changes.iter().any(|change| change.direction == Direction::More)
    }

    /// The same difference seen from the other side.
    #[must_use]
    pub fn mirrored(self) -> Self {
        let turned = self.changes.into_iter().map(|change| Change {
            old: change.new,
            new: change.old,
            direction: change.direction.mirrored(),
            ..change
        });
        sorted(turned.collect())
    }
}

/// What `new` allows that `old` does not, and the reverse.
#[must_use]
pub fn compare(old: &Profile, new: &Profile) -> Difference {
    let mut changes = Changes::default();
    subject(&mut changes, old, new);
    names(
        &mut changes,
        Section::Capabilities,
        ("granted", Direction::More),
        [&old.granted, &new.granted].map(text),
    );
    names(
        &mut changes,
        Section::Capabilities,
        ("asked for, not granted", Direction::Neither),
        [&old.withheld, &new.withheld].map(text),
    );
    names(
        &mut changes,
        Section::Events,
        ("may publish it", Direction::More),
        [&old.publishes, &new.publishes].map(text),
    );
    changes.section(Section::Files, files(old), files(new));
    changes.section(Section::Network, network(old), network(new));
    changes.all.extend(syscalls::compare(&old.syscalls, &new.syscalls));
    limits(&mut changes, old, new);
    namespaces(&mut changes, old, new);
    changes.section(Section::Inherits, descriptors(old), descriptors(new));
    inherits(&mut changes, old, new);
    changes.section(Section::WeakenedBy, weakened(old), weakened(new));
    sorted(changes.all)
}

/// In an order that does not depend on which of the two is the old one.
fn sorted(mut changes: Vec<Change>) -> Difference {
    changes.sort_by(|one, other| {
        let key = |change: &Change| {
            let (old, new) = (change.old.clone(), change.new.clone());
            let pair = if old <= new { (old, new) } else { (new, old) };
            (change.section, change.what.clone(), pair, change.direction)
        };
        key(one).cmp(&key(other))
    });
    changes.dedup();
    Difference { changes }
}

#[derive(Default)]
struct Changes {
    all: Vec<Change>,
}

impl Changes {
    fn add(&mut self, section: Section, what: &str, [old, new]: [Option<String>; 2], direction: Direction) {
        if old != new {
            self.all.push(Change { section, what: what.to_owned(), old, new, direction });
        }
    }

    /// Each entry is a permission: to have it is more, and one that says something else is another permission.
    fn section(&mut self, section: Section, old: BTreeMap<String, String>, new: BTreeMap<String, String>) {
        for what in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let pair = [old.get(what).cloned(), new.get(what).cloned()];
            match &pair {
                [Some(_), None] => self.add(section, what, pair, Direction::Less),
                [None, Some(_)] => self.add(section, what, pair, Direction::More),
                [Some(before), Some(after)] if before != after => {
                    self.add(section, what, [Some(before.clone()), None], Direction::Less);
                    self.add(section, what, [None, Some(after.clone())], Direction::More);
                }
                [Some(_), Some(_)] | [None, None] => {}
            }
        }
    }

    /// A number that the program may take up to; none: as much as the host gives.
    fn limit(&mut self, what: &str, old: Option<u64>, new: Option<u64>) {
        let most = |limit: Option<u64>| limit.map_or(u128::MAX, u128::from);
        let direction = if most(new) > most(old) { Direction::More } else { Direction::Less };
        self.add(
            Section::Limits,
            what,
            [old, new].map(|limit| limit.map(|limit| limit.to_string())),
            direction,
        );
    }

    fn neither(&mut self, section: Section, what: &str, pair: [String; 2]) {
        self.add(section, what, pair.map(Some), Direction::Neither);
    }
}

fn text<T: ToString>(names: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

/// Names of which more is `gained`.
fn names(
    changes: &mut Changes,
    section: Section,
    (what_it_has, gained): (&str, Direction),
    [old, new]: [BTreeSet<String>; 2],
) {
    for name in old.symmetric_difference(&new) {
        let has = |names: &BTreeSet<String>| names.contains(name).then(|| what_it_has.to_owned());
        let direction = if new.contains(name) { gained } else { gained.mirrored() };
        changes.add(section, name, [has(&old), has(&new)], direction);
    }
}

fn subject(changes: &mut Changes, old: &Profile, new: &Profile) {
    let version = |profile: &Profile| match &profile.subject {
        Subject::Module { version, .. } => version.clone(),
        Subject::Core => String::new(),
    };
    let linkage = |profile: &Profile| match profile.linkage {
        Linkage::Static => "static".to_owned(),
        Linkage::Dynamic => "dynamic".to_owned(),
    };
    let both = [old, new];
    changes.neither(Section::Subject, "name", both.map(|profile| profile.subject.label().to_owned()));
    changes.neither(Section::Subject, "version", both.map(version));
    changes.neither(Section::Subject, "linkage", both.map(linkage));
}

/// What may be done below each directory, one right an entry.
fn files(profile: &Profile) -> BTreeMap<String, String> {
    let directories = profile.directories();
    let rights = |rule: &DirectoryRule| -> &[&str] {
        match rule.access {
            Access::ReadWrite => &["read", "write, create, remove and rename"],
            Access::Read => &["read"],
            Access::ReadExecute => &["read", "execute"],
        }
    };
    let entry =
        |rule: &DirectoryRule, right: &str| (format!("{}: {right}", rule.inside), "allowed".to_owned());
    directories.flat_map(|rule| rights(rule).iter().map(move |right| entry(rule, right))).collect()
}

fn network(profile: &Profile) -> BTreeMap<String, String> {
    let mut reach = BTreeMap::new();
    if let Network::Host { connect_ports, .. } = &profile.network {
        reach.insert("the host's network".to_owned(), "reached".to_owned());
        reach.extend(connect_ports.iter().map(|port| (format!("TCP port {port}"), "connects".to_owned())));
    }
    if let Some(interface) = &profile.interface {
        reach.insert(format!("connections to {}", interface.address), "accepts".to_owned());
    }
    reach
}

fn limits(changes: &mut Changes, old: &Profile, new: &Profile) {
    let of = |value: u64, other: u64| (Some(value), Some(other));
    let (before, after) = (&old.limits, &new.limits);
    let (memory, memory_after) = of(before.memory_bytes.value, after.memory_bytes.value);
    changes.limit("memory_bytes", memory, memory_after);
    let small = |limit: &Limit<u32>| Some(u64::from(limit.value));
    changes.limit("cpu_percent", small(&before.cpu_percent), small(&after.cpu_percent));
    changes.limit("cpu_weight", small(&before.cpu_weight), small(&after.cpu_weight));
    changes.limit("tasks", small(&before.tasks), small(&after.tasks));
    disk(changes, old, new);
    let [before, after] = [old, new].map(resources);
    for resource in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let what = format!("RLIMIT_{resource:?}").to_uppercase();
        changes.limit(&what, before.get(resource).copied(), after.get(resource).copied());
    }
    let [before, after] = [old, new].map(|profile| profile.core_limits.as_ref().map(of_the_core));
    for at in 0..CORE_LIMITS.len() {
        let Some(what) = CORE_LIMITS.get(at) else { continue };
        let value = |limits: &Option<[u64; 6]>| limits.as_ref().and_then(|limits| limits.get(at)).copied();
        changes.limit(what, value(&before), value(&after));
    }
}

/// Who may write no file has the strictest limit; who may, and has none, has no limit.
fn disk(changes: &mut Changes, old: &Profile, new: &Profile) {
    let values = |profile: &Profile| match (&profile.limits.disk, profile.data.access) {
        (Some(disk), _) => [Some(disk.bytes.value), Some(disk.files.value)],
        (None, Access::ReadWrite) => [None, None],
        (None, Access::Read | Access::ReadExecute) => [Some(0), Some(0)],
    };
    let ([bytes, files], [bytes_after, files_after]) = (values(old), values(new));
    changes.limit("disk_bytes", bytes, bytes_after);
    changes.limit("disk_files", files, files_after);
}

fn resources(profile: &Profile) -> BTreeMap<Resource, u64> {
    profile.rlimits.iter().map(|rule| (rule.resource, rule.value)).collect()
}

const CORE_LIMITS: [&str; 6] =
    ["calls_per_second", "call_burst", "storage_bytes", "storage_keys", "file_bytes", "file_count"];

/// In the order of [`CORE_LIMITS`].
fn of_the_core(limits: &CoreLimits) -> [u64; 6] {
    [
        u64::from(limits.calls_per_second.value),
        u64::from(limits.call_burst.value),
        limits.storage_bytes.value,
        limits.storage_keys.value,
        limits.file_bytes.value,
        limits.file_count.value,
    ]
}

/// A namespace of its own is a wall: without it there is more to reach.
fn namespaces(changes: &mut Changes, old: &Profile, new: &Profile) {
    let [before, after] =
        [old, new].map(|profile| text(profile.namespaces.iter().map(|rule| rule.namespace.as_str())));
    names(changes, Section::Privileges, ("a namespace of its own", Direction::Less), [before, after]);
}

fn descriptors(profile: &Profile) -> BTreeMap<String, String> {
    let what = |descriptor| match descriptor {
        Descriptor::Null => "an input at its end",
        Descriptor::Log => "log",
        Descriptor::Ipc => "connection to the core",
        Descriptor::Control => "connection to the launcher",
    };
    let entry = |rule: &crate::profile::DescriptorRule| {
        (format!("descriptor {}", rule.number), what(rule.what).to_owned())
    };
    profile.descriptors.iter().map(entry).collect()
}

fn inherits(changes: &mut Changes, old: &Profile, new: &Profile) {
    let [before, after] = [old, new].map(|profile| -> BTreeMap<&str, &str> {
        profile.environment.iter().map(|rule| (rule.name.as_str(), rule.value.as_str())).collect()
    });
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let value =
            |environment: &BTreeMap<&str, &str>| environment.get(name).map(|value| (*value).to_owned());
        let what = format!("environment {name}");
        changes.add(Section::Inherits, &what, [value(&before), value(&after)], Direction::Neither);
    }
    changes.neither(Section::Inherits, "arguments", [old, new].map(|profile| profile.arguments.join(" ")));
}

fn weakened(profile: &Profile) -> BTreeMap<String, String> {
    profile
        .weakened_by
        .iter()
        .map(|weakening| (weakening.layer.clone(), weakening.consequence.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
