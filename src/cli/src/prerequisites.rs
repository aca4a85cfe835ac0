//! What this machine must have for the confinement, and how to give it what it lacks. Judging is apart from
//! looking, so that every verdict can be tested on any machine. It never changes a setting of the machine.

mod cgroup;
mod disk;
mod look;

use std::collections::BTreeSet;

use cofferdam_config::Layer;

pub(crate) use look::look;

/// The oldest kernel that has what no config waives: close_range(2).
const OLDEST_KERNEL: Version = (5, 9);
/// PR_SET_MDWE. Whether a kernel has it cannot be asked without setting it for good.
const MDWE_KERNEL: Version = (6, 3);

/// What to do about a file system that holds nobody to a quota.
pub(crate) const DISK_QUOTA: &str = "run as root with modules.data_dir on a file system with project quotas: ext4 with \
    the features quota and project (tune2fs -O quota,project -Q prjquota, unmounted) mounted with prjquota, or XFS mounted \
    with pquota; or withhold write_filesystem from modules";

/// Major and minor number.
type Version = (u32, u32);

/// What was seen of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The kernel's release, as uname(2) has it.
    pub(crate) release: String,
    /// How user namespaces were tried, and why that failed.
    pub(crate) user_namespaces: Result<&'static str, String>,
    /// Whether a filter can hand calls to the launcher (seccomp(2), SECCOMP_RET_USER_NOTIF).
    pub(crate) seccomp_notify: Result<(), String>,
    /// Landlock's rights around files.
    pub(crate) landlock_files: Result<(), String>,
    /// Landlock's rights around TCP.
    pub(crate) landlock_network: Result<(), String>,
    /// Landlock's scopes.
    pub(crate) landlock_scope: Result<(), String>,
    /// Where cgroups with limits can be made.
    pub(crate) cgroup: Result<String, String>,
    /// Whether the file system of data directories holds projects to quotas; `None`: no module may write files.
    pub(crate) disk_quota: Option<Result<String, String>>,
}

/// One thing that the confinement needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What.
    pub(crate) name: &'static str,
    /// Whether it is there.
    pub(crate) state: State,
}

/// Whether a thing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It is; with what was seen.
    Present(String),
    /// It is not, and the config allows that.
    Waived(String),
    /// It is not, so nothing starts.
    Missing {
        /// What was seen.
        why: String,
        /// What to do.
        fix: String,
    },
}

/// Compares what the machine has with what is needed, less what the config allows to be missing.
pub(crate) fn judge(facts: &Facts, allowed: &BTreeSet<Layer>) -> Vec<Finding> {
    let release = version(&facts.release);
    let required = |name, seen: Result<String, String>, fix: &str| Finding {
        name,
        state: match seen {
            Ok(seen) => State::Present(seen),
            Err(why) => State::Missing { why, fix: fix.to_owned() },
        },
    };
    let layer = |layer: Layer, seen: Result<String, String>, fix: &str| Finding {
        name: layer.as_str(),
        state: match seen {
            Ok(seen) => State::Present(seen),
            Err(why) if allowed.contains(&layer) => State::Waived(why),
            Err(why) => {
                let fix =
                    format!("{fix}; or accept its absence: allow_missing = [\"{layer}\"] under [sandbox]");
                State::Missing { why, fix }
            }
        },
    };
    let at_least = |wanted: Version| {
        let (major, minor) = wanted;
        match release {
            Some(found) if found >= wanted => Ok(facts.release.clone()),
            _ => {
                Err(format!("this is Linux {}, and {major}.{minor} is the first that has it", facts.release))
            }
        }
    };
    let known = |seen: &Result<(), String>| seen.clone().map(|()| "known to this kernel".to_owned());
    let disk_quota = |found| layer(Layer::DiskQuota, found, DISK_QUOTA);
    let findings = vec![
        required("kernel", at_least(OLDEST_KERNEL), "boot Linux 5.9 or newer"),
        required(
            "user namespaces",
            facts.user_namespaces.clone().map(str::to_owned),
            "sysctl user.max_user_namespaces=10000, and where the key exists: sysctl \
             kernel.unprivileged_userns_clone=1 (Debian) or sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); or run as root, in a container with \
             CAP_SYS_ADMIN",
        ),
        required("seccomp", known(&facts.seccomp_notify), "boot a kernel with CONFIG_SECCOMP_FILTER"),
        layer(
            Layer::Landlock,
            known(&facts.landlock_files),
            "boot Linux 5.13 or newer with landlock in the lsm= list of its command line",
        ),
        layer(Layer::LandlockNetwork, known(&facts.landlock_network), "boot Linux 6.7 or newer"),
        layer(Layer::LandlockScope, known(&facts.landlock_scope), "boot Linux 6.12 or newer"),
        layer(Layer::MemoryDenyWriteExecute, at_least(MDWE_KERNEL), "boot Linux 6.3 or newer"),
        layer(
            Layer::Cgroup,
            facts.cgroup.clone(),
            "run as root, or in a subtree of its own: \
             systemd-run --user --scope -p Delegate=yes cofferdam run",
        ),
    ];
    findings.into_iter().chain(facts.disk_quota.clone().map(disk_quota)).collect()
}

