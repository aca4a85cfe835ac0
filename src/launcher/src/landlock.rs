//! Builds a subject's Landlock ruleset in the launcher; the child only enforces it.
//!
//! The ruleset handles every right that both the running kernel and the crate know, so what no rule grants is refused;
//! a kernel that is newer than the crate may know rights beyond them, and [`in_words`] says so. Rules are built as
//! hard requirements: a right that cannot be enforced is an error, never a warning. landlock(7).

use std::os::fd::{AsFd, OwnedFd};

use cofferdam_policy::profile::{Access, Network, Profile};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::error::Error;

/// Landlock ABI that restricts TCP. Linux 6.7.
pub(crate) const ABI_NETWORK: u32 = 4;
/// Landlock ABI that scopes signals and abstract Unix sockets. Linux 6.12.
pub(crate) const ABI_SCOPE: u32 = 6;

/// A directory of the sandbox, opened, and what may be done below it.
pub(crate) struct OpenedDirectory<'a> {
    pub(crate) directory: &'a OwnedFd,
    pub(crate) access: Access,
}

/// Builds the ruleset for `profile`. `abi` is the running kernel's, 1 or more.
///
/// # Errors
/// [`Error::LayerMissing`] when the kernel refuses what its ABI promises.
pub(crate) fn ruleset(
    profile: &Profile,
    directories: &[OpenedDirectory<'_>],
    abi: u32,
) -> Result<OwnedFd, Error> {
    let subject = profile.subject.label();
    let created =
        build(profile, directories, abi).map_err(|error| missing(subject, abi, &error.to_string()))?;
    let descriptor: Option<OwnedFd> = created.into();
    descriptor.ok_or_else(|| missing(subject, abi, "the kernel made no ruleset"))
}

fn missing(subject: &str, abi: u32, why: &str) -> Error {
    Error::LayerMissing {
        layer: "landlock",
        why: format!("build the ruleset of {subject} for ABI {abi}: {why}"),
        remedy: "this is a defect of Cofferdam or of this kernel: please report it".to_owned(),
    }
}

fn build(
    profile: &Profile,
    directories: &[OpenedDirectory<'_>],
    abi: u32,
) -> Result<RulesetCreated, RulesetError> {
    let version = known(abi);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(version))?;
    if abi >= ABI_NETWORK {
        ruleset = ruleset.handle_access(AccessNet::from_all(version))?;
    }
    if abi >= ABI_SCOPE {
        ruleset = ruleset.scope(Scope::from_all(version))?;
    }
    let mut created = ruleset.create()?.set_compatibility(CompatLevel::HardRequirement);
    for opened in directories {
        created =
            created.add_rule(PathBeneath::new(opened.directory.as_fd(), rights(opened.access, version)))?;
    }
    if let Network::Host { connect_ports, .. } = &profile.network
        && abi >= ABI_NETWORK
    {
        for port in connect_ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created)
}

/// The rights of a directory, as far as the kernel's ABI knows them. Devices, sockets, fifos and symbolic
/// links cannot be made anywhere: no module needs one, and the core follows none.
fn rights(access: Access, version: ABI) -> BitFlags<AccessFs> {
    let wanted = match access {
        Access::Read => AccessFs::ReadFile | AccessFs::ReadDir,
        Access::ReadExecute => AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir,
        Access::ReadWrite => {
            AccessFs::ReadFile
                | AccessFs::ReadDir
                | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::Refer
        }
    };
    wanted & AccessFs::from_all(version)
}

/// The newest ABI that the crate knows.
const NEWEST_KNOWN: u32 = 9;

/// What is enforced on a kernel of this ABI, 1 or more: of a newer one than the crate knows, only a part.
pub(crate) fn in_words(abi: u32) -> String {
    if abi > NEWEST_KNOWN {
        format!("landlock abi {NEWEST_KNOWN} of {abi}")
    } else {
        format!("landlock abi {abi}")
    }
}

/// The newest ABI that both the kernel and the crate know.
fn known(abi: u32) -> ABI {
    match abi {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        _ => ABI::V9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_newer_kernel_only_what_is_enforced_is_claimed() {
        assert_eq!(in_words(1), "landlock abi 1");
        assert_eq!(in_words(NEWEST_KNOWN), "landlock abi 9");
        assert_eq!(in_words(NEWEST_KNOWN + 1), "landlock abi 9 of 10");
        assert_eq!(known(NEWEST_KNOWN), known(u32::MAX));
        assert_ne!(known(NEWEST_KNOWN), known(NEWEST_KNOWN - 1));
    }
}
