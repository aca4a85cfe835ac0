//! Whether the file system that data directories lie on holds users to quotas, by its options: it asks the kernel
//! nothing else. `cofferdam doctor` tries it.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;

/// Options by which users are held to quotas. XFS shows `uquota` as `usrquota`; with `quota` alone ext4 holds nobody.
const OPTIONS: [&str; 2] = ["usrquota", "usrjquota"];

/// What was seen; or why a module's files cannot be limited there.
pub(super) fn find(data_dir: &Path) -> Result<String, String> {
    if !geteuid().is_root() {
        return Err("a user's modules all run under that user's uid, and quotas are root's to set".to_owned());
    }
    let path = "/proc/self/mountinfo";
    let mounts = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let existing = data_dir.ancestors().find_map(|path| path.canonicalize().ok());
    judge(&existing.unwrap_or_else(|| Path::new("/").to_owned()), &mounts)
}

/// The last mount at the longest mount point that `path` is below. proc_pid_mountinfo(5)
fn judge(path: &Path, mounts: &str) -> Result<String, String> {
    let mut found: Option<(&str, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let Some(point) = before.split(' ').nth(4) else { continue };
        // Paths with spaces are written with escapes, and then not found: nothing is claimed that was not seen.
        let is_longer = found.is_none_or(|(other, _)| point.len() >= other.len());
        if path.starts_with(point) && is_longer {
            found = Some((point, after));
        }
    }
    let (point, described) = found.ok_or("its file system is not among the mounts")?;
    let mut fields = described.split(' ');
    let kind = fields.next().unwrap_or_default();
    let options = fields.nth(1).unwrap_or_default();
    let option =
        options.split(',').find(|option| OPTIONS.contains(&option.split('=').next().unwrap_or_default()));
    match option {
        Some(option) => Ok(format!("{point} is {kind} with {option}; `cofferdam doctor` tries it")),
        None => Err(format!("{} lies on {point}, which is {kind} without user quotas", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
        30 22 254:1 / /srv rw - xfs /dev/vdb rw,attr2,usrquota\n\
        31 22 0:40 / /srv/plain rw - tmpfs tmpfs rw,size=1k\n\
        32 22 0:41 / /srv rw - ext4 /dev/vdc rw,usrjquota=aquota.user,jqfmt=vfsv1\n";

    #[test]
    fn the_mount_that_a_path_lies_on_decides() {
        let seen = judge(Path::new("/srv/modules"), MOUNTS).unwrap();
        assert!(
            seen.contains("ext4") && seen.contains("usrjquota"),
            "the later mount hides the earlier: {seen}"
        );
        assert!(judge(Path::new("/"), "1 0 8:0 / / rw - ext4 /dev/a rw,quota").is_err());
        for (path, kind) in [("/srv/plain/modules", "tmpfs"), ("/srvx", "ext4"), ("/", "ext4")] {
            let error = judge(Path::new(path), MOUNTS).unwrap_err();
            assert!(error.contains(kind) && error.contains("without user quotas"), "{path}: {error}");
        }
    }

    #[test]
    fn what_is_not_seen_is_not_claimed() {
        assert!(judge(Path::new("/a"), "").is_err());
        assert!(judge(Path::new("/a"), "nonsense\n").is_err());
    }
}
