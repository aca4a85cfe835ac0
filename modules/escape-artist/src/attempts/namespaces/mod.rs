//! Leaving its namespaces, making new ones, and rebuilding the file tree that confines it.

mod bind_root;
mod chroot;
mod chroot_and_climb;
mod clone3_user;
mod clone_user;
mod configure_file_system;
mod join_cgroup;
mod join_ipc;
mod join_mount;
mod join_namespace;
mod join_pid;
mod join_time;
mod join_user;
mod join_uts;
mod list_mounts;
mod make_mount;
mod mount_cgroup;
mod mount_overlay;
mod mount_proc;
mod mount_tmpfs;
mod move_mount;
mod open_file_system;
mod open_tree;
mod open_tree_attributes;
mod pick_mount;
mod pivot_root;
mod remount_data;
mod set_domainname;
mod set_hostname;
mod set_mount_attributes;
mod share_mounts;
mod unmount;
mod unshare_cgroup;
mod unshare_ipc;
mod unshare_mount;
mod unshare_net;
mod unshare_pid;
mod unshare_time;
mod unshare_user;
mod unshare_uts;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    chroot::ATTEMPT,
    chroot_and_climb::ATTEMPT,
    unshare_user::ATTEMPT,
    unshare_mount::ATTEMPT,
    unshare_pid::ATTEMPT,
    unshare_net::ATTEMPT,
    unshare_ipc::ATTEMPT,
    unshare_uts::ATTEMPT,
    unshare_cgroup::ATTEMPT,
    unshare_time::ATTEMPT,
    clone_user::ATTEMPT,
    clone3_user::ATTEMPT,
    join_namespace::ATTEMPT,
    join_mount::ATTEMPT,
    join_pid::ATTEMPT,
    join_ipc::ATTEMPT,
    join_uts::ATTEMPT,
    join_cgroup::ATTEMPT,
    join_time::ATTEMPT,
    join_user::ATTEMPT,
    mount_tmpfs::ATTEMPT,
    mount_proc::ATTEMPT,
    mount_cgroup::ATTEMPT,
    mount_overlay::ATTEMPT,
    remount_data::ATTEMPT,
    bind_root::ATTEMPT,
    share_mounts::ATTEMPT,
    unmount::ATTEMPT,
    open_file_system::ATTEMPT,
    configure_file_system::ATTEMPT,
    make_mount::ATTEMPT,
    move_mount::ATTEMPT,
    pick_mount::ATTEMPT,
    set_mount_attributes::ATTEMPT,
    open_tree::ATTEMPT,
    open_tree_attributes::ATTEMPT,
    list_mounts::ATTEMPT,
    pivot_root::ATTEMPT,
    set_hostname::ATTEMPT,
    set_domainname::ATTEMPT,
];
