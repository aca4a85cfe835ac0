//! Trials of the operator's directories, of host uids, and of how many descriptors there are. What is made is
//! removed in the same breath.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_config::Sandbox;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, Uid, geteuid, setresgid, setresuid};

use super::trial::{Found, named};
use crate::disk;

/// Where `path` lies now, or would lie: the directory itself, or the nearest above it that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn place(path: &Path, existing: &Path) -> String {
    if path == existing {
        path.display().to_string()
    } else {
        format!("{} (would be made below {})", path.display(), existing.display())
    }
}

/// Whether a file can be made, written, locked and removed there.
pub(super) fn usable(path: &Path) -> Found {
    let directory = existing(path);
    let shown = place(path, &directory);
    let told = |doing: &str| {
        let shown = shown.clone();
        let doing = doing.to_owned();
        move |error: std::io::Error| format!("{shown}: {doing}: {error}")
    };
    let trial = directory.join(format!(".cofferdam-doctor-{}", std::process::id()));
    let mut first =
        File::options().read(true).write(true).create_new(true).open(&trial).map_err(told("make a file"))?;
    // A second open file of the same inode, which the name is not needed for.
    let second = File::options().read(true).write(true).open(&trial);
    fs::remove_file(&trial).map_err(told("remove a file"))?;
    let second = second.map_err(told("open a file again"))?;
    first.write_all(b"cofferdam").and_then(|()| first.sync_all()).map_err(told("write a file"))?;
    let held = Flock::lock(first, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| format!("{shown}: flock: {errno}"))?;
    let again = Flock::lock(second, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno);
    drop(held);
    match again {
        Err(Errno::EWOULDBLOCK) => {}
        other => return Err(format!("{shown}: a lock did not keep a second one out: {:?}", other.map(drop))),
    }
    let space = statvfs(&directory).map_err(named("statvfs"))?;
    let free = space.blocks_available().saturating_mul(space.fragment_size()) >> 20;
    Ok(format!("{shown}: written, synced and locked; {free} MiB free"))
}

/// Whether the state keeps its room when modules use all that they may: `promised` bytes. Without room there is no line
/// in the audit log, and no launch without that.
pub(super) fn room(state_dir: &Path, data_dir: &Path, promised: u64) -> Found {
    let device = |path: &Path| fs::metadata(existing(path)).map(|found| found.dev());
    let told = |path: &Path| {
        let shown = path.display().to_string();
        move |error: std::io::Error| format!("{shown}: {error}")
    };
    if device(state_dir).map_err(told(state_dir))? != device(data_dir).map_err(told(data_dir))? {
        return Ok("state_dir and data_dir lie on two file systems".to_owned());
    }
    let space = statvfs(&existing(state_dir)).map_err(named("statvfs"))?;
    let free = space.blocks_available().saturating_mul(space.fragment_size());
    let (free_mib, promised_mib) = (free >> 20, promised.div_ceil(1 << 20));
    let shared = format!("state_dir and data_dir share a file system with {free_mib} MiB free");
    if promised <= free {
        return Ok(format!("{shared}; by their quotas modules may take {promised_mib} MiB of it"));
    }
    Err(format!("{shared}, of which modules may take {promised_mib} MiB by their quotas"))
}

/// Whether what `writers` may write can be limited.
pub(super) fn quotas(data_dir: &Path, writers: &[String]) -> Found {
    if writers.is_empty() {
        return Ok("not needed: no module that is installed may write files".to_owned());
    }
    let directory = existing(data_dir);
    let shown = place(data_dir, &directory);
    let opened = File::open(&directory).map_err(|error| format!("{shown}: {error}"))?;
    if !geteuid().is_root() {
        return Err("quotas are root's to set".to_owned());
    }
    disk::enforced(&opened.into()).map_err(|why| format!("{shown}: {why}"))?;
    Ok(format!("{shown}: projects are held to quotas; needed by {}", writers.join(", ")))
}

const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// Whether what is written there is still there after a reboot.
pub(super) fn lasts(path: &Path) -> Found {
    let directory = existing(path);
    let shown = place(path, &directory);
    let kind = statfs(&directory).map_err(named("statfs"))?.filesystem_type();
    if kind == TMPFS_MAGIC || kind.0 == RAMFS_MAGIC {
        return Err(format!("{shown}: lies in memory: its content is gone after a reboot"));
    }
    if kind == OVERLAYFS_SUPER_MAGIC {
        return Err(format!("{shown}: lies on an overlay: its content goes with the container"));
    }
    Ok(format!("{shown}: on a file system that outlives a reboot"))
}

/// Whether this process may take the first and the last uid of modules, and no user of the host has one of them.
pub(super) fn uids(base: u32) -> Found {
    let last = base.saturating_add(Sandbox::UIDS_PER_MODULE.saturating_mul(Sandbox::MAX_MODULES - 1));
    let end = last.saturating_add(Sandbox::UIDS_PER_MODULE - 1);
    for (path, column) in [("/etc/passwd", 2), ("/etc/group", 2)] {
        let text = fs::read_to_string(path).unwrap_or_default();
        let taken = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let id: u32 = fields.nth(column - 1)?.parse().ok()?;
            (base..=end).contains(&id).then(|| format!("{path}: {name} has the id {id}"))
        });
        if let Some(taken) = taken {
            return Err(taken);
        }
    }
    overlap(base, end)?;
    for id in [last, base] {
        // The saved id stays 0, so that the second can be taken too.
        let (gid, uid) = (Gid::from_raw(id), Uid::from_raw(id));
        setresgid(gid, gid, Gid::from_raw(0)).map_err(|errno| format!("take gid {id}: {errno}"))?;
        setresuid(uid, uid, Uid::from_raw(0)).map_err(|errno| format!("take uid {id}: {errno}"))?;
        let root = Uid::from_raw(0);
        setresuid(root, root, root).map_err(named("take uid 0 back"))?;
    }
    Ok(format!("{base} to {end} are nobody's"))
}

/// Ids that are lent to containers of users. subuid(5).
fn overlap(base: u32, end: u32) -> Result<(), String> {
    for path in ["/etc/subuid", "/etc/subgid"] {
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(first), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let (Ok(first), Ok(count)) = (first.parse::<u32>(), count.parse::<u32>()) else { continue };
            if first <= end && base < first.saturating_add(count) {
                return Err(format!("{path}: {name} is lent {count} ids from {first}"));
            }
        }
    }
    Ok(())
}

/// The fewest modules that a host must have room for.
const FEWEST_MODULES: usize = 8;

pub(super) fn enough_descriptors(modules: usize) -> Found {
    if modules < FEWEST_MODULES {
        return Err(format!("the hard limit of open files is enough for {modules} modules only"));
    }
    Ok(format!("the hard limit of open files is enough for {modules} modules"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_may_take_more_than_is_free_are_told_of_where_they_share_the_states_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (state, data) = (folder.path().join("state"), folder.path().join("data/not/yet/there"));
        let found = room(&state, &data, u64::MAX).unwrap_err();
        assert!(found.contains("share a file system") && found.contains("by their quotas"), "{found}");
        assert!(room(&state, &data, 0).unwrap().contains("may take 0 MiB"), "the control");
        let elsewhere = room(&state, Path::new("/proc"), u64::MAX).unwrap();
        assert!(elsewhere.contains("two file systems"), "{elsewhere}");
    }
}
