//! Whether the file system that data directories lie on is mounted to hold projects to quotas. It asks the kernel nothing
//! else: `cofferdam doctor` does.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};
use nix::unistd::geteuid;

/// The option of ext4 and f2fs by which projects are held to quotas; XFS shows its `pquota` as this too.
const OPTION: &str = "prjquota";

/// What was seen; or why a module's files cannot be limited there.
pub(super) fn find(data_dir: &Path) -> Result<String, String> {
    if !geteuid().is_root() {
        return Err("quotas are root's to set".to_owned());
    }
    let path = "/proc/self/mountinfo";
    let mounts = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let existing = data_dir.ancestors().find_map(|path| fs::metadata(path).ok());
    let device = existing.ok_or_else(|| format!("{}: cannot be looked at", data_dir.display()))?.st_dev();
    judge(&format!("{}:{}", major(device), minor(device)), &mounts)
        .map_err(|why| format!("{}: {why}", data_dir.display()))
}

/// The options of a device's file system, which all its mounts share. proc_pid_mountinfo(5)
fn judge(device: &str, mounts: &str) -> Result<String, String> {
    let of_device = |line: &&str| line.split(' ').nth(2) == Some(device);
    let described = mounts.lines().find(of_device).and_then(|line| line.split_once(" - "));
    let (_, described) = described.ok_or("its file system is not among the mounts")?;
    let mut fields = described.split(' ');
    let kind = fields.next().unwrap_or_default();
    let is_on = fields.nth(1).unwrap_or_default().split(',').any(|option| option == OPTION);
    match is_on {
        true => Ok(format!(
            "{kind} with {OPTION}; whether it holds anybody to quotas `cofferdam doctor` finds out"
        )),
        false => Err(format!("it lies on {kind} without project quotas")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
        30 22 254:1 / /with\\040space rw - xfs /dev/vdb rw,attr2,prjquota\n\
        32 22 0:41 / /srv rw - ext4 /dev/vdc rw,quota,usrquota\n";

    #[test]
    fn the_file_system_of_a_device_decides_wherever_it_is_mounted() {
        let seen = judge("254:1", MOUNTS).unwrap();
        assert!(seen.starts_with("xfs with prjquota"), "{seen}");
        for (device, why) in
            [("254:0", "ext4 without project quotas"), ("0:41", "ext4 without project quotas")]
        {
            let error = judge(device, MOUNTS).unwrap_err();
            assert!(error.contains(why), "{device}: {error}");
        }
    }

    #[test]
    fn what_is_not_seen_is_not_claimed() {
        assert!(judge("1:1", MOUNTS).is_err() && judge("1:1", "").is_err());
        assert!(judge("1:1", "nonsense\n").is_err());
    }
}
