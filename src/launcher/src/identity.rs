//! Host uids. Run as root, each module has a block of its own and its data directory belongs to the block's
//! first uid; the directory's owner is the record of the assignment, so that it survives restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use cofferdam_config::Sandbox;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid};

use crate::error::{Error, file};
use crate::host::{Host, Privilege};
use crate::namespaces::OutsideId;

/// The core's block; modules have the blocks from 1 on.
const CORE_BLOCK: u32 = 0;

/// The one directory of the host that a subject may write, and the ids it does so under.
#[derive(Debug)]
pub struct Home {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// The directory, open.
    pub directory: OwnedFd,
    /// Whose it is.
    pub outside: OutsideId,
}

/// Who reads and writes in a data directory besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody.
    Own,
    /// The core, by the directory's group: files made in it belong to that group (inode(7), set-group-ID).
    WithCore,
}

impl Sharing {
    const fn mode(self) -> u32 {
        match self {
            Self::Own => 0o700,
            Self::WithCore => 0o2770,
        }
    }
}

/// Gives each name its uid and its data directory below `parent`, making what is missing. One that cannot be
/// had does not keep the others from theirs.
pub(crate) fn assign(
    host: &Host,
    uid_base: u32,
    parent: &Path,
    names: &[(String, Sharing)],
) -> Result<BTreeMap<String, Result<Home, Error>>, Error> {
    make_directory(parent, 0o711)?;
    let mut taken = BTreeSet::from([CORE_BLOCK]);
    // Every directory counts, also that of a module that is not installed now: its data keeps its owner.
    for entry in fs::read_dir(parent).map_err(file("list", parent, ""))? {
        let entry = entry.map_err(file("list", parent, ""))?;
        match entry.metadata() {
            Ok(metadata) => taken.extend(block_of(metadata.uid(), uid_base)),
            // A probe's directory, which another process has removed meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(file("list", parent, "")(error)),
        }
    }
    let mut assigned = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, sharing) in names {
        let outcome = one(host, uid_base, &parent.join(name), *sharing, &mut taken, &mut seen);
        assigned.insert(name.clone(), outcome);
    }
    Ok(assigned)
}

/// The core's uid and its state directory.
pub(crate) fn assign_core(host: &Host, uid_base: u32, path: &Path) -> Result<Home, Error> {
    let id = id_of_block(host, uid_base, CORE_BLOCK);
    own(host, path, id, Sharing::Own)
}

/// The block of what is none: the probes of `audit --verify`.
const APART_BLOCK: u32 = Sandbox::MAX_MODULES - 1;

/// A directory and a uid that no module has, and no other process of ours: one of the last block, by this process's
/// number.
pub(crate) fn assign_apart(host: &Host, uid_base: u32, path: &Path) -> Result<Home, Error> {
    let mut id = id_of_block(host, uid_base, APART_BLOCK);
    if host.privilege == Privilege::Root {
        let own = 1 + std::process::id() % (Sandbox::UIDS_PER_MODULE - 1);
        id = OutsideId { uid: id.uid + own, gid: id.gid + own };
    }
    self::own(host, path, id, Sharing::Own)
}

fn one(
    host: &Host,
    uid_base: u32,
    path: &Path,
    sharing: Sharing,
    taken: &mut BTreeSet<u32>,
    seen: &mut BTreeSet<u32>,
) -> Result<Home, Error> {
    if host.privilege == Privilege::User {
        // The core has the same uid: there is no one to share with.
        let id = id_of_block(host, uid_base, CORE_BLOCK);
        return own(host, path, id, Sharing::Own);
    }
    let owner = fs::symlink_metadata(path).ok().and_then(|metadata| block_of(metadata.uid(), uid_base));
    let block = match owner {
        Some(block) if block != CORE_BLOCK && block != APART_BLOCK && seen.insert(block) => block,
        Some(_) => {
            return Err(Error::File {
                doing: "take the data directory",
                path: path.to_owned(),
                cause: "it belongs to the uid of another module, of the core or of a probe".to_owned(),
                remedy: "it was copied: remove it, or chown -R it to root and empty it",
            });
        }
        None => (1..APART_BLOCK).find(|block| !taken.contains(block)).ok_or_else(|| Error::File {
            doing: "find a uid for",
            path: path.to_owned(),
            cause: format!("all {} blocks are taken", Sandbox::MAX_MODULES),
            remedy: "remove data directories of modules that are gone",
        })?,
    };
    taken.insert(block);
    seen.insert(block);
    own(host, path, id_of_block(host, uid_base, block), sharing)
}

