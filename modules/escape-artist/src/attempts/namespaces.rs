//! Leaving its namespaces, making new ones, and rebuilding the file tree that confines it.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chroot, pivot_root, sethostname};
use rustix::mount::{FsOpenFlags, OpenTreeFlags, fsopen, open_tree};

use super::processes::namespace_of_other;
use crate::attempt::{Attempt, Tried, succeeded};
use crate::context::Context;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("chroot", "change its root directory", Errno::EPERM, change_root),
    Attempt::lethal("unshare-user", "make a user namespace", |_| make(CloneFlags::CLONE_NEWUSER)),
    Attempt::lethal("unshare-mount", "make a mount namespace", |_| make(CloneFlags::CLONE_NEWNS)),
    Attempt::lethal("unshare-pid", "make a pid namespace", |_| make(CloneFlags::CLONE_NEWPID)),
    Attempt::lethal("unshare-net", "make a net namespace", |_| make(CloneFlags::CLONE_NEWNET)),
    Attempt::lethal("unshare-ipc", "make an ipc namespace", |_| make(CloneFlags::CLONE_NEWIPC)),
    Attempt::lethal("unshare-uts", "make a uts namespace", |_| make(CloneFlags::CLONE_NEWUTS)),
    Attempt::lethal("unshare-cgroup", "make a cgroup namespace", |_| make(CloneFlags::CLONE_NEWCGROUP)),
    Attempt::lethal("join-namespace", "join the net namespace of another process", join),
    Attempt::lethal("mount-tmpfs", "mount a file system", mount_tmpfs),
    Attempt::lethal("remount-data", "mount its directory again without noexec", remount_data),
    Attempt::lethal("unmount", "unmount what hides the host", unmount),
    Attempt::lethal("open-file-system", "open a file system (fsopen)", open_file_system),
    Attempt::lethal("open-tree", "copy a mount (open_tree)", copy_mount),
    Attempt::lethal("pivot-root", "change the root of its mounts", change_root_mount),
    Attempt::lethal("set-hostname", "change the host's name", set_hostname),
];

const NOTHING: Option<&str> = None;

fn make(namespace: CloneFlags) -> Tried {
    unshare(namespace)?;
    succeeded("made it")
}

fn join(context: &Context) -> Tried {
    setns(namespace_of_other(context, "net")?, CloneFlags::CLONE_NEWNET)?;
    succeeded("joined it")
}

fn change_root(context: &Context) -> Tried {
    chroot(&context.data_dir)?;
    succeeded("changed it")
}

fn mount_tmpfs(context: &Context) -> Tried {
    mount(Some("tmpfs"), &context.data_dir, Some("tmpfs"), MsFlags::empty(), NOTHING)?;
    succeeded("mounted a tmpfs on its directory")
}

/// A bind of the directory on itself, which has none of the flags that confine it.
fn remount_data(context: &Context) -> Tried {
    mount(Some(&context.data_dir), &context.data_dir, NOTHING, MsFlags::MS_BIND, NOTHING)?;
    let exec = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(NOTHING, &context.data_dir, NOTHING, exec, NOTHING)?;
    succeeded("mounted it with exec")
}

fn unmount(context: &Context) -> Tried {
    umount2(&context.mount_point, MntFlags::MNT_DETACH)?;
    succeeded("unmounted it")
}

fn open_file_system(_: &Context) -> Tried {
    fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    succeeded("opened a tmpfs")
}

fn copy_mount(_: &Context) -> Tried {
    open_tree(
        rustix::fs::CWD,
        Path::new("/"),
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    succeeded("holds a copy of /")
}

fn change_root_mount(context: &Context) -> Tried {
    pivot_root(&context.mount_point, &context.mount_point)?;
    succeeded("changed it")
}

fn set_hostname(_: &Context) -> Tried {
    sethostname("escaped")?;
    succeeded("it is now `escaped`")
}
