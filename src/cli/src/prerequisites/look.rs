//! Looks at this machine. Where the kernel can be asked by trying, it is tried: a setting in /proc says what is
//! allowed in general, not what this process meets.

use std::fs;
use std::path::Path;

use cofferdam_config::CgroupRoot;
use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use super::{Facts, cgroup, disk};

/// Looks at everything. This leaves the process in namespaces of its own: it is the last that a command does with
/// the machine.
pub(crate) fn look(cgroup_root: &CgroupRoot, written: Option<&Path>) -> Facts {
    Facts {
        disk_quota: written.map(disk::find),
        release: nix::sys::utsname::uname()
            .map(|name| name.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        seccomp_notify: seccomp_notify(),
        landlock_files: landlock(|ruleset| ruleset.handle_access(AccessFs::from_all(ABI::V1))),
        landlock_network: landlock(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V4))),
        landlock_scope: landlock(|ruleset| ruleset.scope(Scope::from_all(ABI::V6))),
        cgroup: cgroup::find(cgroup_root),
        user_namespaces: user_namespaces(),
    }
}

/// Asks for a ruleset and drops it: nothing is restricted by one that is not enforced.
fn landlock(handle: impl FnOnce(Ruleset) -> Result<Ruleset, landlock::RulesetError>) -> Result<(), String> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    handle(ruleset).and_then(Ruleset::create).map(drop).map_err(|error| error.to_string())
}

fn seccomp_notify() -> Result<(), String> {
    let path = "/proc/sys/kernel/seccomp/actions_avail";
    let actions = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let known = actions.split_whitespace().any(|action| action == "user_notif");
    known.then_some(()).ok_or_else(|| format!("{path} does not name user_notif"))
}

fn user_namespaces() -> Result<&'static str, String> {
    let path = "/proc/sys/user/max_user_namespaces";
    let limit = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    if limit.trim() == "0" {
        return Err(format!("{path} is 0"));
    }
    let (ours, inside) = (CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS);
    let attempt = |flags, what: &str| unshare(flags).map_err(|errno| format!("{what}: {errno}"));
    if geteuid().is_root() {
        // The launcher makes the other namespaces with its own rights, which the root of a container may lack.
        attempt(inside, "unshare(CLONE_NEWNS) as root (a container without CAP_SYS_ADMIN?)")?;
        return attempt(ours, "unshare(CLONE_NEWUSER)").map(|()| "made one, as root");
    }
    attempt(ours, "unshare(CLONE_NEWUSER)")?;
    // AppArmor can grant the namespace and take every right in it.
    attempt(inside, "unshare(CLONE_NEWNS) inside a new user namespace")
        .map(|()| "made one, and another namespace inside it")
}
