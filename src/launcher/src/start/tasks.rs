//! Which limit holds the number of a subject's tasks: the cgroup's and the rlimit's, or the cgroup's alone. It sets none.

use nix::sys::utsname::uname;

use crate::error::{Error, system};
use crate::host::{Enforced, Privilege};

/// Linux 5.14: from there on RLIMIT_NPROC counts the tasks in one user namespace; before, all those of a uid of the
/// host. user_namespaces(7), getrlimit(2).
const COUNTS_IN_NAMESPACE: (u32, u32) = (5, 14);

/// Whether RLIMIT_NPROC is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskRlimit {
    /// It is.
    Set,
    /// It would count the operator's own programs and all other subjects, which have the same uid, and each of them
    /// could starve the rest; pids.max of the cgroup counts a subject's alone.
    LeftToCgroup,
}

impl TaskRlimit {
    /// What is right on this host.
    pub(super) fn settle(privilege: Privilege, cgroup: Enforced) -> Result<Self, Error> {
        let uname = uname().map_err(system("uname"))?;
        Ok(Self::on(privilege, cgroup, &uname.release().to_string_lossy()))
    }

    /// For `cofferdam audit --verify`, which must not ask for a limit that the launcher does not set.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::LeftToCgroup => "left to the cgroup",
        }
    }

    fn on(privilege: Privilege, cgroup: Enforced, release: &str) -> Self {
        let shares_uid = privilege == Privilege::User;
        // Of a release that cannot be read nothing is assumed: a limit too many is the safe side.
        let counts_all = version(release).is_some_and(|version| version < COUNTS_IN_NAMESPACE);
        if shares_uid && cgroup == Enforced::Yes && counts_all { Self::LeftToCgroup } else { Self::Set }
    }
}

/// `(5, 10)` for `5.10.0-28-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rlimit_is_left_out_only_where_it_counts_others_and_the_cgroup_counts_right() {
        let on = TaskRlimit::on;
        for old in ["5.10.0-28-amd64", "5.13.19", "4.19.0"] {
            assert_eq!(on(Privilege::User, Enforced::Yes, old), TaskRlimit::LeftToCgroup, "{old}");
            assert_eq!(
                on(Privilege::User, Enforced::No, old),
                TaskRlimit::Set,
                "{old}: nothing else would hold"
            );
            assert_eq!(on(Privilege::Root, Enforced::Yes, old), TaskRlimit::Set, "{old}: a uid for each");
        }
        for new in ["5.14.0", "6.1.0-18-amd64", "10.0.1", "5", "", "five.ten"] {
            assert_eq!(on(Privilege::User, Enforced::Yes, new), TaskRlimit::Set, "{new}");
        }
    }
}
