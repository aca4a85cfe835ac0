//! The moment between the guest's own process and a test: it joins the test's cgroup, becomes its user, and then is the
//! test. A process of its own, because a cgroup can be joined only before the right to is given up.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use super::cgroups;

/// Its first argument.
pub(super) const ENTER: &str = "enter";

/// Stands for no cgroup.
const NONE: &str = "-";

/// The command that runs `program` as `uid`, in `cgroup` if there is one.
pub(super) fn command(uid: u32, cgroup: Option<&Path>, program: &Path) -> Command {
    let mut command = Command::new(super::INIT);
    let cgroup = cgroup.map_or(OsStr::new(NONE), Path::as_os_str);
    command.arg(ENTER).arg(uid.to_string()).arg(cgroup).arg(program);
    command
}

/// Does what such a command says; returns only if it cannot.
pub(super) fn enter(mut arguments: impl Iterator<Item = OsString>) -> Result<Infallible> {
    let mut next = || arguments.next().context("enter needs a uid, a cgroup and a program");
    let (uid, cgroup, program) = (next()?, next()?, next()?);
    let uid: u32 = uid.to_str().and_then(|uid| uid.parse().ok()).context("the uid is not a number")?;
    if cgroup != NONE {
        cgroups::join(Path::new(&cgroup))?;
    }
    if uid != 0 {
        setgroups(&[]).context("setgroups")?;
        setgid(Gid::from_raw(uid)).context("setgid")?;
        setuid(Uid::from_raw(uid)).context("setuid")?;
    }
    let error = Command::new(&program).args(arguments).exec();
    Err(anyhow!("start {}: {error}", program.display()))
}
