//! From what the operator decided to a module's profile: the one place where config meets policy.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_config::{Backend, Config, LimitOverrides};
use cofferdam_manifest::{Manifest, ModuleName};
use cofferdam_policy::profile::{Linkage, Profile, Subject, Weakening};
use cofferdam_policy::{CoreNeeds, Decisions, Grants, Overrides, Tables, derive, derive_core};

use crate::{Installation, Installed, Problem};

impl Installation {
    /// The profile of an installed module: what it asks for, less what the config or the lock file withholds. For one
    /// without a grant it is the profile it would have if all that it asks for were granted.
    #[must_use]
    pub fn profile(&self, installed: &Installed, linkage: Linkage, tables: &Tables) -> Profile {
        let name = installed.manifest.name();
        let modules = &self.config.modules;
        let lock = self.grants.lock.modules.get(name);
        let decisions = Decisions {
            grants: Grants::from(both(
                modules.grants.get(name),
                lock.map(|grant| &grant.capabilities),
                |one, other| one.intersection(other),
            )),
            publishes: both(
                modules.publish_events.get(name),
                lock.map(|grant| &grant.publish_events),
                |one, other| one.intersection(other).cloned().collect(),
            ),
            refuse_calls: modules.refuse_calls.get(name).cloned().unwrap_or_default(),
            overrides: modules.limits.get(name).map(overrides).unwrap_or_default(),
            settings: modules.module_configs.get(name).cloned().unwrap_or_default(),
            weakened_by: weakenings(&self.config, tables),
        };
        derive(&installed.manifest, &decisions, linkage, tables)
    }

    /// The profile of the host core.
    #[must_use]
    pub fn core_profile(&self, linkage: Linkage, tables: &Tables) -> Profile {
        let connect_ports = match &self.config.node {
            Backend::Embedded(_) => BTreeSet::new(),
            Backend::Bitcoind(node) => {
                [Some(node.rpc), node.zmq].into_iter().flatten().map(|at| at.port()).collect()
            }
        };
        let interface = &self.config.interface;
        // What they need of the core is a matter of their capabilities, however they are linked.
        let profiles = || self.modules.values().map(|module| self.profile(module, Linkage::Static, tables));
        let needs = CoreNeeds {
            connect_ports,
            interface: interface.enabled.then_some(interface.listen),
            databases: profiles().filter_map(|profile| profile.database_bytes()).collect(),
            files_of: profiles().filter(Profile::shares_files).filter_map(name).collect(),
            overrides: Overrides::default(),
            weakened_by: weakenings(&self.config, tables),
        };
        derive_core(&needs, linkage, tables)
    }
}

/// What both bounds allow; `None`: there is no bound.
fn both<T: Clone>(one: Option<&T>, other: Option<&T>, intersection: impl Fn(&T, &T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(intersection(one, other)),
        (one, other) => one.or(other).cloned(),
    }
}

fn name(profile: Profile) -> Option<ModuleName> {
    match profile.subject {
        Subject::Module { name, .. } => Some(name),
        Subject::Core => None,
    }
}

/// The layers that the config allows to be missing, and what follows.
#[must_use]
pub fn weakenings(config: &Config, tables: &Tables) -> Vec<Weakening> {
    config.sandbox.allow_missing.iter().filter_map(|layer| tables.weakening(layer.as_str())).collect()
}

/// By their names, however the module is linked.
fn calls_that_modules_may_make(manifest: &Manifest) -> BTreeSet<String> {
    let of = |linkage| {
        let profile = derive(manifest, &Decisions::default(), linkage, &Tables::builtin());
        profile.syscalls.allowed_names().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    of(Linkage::Static).union(&of(Linkage::Dynamic)).cloned().collect()
}

fn overrides(limits: &LimitOverrides) -> Overrides {
    Overrides {
        memory_bytes: limits.memory_bytes,
        cpu_percent: limits.cpu_percent,
        tasks: limits.tasks,
        descriptors: limits.descriptors,
        calls_per_second: limits.calls_per_second,
        storage_bytes: limits.storage_bytes,
        storage_keys: limits.storage_keys,
        disk_bytes: limits.disk_bytes,
        disk_files: limits.disk_files,
        file_bytes: limits.file_bytes,
        file_count: limits.file_count,
    }
}

/// Settings of the config that have no effect: a name that is misspelt must not look like a decision.
pub(crate) fn idle_settings(config: &Config, modules: &BTreeMap<ModuleName, Installed>) -> Vec<Problem> {
    let settings = &config.modules;
    let tables = [
        ("modules.enabled_modules", settings.enabled_modules.iter().collect::<Vec<_>>()),
        ("modules.grants", settings.grants.keys().collect()),
        ("modules.publish_events", settings.publish_events.keys().collect()),
        ("modules.lightning", settings.lightning.iter().collect()),
        ("modules.refuse_calls", settings.refuse_calls.keys().collect()),
        ("modules.limits", settings.limits.keys().collect()),
        ("modules.module_configs", settings.module_configs.keys().collect()),
        ("signatures.unsigned", config.signatures.unsigned.iter().collect()),
    ];
    let mut problems = Vec::new();
    for (table, names) in tables {
        for name in names.into_iter().filter(|name| !modules.contains_key(*name)) {
            problems.push(Problem::Note(format!("{table} names {name}, which does not run")));
        }
    }
    for (name, granted) in &settings.grants {
        let Some(installed) = modules.get(name) else { continue };
        for capability in granted.difference(installed.manifest.capabilities()).iter() {
            let text = format!(
                "modules.grants gives {name} {capability}, which its manifest does not ask for: nothing is granted"
            );
            problems.push(Problem::Note(text));
        }
    }
    for (name, calls) in &settings.refuse_calls {
        let Some(installed) = modules.get(name) else { continue };
        let allowed = calls_that_modules_may_make(&installed.manifest);
        for call in calls.difference(&allowed) {
            let text = format!("modules.refuse_calls refuses {name} {call}, which no module may make");
            problems.push(Problem::Note(text));
        }
    }
    for (name, keys) in &settings.module_configs {
        let Some(schema) = modules.get(name).map(|installed| installed.manifest.config_schema()) else {
            continue;
        };
        for key in keys.keys().filter(|key| !schema.contains_key(*key)) {
            problems.push(Problem::Note(format!("{name} does not know the setting {key}")));
        }
    }
    problems
}
