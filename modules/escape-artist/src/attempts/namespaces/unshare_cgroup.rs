//! unshare(2) with CLONE_NEWCGROUP: a view of the cgroup tree with itself as the root, a step of CVE-2022-0492.
//! The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("unshare-cgroup", "make a cgroup namespace", |_| {
    make_namespace(CloneFlags::CLONE_NEWCGROUP)
});
