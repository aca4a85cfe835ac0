//! Builds a subject's file system inside the helper's mount namespace: an empty, read-only root that holds its
//! one data directory and, for a dynamic program, its libraries. No /proc, /sys, /dev, /etc.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use cofferdam_policy::profile::Access;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use crate::host::path_of;

/// What the root holds.
pub(crate) struct Root<'a> {
    /// A directory of the launcher's own to mount the new root on, in the helper's namespace only.
    pub(crate) scratch: &'a Path,
    /// What is bound into it.
    pub(crate) binds: Vec<Bind<'a>>,
}

/// One directory of the host's, bound into the root.
pub(crate) struct Bind<'a> {
    /// Where it is on the host.
    pub(crate) path: &'a Path,
    /// The directory that was opened there when the subject was loaded: it must still be the same.
    pub(crate) source: &'a OwnedFd,
    /// Its absolute path inside.
    pub(crate) inside: &'a str,
    pub(crate) access: Access,
}

/// What could not be done, and why.
pub(crate) struct Failure {
    pub(crate) doing: String,
    pub(crate) cause: String,
}

const NOTHING: Option<&str> = None;
/// Enough for the directories that binds are mounted on; the root is read-only afterwards.
const ROOT_OPTIONS: &str = "size=64k,nr_inodes=512,mode=0755";

/// Builds the root and makes it the helper's. Everything else of the host is unmounted from the namespace.
pub(crate) fn build(root: &Root<'_>) -> Result<(), Failure> {
    let all = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, all, NOTHING).map_err(doing("keep mounts from leaving the namespace"))?;
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("cofferdam"), root.scratch, Some("tmpfs"), harmless, Some(ROOT_OPTIONS))
        .map_err(doing("mount the new root"))?;
    chdir(root.scratch).map_err(doing("enter the new root"))?;
    for bind in &root.binds {
        attach(bind)?;
    }
    // pivot_root(2): the old root ends up mounted over the new one, and is taken away from there.
    pivot_root(".", ".").map_err(doing("pivot_root (does not work from an initramfs: switch_root first)"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(doing("unmount the old root"))?;
    chdir("/").map_err(doing("enter the new root"))?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | harmless;
    mount(NOTHING, "/", NOTHING, read_only, NOTHING).map_err(doing("make the root read-only"))?;
    require(Path::new("/"), read_only_flags() | FsFlags::ST_NOEXEC)
}

/// Binds one directory, then sets its flags: given together with MS_BIND the kernel ignores them.
fn attach(bind: &Bind<'_>) -> Result<(), Failure> {
    let relative = bind.inside.trim_start_matches('/');
    let target = Path::new(relative);
    let what = |verb: &str| format!("{verb} {}", bind.inside);
    fs::create_dir_all(target)
        .map_err(|error| Failure { doing: what("create"), cause: error.to_string() })?;
    let source = reopen(bind)?;
    mount(Some(path_of(&source).as_str()), target, NOTHING, MsFlags::MS_BIND, NOTHING)
        .map_err(doing(&what("bind")))?;
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let required = match bind.access {
        Access::ReadWrite => {
            flags |= MsFlags::MS_NOEXEC;
            FsFlags::ST_NOSUID | FsFlags::ST_NODEV | FsFlags::ST_NOEXEC
        }
        Access::Read => {
            flags |= MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC;
            read_only_flags() | FsFlags::ST_NOEXEC
        }
        Access::ReadExecute => {
            flags |= MsFlags::MS_RDONLY;
            read_only_flags()
        }
    };
    let kept = kept_flags(target).map_err(doing(&what("read the flags of")))?;
    mount(NOTHING, target, NOTHING, flags | kept, NOTHING).map_err(doing(&what("set the flags of")))?;
    require(target, required)
}

/// A directory can be bound only by a descriptor of this mount namespace, so it is opened again; that it is
/// the one the launcher opened is checked, so a path that was swapped meanwhile is refused.
fn reopen(bind: &Bind<'_>) -> Result<OwnedFd, Failure> {
    let what = format!("open {}", bind.path.display());
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let again = open(bind.path, flags, Mode::empty()).map_err(doing(&what))?;
    let identity = |directory: &OwnedFd| fstat(directory).map(|stat| (stat.st_dev, stat.st_ino));
    if identity(&again).map_err(doing(&what))? == identity(bind.source).map_err(doing(&what))? {
        return Ok(again);
    }
    Err(Failure { doing: what, cause: "it is not the directory that was there at the start".to_owned() })
}

fn read_only_flags() -> FsFlags {
    FsFlags::ST_RDONLY | FsFlags::ST_NOSUID | FsFlags::ST_NODEV
}

/// Flags that the source already has: a remount without them is refused in a user namespace
/// (mount_namespaces(7), locked flags), and would loosen them elsewhere.
fn kept_flags(target: &Path) -> Result<MsFlags, nix::errno::Errno> {
    let present = statvfs(target)?.flags();
    let pairs = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    Ok(pairs
        .into_iter()
        .filter(|(has, _)| present.contains(*has))
        .fold(MsFlags::empty(), |all, (_, flag)| all | flag))
}

/// What was set is read back.
fn require(target: &Path, required: FsFlags) -> Result<(), Failure> {
    let path = format!("read back the flags of {}", target.display());
    let present = statvfs(target).map_err(doing(&path))?.flags();
    if present.contains(required) {
        return Ok(());
    }
    Err(Failure { doing: path, cause: format!("{present:?} lacks {:?}", required - present) })
}

fn doing(text: &str) -> impl FnOnce(nix::errno::Errno) -> Failure {
    let doing = text.to_owned();
    move |errno| Failure { doing, cause: errno.to_string() }
}
