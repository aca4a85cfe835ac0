//! Reaching files: the host's, the operator's, another module's; and leaving traps in its own directory.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags as FanotifyFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rustix::fs::{OFlags, ResolveFlags, XattrFlags};

use crate::attempt::{Attempt, Refused, Tried, succeeded};
use crate::context::Context;

const PASSWD: &str = "/etc/passwd";
/// More levels up than any data directory is deep.
const LEVELS_UP: usize = 32;
/// Set-user-ID, and executable for everybody.
const SET_USER_ID: u32 = 0o4755;
const OPEN_TO_ALL: u32 = 0o777;
/// The numbers of /dev/null: a device that harms nobody.
const NULL_DEVICE: (u64, u64) = (1, 3);

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("read-passwd", "read /etc/passwd", Errno::ENOENT, |_| read(PASSWD)),
    Attempt::refused("read-operator-file", "read a file of the operator's", Errno::ENOENT, |context| {
        read(&context.operator_file)
    }),
    Attempt::refused("read-other-data", "read another module's data", Errno::ENOENT, read_other_data),
    Attempt::refused("list-root", "list /", Errno::EACCES, |_| list("/")),
    Attempt::refused("list-proc", "list /proc", Errno::ENOENT, |_| list("/proc")),
    Attempt::refused("list-proc-self-root", "list /proc/self/root", Errno::ENOENT, |_| {
        list("/proc/self/root")
    }),
    Attempt::refused("list-sys", "list /sys", Errno::ENOENT, |_| list("/sys")),
    Attempt::refused("list-dev", "list /dev", Errno::ENOENT, |_| list("/dev")),
    Attempt::refused("climb-with-dots", "read /etc/passwd by .. from its directory", Errno::ENOENT, climb),
    Attempt::refused("open-with-openat2", "read /etc/passwd by openat2", Errno::ENOSYS, open_with_openat2),
    Attempt::refused("symlink-outside", "read /etc/passwd by a symbolic link", Errno::EPERM, symlink),
    Attempt::refused(
        "hard-link-outside",
        "link a file of the operator's into its directory",
        Errno::EPERM,
        hard_link,
    ),
    Attempt::refused("rename-outside", "move a file out of its directory", Errno::EXDEV, rename),
    Attempt::refused("create-outside", "create a file outside its directory", Errno::EROFS, create),
    Attempt::refused("make-device", "make a device", Errno::EPERM, make_device),
    Attempt::refused("make-fifo", "make a named pipe", Errno::EPERM, make_fifo),
    Attempt::refused("set-user-id", "make a file of its own set-user-ID", Errno::EPERM, set_user_id),
    Attempt::refused(
        "create-set-user-id",
        "create a file that is set-user-ID",
        Errno::EPERM,
        create_set_user_id,
    ),
    Attempt::refused("open-to-others", "let every user write to its directory", Errno::EPERM, open_to_others),
    Attempt::refused("change-owner", "give a file of its own to root", Errno::EPERM, change_owner),
    Attempt::refused("set-attribute", "set an extended attribute", Errno::EPERM, set_attribute),
    Attempt::refused("watch-files", "watch its directory with inotify", Errno::EPERM, watch_files),
    Attempt::refused("watch-mounts", "watch a whole file system with fanotify", Errno::EPERM, watch_mounts),
];

fn read(path: impl AsRef<Path>) -> Tried {
    let bytes = fs::read(path)?;
    succeeded(format!("read {} bytes", bytes.len()))
}

pub(super) fn list(path: impl AsRef<Path>) -> Tried {
    let entries = fs::read_dir(path)?;
    succeeded(format!("listed {} entries", entries.count()))
}

fn read_other_data(context: &Context) -> Tried {
    if context.other_data.is_dir() { list(&context.other_data) } else { read(&context.other_data) }
}

fn climb(context: &Context) -> Tried {
    let mut path = context.data_dir.clone();
    path.extend(std::iter::repeat_n("..", LEVELS_UP));
    path.push("etc/passwd");
    read(path)
}

