//! unshare(2) with CLONE_NEWNET: in it CAP_NET_ADMIN reaches nf_tables and traffic control (CVE-2023-32233,
//! CVE-2022-2588). The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-net", "make a net namespace", |_| make_namespace(CloneFlags::CLONE_NEWNET));
