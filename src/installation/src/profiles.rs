//! From what the operator decided to a module's profile: the one place where config meets policy.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_config::{Backend, Config, LimitOverrides};
use cofferdam_manifest::ModuleName;
use cofferdam_policy::profile::{Linkage, Profile, Subject, Weakening};
use cofferdam_policy::{CoreNeeds, Decisions, Grants, Overrides, Tables, derive, derive_core};

use crate::{Installation, Installed, Problem};

impl Installation {
    /// The profile of an installed module.
    #[must_use]
    pub fn profile(&self, installed: &Installed, linkage: Linkage, tables: &Tables) -> Profile {
        let name = installed.manifest.name();
        let modules = &self.config.modules;
        let decisions = Decisions {
            grants: Grants::from(modules.grants.get(name).cloned()),
            publishes: modules.publish_events.get(name).cloned(),
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

fn overrides(limits: &LimitOverrides) -> Overrides {
    Overrides {
        memory_bytes: limits.memory_bytes,
        cpu_percent: limits.cpu_percent,
        tasks: limits.tasks,
        descriptors: limits.descriptors,
        calls_per_second: limits.calls_per_second,
        storage_bytes: limits.storage_bytes,
        storage_keys: limits.storage_keys,
        file_bytes: limits.file_bytes,
        file_count: limits.file_count,
    }
}

/// Settings of the config that have no effect: a name that is misspelt must not look like a decision.
pub(crate) fn idle_settings(config: &Config, modules: &BTreeMap<ModuleName, Installed>) -> Vec<Problem> {
    let settings = &config.modules;
    let tables = [
        ("enabled_modules", settings.enabled_modules.iter().collect::<Vec<_>>()),
        ("grants", settings.grants.keys().collect()),
        ("publish_events", settings.publish_events.keys().collect()),
        ("lightning", settings.lightning.iter().collect()),
        ("limits", settings.limits.keys().collect()),
        ("module_configs", settings.module_configs.keys().collect()),
    ];
    let mut problems = Vec::new();
    for (table, names) in tables {
        for name in names.into_iter().filter(|name| !modules.contains_key(*name)) {
            problems.push(Problem::Note(format!("modules.{table} names {name}, which does not run")));
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