fn open_with_openat2(_: &Context) -> Tried {
    let (flags, mode) = (OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty());
    rustix::fs::openat2(rustix::fs::CWD, PASSWD, flags, mode, ResolveFlags::empty())?;
    succeeded("opened it")
}

fn symlink(context: &Context) -> Tried {
    let link = context.data_dir.join("symlink");
    std::os::unix::fs::symlink(PASSWD, &link)?;
    read(link)
}

fn hard_link(context: &Context) -> Tried {
    let link = context.data_dir.join("hard-link");
    fs::hard_link(&context.operator_file, &link)?;
    read(link)
}

fn rename(context: &Context) -> Tried {
    let escaped = context.outside.join("escape-artist-was-here");
    fs::rename(own_file(context, "to-be-moved")?, &escaped)?;
    succeeded(format!("it is now {}", escaped.display()))
}

fn create(context: &Context) -> Tried {
    let path = context.outside.join("escape-artist-was-there");
    File::create_new(&path)?;
    succeeded(format!("created {}", path.display()))
}

fn make_device(context: &Context) -> Tried {
    let (major, minor) = NULL_DEVICE;
    mknod(&context.data_dir.join("device"), SFlag::S_IFCHR, Mode::S_IRUSR, makedev(major, minor))?;
    succeeded("made a character device")
}

fn make_fifo(context: &Context) -> Tried {
    mknod(&context.data_dir.join("fifo"), SFlag::S_IFIFO, Mode::S_IRUSR, 0)?;
    succeeded("made a named pipe")
}

fn set_user_id(context: &Context) -> Tried {
    fs::set_permissions(own_file(context, "set-user-id")?, Permissions::from_mode(SET_USER_ID))?;
    succeeded("whoever runs it becomes its owner")
}

fn create_set_user_id(context: &Context) -> Tried {
    let path = context.data_dir.join("created-set-user-id");
    OpenOptions::new().write(true).create_new(true).mode(SET_USER_ID).open(path)?;
    succeeded("whoever runs it becomes its owner")
}

fn open_to_others(context: &Context) -> Tried {
    fs::set_permissions(&context.data_dir, Permissions::from_mode(OPEN_TO_ALL))?;
    succeeded("any user can plant a link in it")
}

fn change_owner(context: &Context) -> Tried {
    std::os::unix::fs::chown(own_file(context, "change-owner")?, Some(0), Some(0))?;
    succeeded("root owns it")
}

fn set_attribute(context: &Context) -> Tried {
    let path = own_file(context, "attribute")?;
    rustix::fs::setxattr(&path, "user.escape", b"artist", XattrFlags::empty())?;
    succeeded("set user.escape")
}

fn watch_files(context: &Context) -> Tried {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    watch.add_watch(&context.data_dir, AddWatchFlags::IN_ALL_EVENTS)?;
    succeeded("watching")
}

fn watch_mounts(_: &Context) -> Tried {
    Fanotify::init(FanotifyFlags::FAN_CLASS_NOTIF | FanotifyFlags::FAN_CLOEXEC, EventFFlags::O_RDONLY)?;
    succeeded("may watch any mount")
}

/// A file in the module's own directory, which it may have.
fn own_file(context: &Context, name: &str) -> Result<PathBuf, Refused> {
    let path = context.data_dir.join(name);
    File::create(&path)?;
    Ok(path)
}

/// A program in the module's own directory that writes to the report that it ran.
pub(super) fn own_program(context: &Context) -> Result<PathBuf, Refused> {
    const SCRIPT: &str = "#!/bin/sh\nprintf '%s\\tsucceeded\\tthe program ran\\n' \"$1\" >> \"$2\"\n";
    let path = context.data_dir.join("program");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path)?;
    file.write_all(SCRIPT.as_bytes())?;
    Ok(path)
}

/// The path for a system call that wants it with a zero at its end.
pub(super) fn c_path(path: &Path) -> Result<CString, Refused> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}