fn block_of(uid: u32, uid_base: u32) -> Option<u32> {
    let offset = uid.checked_sub(uid_base)?;
    let block = offset / Sandbox::UIDS_PER_MODULE;
    (block < Sandbox::MAX_MODULES && offset % Sandbox::UIDS_PER_MODULE == 0).then_some(block)
}

fn id_of_block(host: &Host, uid_base: u32, block: u32) -> OutsideId {
    match host.privilege {
        Privilege::Root => {
            let id = uid_base + block * Sandbox::UIDS_PER_MODULE;
            OutsideId { uid: id, gid: id }
        }
        Privilege::User => OutsideId { uid: host.uid.as_raw(), gid: host.gid.as_raw() },
    }
}

/// Makes the directory if it is missing, gives it to `id`, and opens it. One with content that belongs to
/// someone else is refused: giving away what is inside is the operator's decision.
fn own(host: &Host, path: &Path, id: OutsideId, sharing: Sharing) -> Result<Home, Error> {
    make_directory(path, 0o700)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = open(path, flags, Mode::empty())
        .map_err(|errno| file("open", path, "a data directory must not be a symbolic link")(errno.into()))?;
    let metadata =
        nix::sys::stat::fstat(&directory).map_err(|errno| file("look at", path, "")(errno.into()))?;
    let home = Home { path: path.to_owned(), directory, outside: id };
    if metadata.st_uid == id.uid {
        if host.privilege == Privilege::Root && metadata.st_gid != id.gid {
            // The group may be somebody's: opened to it, it would be let in.
            give(&home, None)?;
        }
        set_mode(host, &home, metadata.st_mode, sharing)?;
        return Ok(home);
    }
    let empty = fs::read_dir(path).map_err(file("list", path, ""))?.next().is_none();
    if host.privilege == Privilege::Root && empty {
        give(&home, Some(Uid::from_raw(id.uid)))?;
        set_mode(host, &home, metadata.st_mode, sharing)?;
        return Ok(home);
    }
    Err(Error::File {
        doing: "take the data directory",
        path: path.to_owned(),
        cause: format!("it has content and belongs to uid {}, not to {}", metadata.st_uid, id.uid),
        remedy: "chown -R it to that uid and gid if the content is this module's",
    })
}

/// Gives the directory to its group, and to a user. The open one is the one that was looked at, whatever the path now
/// says.
fn give(home: &Home, uid: Option<Uid>) -> Result<(), Error> {
    nix::unistd::fchown(&home.directory, uid, Some(Gid::from_raw(home.outside.gid)))
        .map_err(|errno| file("chown", &home.path, "")(errno.into()))
}

/// Opens or closes the directory to its group, which is the module's own and perhaps the core's, and nobody's else.
fn set_mode(host: &Host, home: &Home, present: u32, sharing: Sharing) -> Result<(), Error> {
    const PERMISSIONS: u32 = 0o7777;
    if host.privilege == Privilege::User || present & PERMISSIONS == sharing.mode() {
        return Ok(());
    }
    nix::sys::stat::fchmod(&home.directory, Mode::from_bits_truncate(sharing.mode()))
        .map_err(|errno| file("chmod", &home.path, "")(errno.into()))
}

pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(file(
        "create",
        path,
        "may this user write there?",
    ))
}
