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
    let (config, needs) = config(options)?;
    let mut facts = settings::read();
    facts.extend(in_children(&config, &needs));
    facts.extend(settled(&config.sandbox, &options.tool));
    let lines: Vec<String> = facts.iter().map(report::line).collect();
    hand_over(&options.tool, &options.arguments, &lines)
}

/// What the installed modules need of the disk.
#[derive(Debug, Default)]
struct Needs {
    /// How many bytes they may keep by their quotas.
    promised: u64,
    /// Those that may write files themselves.
    writers: Vec<String>,
}

/// The config, and what modules need by it.
fn config(options: &DoctorOptions) -> Result<(Config, Needs), Error> {
    let Some(path) = &options.config else {
        let base = std::env::current_dir().map_err(crate::error::file("find", "the current folder", ""))?;
        let usual = Config::default().resolve_paths(&base);
        return usual
            .map(|config| (config, Needs::default()))
            .map_err(|error| Error::Document(error.to_string()));
    };
    let installation = Installation::read(path).map_err(|error| Error::Document(error.to_string()))?;
    let tables = Tables::builtin();
    let mut needs = Needs::default();
    for installed in installation.modules.values() {
        let profile = installation.profile(installed, Linkage::Static, &tables);
        let of_core = profile.core_limits.as_ref();
        let kept =
            of_core.map_or(0, |limits| limits.storage_bytes.value.saturating_add(limits.file_bytes.value));
        let written = profile.limits.disk.as_ref().map_or(0, |disk| disk.bytes.value);
        needs.promised = needs.promised.saturating_add(kept).saturating_add(written);
        if profile.limits.disk.is_some() {
            needs.writers.push(profile.subject.label().to_owned());
        }
    }
    Ok((installation.config, needs))
}

fn in_children(config: &Config, needs: &Needs) -> Vec<Fact> {
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
    tried("disk_quota", &|| directories::quotas(&config.modules.data_dir, &needs.writers));
    tried("room", &|| directories::room(&config.state_dir, &config.modules.data_dir, needs.promised));
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
