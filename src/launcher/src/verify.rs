//! Looks at the confined process from outside, in /proc, before it gets its first byte. It trusts nothing that
//! the child reported: only what the kernel shows.

use std::fs;

use nix::unistd::Pid;

use crate::cgroup::Membership;
use crate::error::Error;
use crate::host::proc_of;
use crate::namespaces::OutsideId;

/// What must be seen.
pub(crate) struct Expected<'a> {
    pub(crate) subject: &'a str,
    pub(crate) outside: OutsideId,
    /// Namespaces that must differ from the launcher's.
    pub(crate) own_namespaces: Vec<&'static str>,
    /// Supplementary groups as the kernel shows them; `None`: those that the launcher could not drop.
    pub(crate) groups: Option<String>,
    pub(crate) cgroups: Vec<Membership>,
}

/// Compares the process with what its profile says.
///
/// # Errors
/// [`Error::NotConfined`] with the first difference.
pub(crate) fn verify(pid: Pid, expected: &Expected<'_>) -> Result<(), Error> {
    let not_confined = |finding: String| Error::NotConfined { subject: expected.subject.to_owned(), finding };
    let proc = proc_of(pid);
    let read = |name: &str| {
        fs::read_to_string(format!("{proc}/{name}"))
            .map_err(|error| not_confined(format!("/proc/PID/{name}: {error}")))
    };
    status(&read("status")?, expected).map_err(not_confined)?;
    for namespace in &expected.own_namespaces {
        let link = |process: &str| {
            fs::read_link(format!("{process}/ns/{namespace}"))
                .map_err(|error| not_confined(format!("/proc/PID/ns/{namespace}: {error}")))
        };
        if link(&proc)? == link("/proc/self")? {
            return Err(not_confined(format!("it is in the launcher's {namespace} namespace")));
        }
    }
    let shown = read("cgroup")?;
    match expected.cgroups.iter().find(|membership| !membership.is_shown_in(&shown)) {
        Some(membership) => Err(not_confined(format!("it is not in its cgroup: {membership:?}"))),
        None => Ok(()),
    }
}

/// Checks /proc/PID/status. proc_pid_status(5).
fn status(text: &str, expected: &Expected<'_>) -> Result<(), String> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    let four = |id: u32| [id; 4].map(|id| id.to_string()).join(" ");
    let none = "0000000000000000";
    let mut wanted = vec![
        ("Uid", four(expected.outside.uid)),
        ("Gid", four(expected.outside.gid)),
        ("NoNewPrivs", "1".to_owned()),
        ("Seccomp", "2".to_owned()),
        ("CapInh", none.to_owned()),
        ("CapPrm", none.to_owned()),
        ("CapEff", none.to_owned()),
        ("CapBnd", none.to_owned()),
        ("CapAmb", none.to_owned()),
    ];
    if let Some(groups) = &expected.groups {
        wanted.push(("Groups", groups.clone()));
    }
    for (name, value) in wanted {
        let found = field(name);
        if found != value {
            return Err(format!("{name} is {found:?}, not {value:?}"));
        }
    }
    // The last number is its pid in its own namespace: 1, as nothing else may live there.
    let pids = field("NSpid");
    if pids.split(' ').count() >= 2 && pids.ends_with(" 1") {
        Ok(())
    } else {
        Err(format!("NSpid is {pids:?}: it is not the first process of a pid namespace of its own"))
    }
}
