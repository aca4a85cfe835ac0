//! The module that takes all it can, in a rig.

use std::fs;

use super::{Plan, binary};

/// What it may ask of the core.
const CAPABILITIES: [&str; 8] = [
    "read_chain_state",
    "subscribe_events",
    "publish_events",
    "read_storage",
    "write_storage",
    "manage_storage",
    "read_filesystem",
    "write_filesystem",
];

impl Plan {
    /// Installs it under this name, to do `act`, with a line of TOML among its settings.
    pub fn glutton(self, name: &str, act: &str, setting: &str) -> Self {
        let folder = self.path().join("modules").join(name);
        fs::create_dir(&folder).unwrap();
        let manifest = format!(
            "name = \"{name}\"\nversion = \"0.1.0\"\nentry_point = \"glutton\"\ncapabilities = {CAPABILITIES:?}\n\
             publish_events = [\"PaymentSettled\"]\n\
             [config_schema]\nact = \"what to do\"\nbytes = \"how much of it\"\ncount = \"how often\"\n"
        );
        fs::write(folder.join("module.toml"), manifest).unwrap();
        fs::copy(binary("glutton"), folder.join("glutton")).unwrap();
        self.config(&format!("[modules.module_configs.{name}]\nact = \"{act}\"\n{setting}\n"))
    }
}
