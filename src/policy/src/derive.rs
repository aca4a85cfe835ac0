//! From a manifest, what the operator decided and the policy to a complete profile. It is a total function:
//! whatever could be wrong was refused when its inputs were parsed. More capabilities never take anything
//! away, fewer never add anything, and of a module's walls they decide one: whether it may write in its own
//! directory.

use crate::profile::{
    Access, CoreLimits, DirectoryRule, DiskLimits, EnvironmentRule, InterfaceRule, Limit, Limits, Linkage,
    ModuleFilesRule, Namespace, NamespaceRule, Network, Profile, Resource, RlimitRule, Subject,
    SyscallPolicy, Weakening,
};
use crate::tables::{CoreReach, Reach, Tables, Template};
use cofferdam_manifest::{Capability, CapabilitySet, ConfigKey, EventName, Manifest, ModuleName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The reason of a limit that is not the policy's.
const SET_BY_OPERATOR: &str = "set by the operator's config";

/// The reason of the resource limit that repeats the cgroup's.
const TASKS_AGAIN: &str = "a second wall behind the cgroup's task limit, and the only one where the cgroup is \
    allowed to be missing; a kernel before 5.14 counts what else the same uid of the host runs too";

/// The layer that concerns only who writes files.
const DISK_QUOTA: &str = "disk_quota";

/// What the operator grants a module. Granting what it did not declare grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Grants {
    /// All it declares.
    #[default]
    AsDeclared,
    /// What it declares and this set holds.
    Only(CapabilitySet),
}

impl From<Option<CapabilitySet>> for Grants {
    fn from(grants: Option<CapabilitySet>) -> Self {
        grants.map_or(Self::AsDeclared, Self::Only)
    }
}

/// Limits that the operator sets instead of the policy's; `None`: the policy's stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time in percent of one core.
    pub cpu_percent: Option<u32>,
    /// Threads and processes.
    pub tasks: Option<u32>,
    /// Open descriptors (RLIMIT_NOFILE).
    pub descriptors: Option<u32>,
    /// Calls to the core per second.
    pub calls_per_second: Option<u32>,
    /// Bytes in its database.
    pub storage_bytes: Option<u64>,
    /// Keys in its database.
    pub storage_keys: Option<u64>,
    /// Bytes in the data directory of one that may write there.
    pub disk_bytes: Option<u64>,
    /// Files and directories there.
    pub disk_files: Option<u64>,
    /// Bytes of files that the core writes for it.
    pub file_bytes: Option<u64>,
    /// Files and directories that the core makes for it.
    pub file_count: Option<u64>,
}

/// What the operator decided about one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Its capabilities.
    pub grants: Grants,
    /// The event types it may publish of those it declares; `None`: all of these.
    pub publishes: Option<BTreeSet<EventName>>,
    /// System calls that it is refused, by name, though the policy allows them. Those that it does not are no matter.
    pub refuse_calls: BTreeSet<String>,
    /// Its limits.
    pub overrides: Overrides,
    /// Its settings, which become `MODULE_CONFIG_<KEY>`.
    pub settings: BTreeMap<ConfigKey, String>,
    /// Layers that may be missing, from [`Tables::weakening`].
    pub weakened_by: Vec<Weakening>,
}

/// What the host core needs besides the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreNeeds {
    /// The TCP ports of the node; empty: there is no node to connect to, and the core gets no network.
    pub connect_ports: BTreeSet<u16>,
    /// Where the launcher listens for the operator's tools, if it does.
    pub interface: Option<SocketAddr>,
    /// The quotas of modules with a database, in bytes.
    pub databases: Vec<u64>,
    /// The modules whose files it reads and writes for them: those with a profile that says so.
    pub files_of: BTreeSet<ModuleName>,
    /// Its limits.
    pub overrides: Overrides,
    /// Layers that may be missing, from [`Tables::weakening`].
    pub weakened_by: Vec<Weakening>,
}

