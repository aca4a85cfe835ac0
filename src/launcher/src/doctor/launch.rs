//! The whole of it: a program is started as every module is, confined by all layers that this host has, and asked for
//! one call. It is the probe, not a module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_config::{Layer, Sandbox};
use cofferdam_manifest::Manifest;
use cofferdam_policy::profile::Linkage;
use cofferdam_policy::{Decisions, Tables, derive};

use super::trial::Found;
use crate::cgroup::CgroupHost;
use crate::error::{Error, file, with_causes};
use crate::examine::{Folder, PROBE, Reply, Session};
use crate::host::Host;
use crate::identity::{Home, assign_apart};
use crate::layers::Layers;
use crate::program::Program;
use crate::start::Launcher;

/// The manifest of a module that asks for nothing.
const MANIFEST: &str = "name = \"trial\"\nversion = \"1.0.0\"\nentry_point = \"trial\"\n";

/// Starts the probe beside `tool`, in a cgroup below `cgroups`, which are removed in any case.
pub(super) fn whole(
    host: Result<Host, String>,
    cgroups: Option<CgroupHost>,
    sandbox: &Sandbox,
    tool: &Path,
) -> Found {
    let parts = host.and_then(|host| Parts::new(host, sandbox).map_err(|error| with_causes(&error)));
    match parts {
        Ok(parts) => started(parts, cgroups, tool).map_err(|error| with_causes(&error))?,
        Err(why) => {
            cgroups.map_or(Ok(()), |cgroups| cgroups.remove()).map_err(|error| error.to_string())?;
            Err(why)
        }
    }
}

/// What can fail before there is a launcher.
struct Parts {
    host: Host,
    layers: Layers,
    scratch: PathBuf,
    home: Home,
    _folder: Folder,
}

impl Parts {
    fn new(host: Host, sandbox: &Sandbox) -> Result<Self, Error> {
        let folder = Folder::new()?;
        let scratch = folder.path().join("scratch");
        fs::create_dir(&scratch).map_err(file("create", &scratch, ""))?;
        // What is missing is told by the layer's own trial; this one is about the rest.
        let every: BTreeSet<Layer> = Layer::ALL.iter().copied().collect();
        let layers = Layers::settle(&every, &host)?;
        let home = assign_apart(&host, sandbox.uid_base, &folder.path().join("data"))?;
        Ok(Self { host, layers, scratch, home, _folder: folder })
    }
}

fn started(parts: Parts, cgroups: Option<CgroupHost>, tool: &Path) -> Result<Found, Error> {
    let Parts { host, layers, scratch, home, _folder } = parts;
    // It removes the cgroups when it goes.
    let launcher = Launcher::new(host, cgroups, layers, scratch)?;
    let manifest =
        Manifest::parse("module.toml", MANIFEST).map_err(|error| Error::Document(error.to_string()))?;
    let profile = derive(&manifest, &Decisions::default(), Linkage::Static, &Tables::builtin());
    let probe = Program::open(&tool.with_file_name(PROBE), PROBE)?;
    let loaded = launcher.load(profile, probe, home)?;
    let mut session = Session::new(launcher, loaded);
    let getpid = u64::try_from(syscalls::Sysno::getpid.id()).unwrap_or(0);
    let reply = session.ask(getpid, &[0; 6])?;
    session.end()?;
    Ok(match reply {
        // It is the first process of a pid namespace of its own.
        Reply::Answer { bytes, reported: false } if bytes == 1_i64.to_le_bytes() => {
            Ok("a program was started inside all walls and answered".to_owned())
        }
        Reply::Answer { bytes, .. } => Err(format!("a program was started and answered nonsense: {bytes:?}")),
        Reply::Ended(end) => Err(format!("a program was started and ended: {end:?}")),
        Reply::Silent => Err("a program was started and did not answer".to_owned()),
    })
}