/// The first two numbers of a kernel's release: `6.12.9-amd64` is (6, 12).
fn version(release: &str) -> Option<Version> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Facts {
        Facts {
            release: "6.18.44-generic".to_owned(),
            user_namespaces: Ok("tried"),
            seccomp_notify: Ok(()),
            landlock_files: Ok(()),
            landlock_network: Ok(()),
            landlock_scope: Ok(()),
            cgroup: Ok("/sys/fs/cgroup".to_owned()),
            disk_quota: Some(Ok("prjquota".to_owned())),
        }
    }

    fn missing(facts: &Facts, allowed: &[Layer]) -> Vec<&'static str> {
        judge(facts, &allowed.iter().copied().collect())
            .into_iter()
            .filter(|finding| matches!(finding.state, State::Missing { .. }))
            .map(|finding| finding.name)
            .collect()
    }

    fn bare() -> Facts {
        let no = || Err("no".to_owned());
        Facts {
            release: "5.4.0".to_owned(),
            user_namespaces: no().map(|()| ""),
            seccomp_notify: no(),
            landlock_files: no(),
            landlock_network: no(),
            landlock_scope: no(),
            cgroup: Err("no".to_owned()),
            disk_quota: Some(Err("no".to_owned())),
        }
    }

    #[test]
    fn a_machine_that_has_everything_lacks_nothing() {
        assert_eq!(missing(&whole(), &[]), Vec::<&str>::new());
    }

    #[test]
    fn whatever_a_machine_lacks_is_found() {
        let names: Vec<_> = judge(&whole(), &BTreeSet::new()).iter().map(|finding| finding.name).collect();
        assert_eq!(missing(&bare(), &[]), names);
    }

    #[test]
    fn a_config_waives_layers_and_nothing_else() {
        assert_eq!(missing(&bare(), Layer::ALL), ["kernel", "user namespaces", "seccomp"]);
    }

    #[test]
    fn quotas_are_asked_for_only_where_a_module_writes_files() {
        let facts = Facts { disk_quota: None, ..whole() };
        let names = |facts| judge(facts, &BTreeSet::new()).len();
        assert_eq!(names(&facts) + 1, names(&whole()));
    }

    #[test]
    fn a_layer_that_is_there_is_not_called_waived() {
        let every = Layer::ALL.iter().copied().collect();
        assert!(judge(&whole(), &every).iter().all(|finding| matches!(finding.state, State::Present(_))));
    }

    #[test]
    fn a_release_is_compared_by_its_numbers() {
        assert_eq!(version("6.12.9-amd64"), Some((6, 12)));
        assert_eq!(version("6.9-rc1"), Some((6, 9)));
        assert_eq!(version("strange"), None);
        assert!(version("6.12.0") > version("6.9.0"));
    }
}
