//! Reaching files: the host's, the operator's, another module's; and leaving traps in its own directory.

mod change_owner;
mod change_times;
mod climb_with_dots;
mod create_outside;
mod create_set_user_id;
mod exchange_names;
mod hard_link_outside;
mod hold_own_program;
mod list_dev;
mod list_proc;
mod list_proc_self_cwd;
mod list_proc_self_root;
mod list_root;
mod list_sys;
mod look_at_host_file;
mod make_device;
mod make_fifo;
mod make_whiteout;
mod name_to_handle;
mod open_by_handle;
mod open_to_others;
mod open_with_openat2;
mod read_operator_file;
mod read_other_data;
mod read_passwd;
mod remove_outside;
mod rename_outside;
mod reopen_descriptor;
mod set_attribute;
mod set_user_id;
mod symlink_outside;
mod truncate_outside;
mod watch_files;
mod watch_mounts;
mod write_core_pattern;
mod write_own_memory;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    read_passwd::ATTEMPT,
    read_operator_file::ATTEMPT,
    read_other_data::ATTEMPT,
    look_at_host_file::ATTEMPT,
    list_root::ATTEMPT,
    list_proc::ATTEMPT,
    list_proc_self_root::ATTEMPT,
    list_proc_self_cwd::ATTEMPT,
    list_sys::ATTEMPT,
    list_dev::ATTEMPT,
    climb_with_dots::ATTEMPT,
    open_with_openat2::ATTEMPT,
    symlink_outside::ATTEMPT,
    hard_link_outside::ATTEMPT,
    rename_outside::ATTEMPT,
    exchange_names::ATTEMPT,
    make_whiteout::ATTEMPT,
    create_outside::ATTEMPT,
    truncate_outside::ATTEMPT,
    remove_outside::ATTEMPT,
    make_device::ATTEMPT,
    make_fifo::ATTEMPT,
    set_user_id::ATTEMPT,
    create_set_user_id::ATTEMPT,
    open_to_others::ATTEMPT,
    change_owner::ATTEMPT,
    change_times::ATTEMPT,
    set_attribute::ATTEMPT,
    watch_files::ATTEMPT,
    watch_mounts::ATTEMPT,
    name_to_handle::ATTEMPT,
    open_by_handle::ATTEMPT,
    hold_own_program::ATTEMPT,
    reopen_descriptor::ATTEMPT,
    write_own_memory::ATTEMPT,
    write_core_pattern::ATTEMPT,
];
