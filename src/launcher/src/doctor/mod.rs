//! `cofferdam-launcher doctor`: finds out by doing what this host lets the launcher enforce, and hands the facts
//! to `cofferdam doctor`, which judges them and says what to do.
//!
//! Every trial runs in a forked child, but the last ones, which settle this process as the launcher settles: the
//! cgroup of a user can be divided by a process that is alone in it only. It never starts a module, changes no
//! setting of the host, and removes what it makes.

mod cgroups;
mod directories;
mod kernel;
mod launch;
mod report;
mod settings;
mod trial;
mod walls;

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use cofferdam_config::{Config, Sandbox};
use cofferdam_installation::Installation;
use cofferdam_policy::Tables;
use cofferdam_policy::profile::Linkage;
use nix::unistd::geteuid;

use crate::error::Error;
use crate::host::{Host, close_on_exec_all, modules_for_descriptors};

pub(crate) use report::{hand_over, line};
use trial::{Found, in_child};

/// What the operator chose on the command line.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    /// The config; `None`: that of a host without one.
    pub config: Option<PathBuf>,
    /// `cofferdam`, beside the launcher.
    pub tool: PathBuf,
    /// What the tool is told besides: how to print.
    pub arguments: Vec<std::ffi::OsString>,
}

/// One thing that was tried, and what was found.
#[derive(Debug)]
pub(crate) struct Fact {
    /// Its name, as `cofferdam doctor` knows it.
    pub(crate) name: String,
    /// What was seen; or why it cannot be had.
    pub(crate) found: Found,
}

/// Tries everything and becomes `cofferdam doctor`, which reads the facts from its standard input.
///
/// # Errors
/// When the config is wrong, or the tool cannot be started.
pub fn doctor(options: &DoctorOptions) -> Result<Infallible, Error> {
    close_on_exec_all()?;
    let (config, promised) = config(options)?;
    let mut facts = settings::read();
    facts.extend(in_children(&config, promised));
    facts.extend(settled(&config.sandbox, &options.tool));
    let lines: Vec<String> = facts.iter().map(report::line).collect();
    hand_over(&options.tool, &options.arguments, &lines)
}

/// The config, and how many bytes modules may keep by it.
fn config(options: &DoctorOptions) -> Result<(Config, u64), Error> {
    let Some(path) = &options.config else {
        let base = std::env::current_dir().map_err(crate::error::file("find", "the current folder", ""))?;
        let usual = Config::default().resolve_paths(&base);
        return usual.map(|config| (config, 0)).map_err(|error| Error::Document(error.to_string()));
    };
    let installation = Installation::read(path).map_err(|error| Error::Document(error.to_string()))?;
    let promised = installation.modules.values().map(|installed| {
        let profile = installation.profile(installed, Linkage::Static, &Tables::builtin());
        let limits = profile.core_limits.as_ref();
        limits.map_or(0, |limits| limits.storage_bytes.value.saturating_add(limits.file_bytes.value))
    });
    let promised = promised.fold(0, u64::saturating_add);
    Ok((installation.config, promised))
}

fn in_children(config: &Config, promised: u64) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut tried = |name: &str, trial: &dyn Fn() -> Found| {
        facts.push(Fact { name: name.to_owned(), found: in_child(trial) });
    };
    for (name, trial) in kernel::TRIALS.into_iter().chain(walls::TRIALS) {
        tried(name, &trial);
    }
    if geteuid().is_root() {
        tried("uids", &|| directories::uids(config.sandbox.uid_base));
    }
    for (name, path) in [("state_dir", &config.state_dir), ("data_dir", &config.modules.data_dir)] {
        tried(name, &|| directories::usable(path));
        tried(&format!("{name}_lasts"), &|| directories::lasts(path));
    }
    tried("room", &|| directories::room(&config.state_dir, &config.modules.data_dir, promised));
    facts
}

/// What only a process that has settled as the launcher can find out. Nothing else is done after it.
fn settled(sandbox: &Sandbox, tool: &Path) -> Vec<Fact> {
    let told = |name: &str, found: Found| Fact { name: name.to_owned(), found };
    let host = Host::settle().map_err(|error| error.to_string());
    let descriptors = modules_for_descriptors()
        .map_err(|error| error.to_string())
        .and_then(directories::enough_descriptors);
    let cgroups = cgroups::settle(&sandbox.cgroup_root);
    let cgroup = cgroups.as_ref().map_err(Clone::clone).and_then(cgroups::tried);
    let launch = launch::whole(host, cgroups.ok(), sandbox, tool);
    vec![told("descriptors", descriptors), told("cgroup", cgroup), told("launch", launch)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_trials_have_one_name() {
        let names: BTreeSet<&str> =
            kernel::TRIALS.iter().chain(&walls::TRIALS).map(|(name, _)| *name).collect();
        assert_eq!(names.len(), kernel::TRIALS.len() + walls::TRIALS.len());
    }
}