/// The profile of a module.
#[must_use]
pub fn derive(manifest: &Manifest, decisions: &Decisions, linkage: Linkage, tables: &Tables) -> Profile {
    let declared = manifest.capabilities();
    let granted = match &decisions.grants {
        Grants::AsDeclared => declared.clone(),
        Grants::Only(set) => declared.intersection(set),
    };
    let name = manifest.name().clone();
    let (Reach::None { why } | Reach::Node { without_ports: why, .. }) = &tables.module.network;
    assemble(Parts {
        template: &tables.module,
        subject: Subject::Module { name, version: manifest.version().to_string() },
        linkage,
        extra_namespace: None,
        data: match &tables.module.data_without {
            Some(without) if !granted.contains(without.needed) => &without.rule,
            Some(_) | None => &tables.module.data,
        },
        network: Network::None { why: why.clone() },
        interface: None,
        module_files: Vec::new(),
        syscalls: &tables.calls.module(linkage).without(&decisions.refuse_calls),
        publishes: publishes(manifest, &granted, decisions.publishes.as_ref()),
        withheld: declared.difference(&granted),
        granted,
        settings: &decisions.settings,
        overrides: &decisions.overrides,
        weakened_by: &decisions.weakened_by,
    })
}

/// The profile of the host core.
#[must_use]
pub fn derive_core(needs: &CoreNeeds, linkage: Linkage, tables: &Tables) -> Profile {
    let ports: Vec<u16> = needs.connect_ports.iter().copied().collect();
    let (network, extra_namespace) = match &tables.core.network {
        Reach::Node { why, .. } if !ports.is_empty() => {
            (Network::Host { connect_ports: ports, why: why.clone() }, None)
        }
        Reach::None { why } | Reach::Node { without_ports: why, .. } => {
            let namespace = NamespaceRule { namespace: Namespace::Net, why: why.clone() };
            (Network::None { why: why.clone() }, Some(namespace))
        }
    };
    let interface = needs.interface.zip(tables.core.interface_why.clone());
    let reach = CoreReach {
        node: matches!(network, Network::Host { .. }),
        interface: interface.is_some(),
        files: !needs.files_of.is_empty() && tables.core.module_files.is_some(),
    };
    let module_files = tables.core.module_files.iter().flat_map(|rule| {
        let below = |module: &ModuleName| ModuleFilesRule {
            module: module.clone(),
            directory: DirectoryRule { inside: format!("{}/{module}", rule.inside), ..rule.clone() },
        };
        needs.files_of.iter().map(below)
    });
    let mut template = tables.core.clone();
    template.limits.memory_bytes = with_databases(&tables.core, &needs.databases);
    assemble(Parts {
        template: &template,
        subject: Subject::Core,
        linkage,
        extra_namespace,
        data: &template.data,
        network,
        interface: interface.map(|(address, why)| InterfaceRule { address, why }),
        module_files: module_files.collect(),
        syscalls: tables.calls.core(reach, linkage),
        publishes: BTreeSet::new(),
        withheld: CapabilitySet::new(),
        granted: CapabilitySet::new(),
        settings: &BTreeMap::new(),
        overrides: &needs.overrides,
        weakened_by: &needs.weakened_by,
    })
}

/// What a profile is made of.
struct Parts<'p> {
    template: &'p Template,
    subject: Subject,
    linkage: Linkage,
    extra_namespace: Option<NamespaceRule>,
    data: &'p DirectoryRule,
    network: Network,
    interface: Option<InterfaceRule>,
    module_files: Vec<ModuleFilesRule>,
    syscalls: &'p SyscallPolicy,
    granted: CapabilitySet,
    withheld: CapabilitySet,
    publishes: BTreeSet<EventName>,
    settings: &'p BTreeMap<ConfigKey, String>,
    overrides: &'p Overrides,
    weakened_by: &'p [Weakening],
}

fn assemble(parts: Parts<'_>) -> Profile {
    let template = parts.template;
    let label = parts.subject.label();
    let mut namespaces = template.namespaces.clone();
    namespaces.extend(parts.extra_namespace);
    namespaces.sort_by_key(|rule| rule.namespace);
    namespaces.dedup_by_key(|rule| rule.namespace);
    let limits = limits(&template.limits, parts.data.access, parts.overrides);
    let weakens = |weakening: &&Weakening| weakening.layer != DISK_QUOTA || limits.disk.is_some();
    let weakened_by = parts.weakened_by.iter().filter(weakens).cloned().collect();
    Profile {
        arguments: template.arguments.iter().map(|text| text.replace("{name}", label)).collect(),
        linkage: parts.linkage,
        namespaces,
        data: parts.data.clone(),
        libraries: match parts.linkage {
            Linkage::Static => Vec::new(),
            Linkage::Dynamic => template.libraries.clone(),
        },
        network: parts.network,
        interface: parts.interface,
        module_files: parts.module_files,
        syscalls: parts.syscalls.clone(),
        rlimits: [tasks_again(&limits)]
            .into_iter()
            .chain(template.rlimits.iter().map(|rule| rlimit(rule, parts.overrides)))
            .collect(),
        limits,
        core_limits: template.core_limits.as_ref().map(|policy| core_limits(policy, parts.overrides)),
        environment: environment(template, parts.settings),
        descriptors: template.descriptors.clone(),
        granted: parts.granted,
        publishes: parts.publishes,
        withheld: parts.withheld,
        weakened_by,
        subject: parts.subject,
    }
}

