//! Starting programs; finding, signalling, reading and steering other processes; becoming somebody else.

mod answer_its_own_calls;
mod become_dumpable;
mod become_realtime;
mod become_root;
mod become_root_for_files;
mod compare_kernel_objects;
mod drop_groups;
mod execute_descriptor;
mod execute_itself;
mod filter_for_itself;
mod find_processes;
mod landlock_for_itself;
mod limit_other;
mod name_a_tracer;
mod open_process;
mod pin_processor;
mod queue_signal;
mod raise_disk_priority;
mod raise_own_limit;
mod raise_priority;
mod read_memory;
mod read_other_environment;
mod rewrite_memory_map;
mod set_capabilities;
mod signal_all;
mod signal_by_descriptor;
mod signal_every_id;
mod signal_init;
mod signal_other;
mod signal_parent;
mod spawn_process;
mod trace_me;
mod trace_other;
mod write_and_execute;
mod write_memory;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    write_and_execute::ATTEMPT,
    execute_descriptor::ATTEMPT,
    execute_itself::ATTEMPT,
    spawn_process::ATTEMPT,
    find_processes::ATTEMPT,
    signal_every_id::ATTEMPT,
    signal_parent::ATTEMPT,
    signal_init::ATTEMPT,
    signal_other::ATTEMPT,
    signal_all::ATTEMPT,
    queue_signal::ATTEMPT,
    signal_by_descriptor::ATTEMPT,
    open_process::ATTEMPT,
    read_other_environment::ATTEMPT,
    limit_other::ATTEMPT,
    raise_own_limit::ATTEMPT,
    raise_priority::ATTEMPT,
    become_realtime::ATTEMPT,
    raise_disk_priority::ATTEMPT,
    pin_processor::ATTEMPT,
    become_dumpable::ATTEMPT,
    name_a_tracer::ATTEMPT,
    rewrite_memory_map::ATTEMPT,
    become_root::ATTEMPT,
    become_root_for_files::ATTEMPT,
    drop_groups::ATTEMPT,
    set_capabilities::ATTEMPT,
    filter_for_itself::ATTEMPT,
    answer_its_own_calls::ATTEMPT,
    landlock_for_itself::ATTEMPT,
    trace_me::ATTEMPT,
    trace_other::ATTEMPT,
    read_memory::ATTEMPT,
    write_memory::ATTEMPT,
    compare_kernel_objects::ATTEMPT,
];