/// The event types that a module may publish: declared, allowed by the operator, and only with the capability.
fn publishes(
    manifest: &Manifest,
    granted: &CapabilitySet,
    allowed: Option<&BTreeSet<EventName>>,
) -> BTreeSet<EventName> {
    if !granted.contains(Capability::PublishEvents) {
        return BTreeSet::new();
    }
    let is_allowed = |name: &&EventName| allowed.is_none_or(|allowed| allowed.contains(*name));
    manifest.publish_events().iter().filter(is_allowed).cloned().collect()
}

/// A burst follows the rate that the operator set: a second's worth.
fn core_limits(policy: &CoreLimits, overrides: &Overrides) -> CoreLimits {
    CoreLimits {
        calls_per_second: limit(&policy.calls_per_second, overrides.calls_per_second),
        call_burst: limit(&policy.call_burst, overrides.calls_per_second),
        storage_bytes: limit(&policy.storage_bytes, overrides.storage_bytes),
        storage_keys: limit(&policy.storage_keys, overrides.storage_keys),
        file_bytes: limit(&policy.file_bytes, overrides.file_bytes),
        file_count: limit(&policy.file_count, overrides.file_count),
    }
}

/// The core's memory: its own, and that of the databases, which keep their content in memory.
fn with_databases(core: &Template, quotas: &[u64]) -> Limit<u64> {
    let own = &core.limits.memory_bytes;
    let Some(each) = core.memory_per_database.as_ref().filter(|_| !quotas.is_empty()) else {
        return own.clone();
    };
    let databases = quotas.iter().map(|quota| quota.saturating_add(each.value));
    let value = databases.fold(own.value, u64::saturating_add);
    Limit { value, why: format!("{}; {}", own.why, each.why) }
}

fn limits(policy: &Limits, data: Access, overrides: &Overrides) -> Limits {
    let disk = policy.disk.as_ref().filter(|_| data == Access::ReadWrite);
    Limits {
        memory_bytes: limit(&policy.memory_bytes, overrides.memory_bytes),
        cpu_percent: limit(&policy.cpu_percent, overrides.cpu_percent),
        cpu_weight: policy.cpu_weight.clone(),
        tasks: limit(&policy.tasks, overrides.tasks),
        disk: disk.map(|disk| DiskLimits {
            bytes: limit(&disk.bytes, overrides.disk_bytes),
            files: limit(&disk.files, overrides.disk_files),
        }),
    }
}

fn limit<T: Clone>(policy: &Limit<T>, set: Option<T>) -> Limit<T> {
    set.map_or_else(|| policy.clone(), |value| Limit { value, why: SET_BY_OPERATOR.to_owned() })
}

/// The task limit as a resource limit; it follows the operator's. No policy file says it a second time.
fn tasks_again(limits: &Limits) -> RlimitRule {
    RlimitRule {
        resource: Resource::Nproc,
        value: u64::from(limits.tasks.value),
        why: TASKS_AGAIN.to_owned(),
    }
}

fn rlimit(policy: &RlimitRule, overrides: &Overrides) -> RlimitRule {
    match (policy.resource, overrides.descriptors) {
        (Resource::Nofile, Some(descriptors)) => RlimitRule {
            resource: Resource::Nofile,
            value: u64::from(descriptors),
            why: SET_BY_OPERATOR.to_owned(),
        },
        _ => policy.clone(),
    }
}

/// The policy's variables and the settings; where two settings give the same variable, the first one stays.
fn environment(template: &Template, settings: &BTreeMap<ConfigKey, String>) -> Vec<EnvironmentRule> {
    let mut variables = template.environment.clone();
    let Some(why) = &template.settings_why else { return variables };
    for (key, value) in settings {
        let name = key.environment_name();
        if variables.iter().all(|variable| variable.name != name) {
            variables.push(EnvironmentRule { name, value: value.clone(), why: why.clone() });
        }
    }
    variables
}

#[cfg(test)]
mod tests;
