//! Reaching parts of the kernel that modules do not need, and making memory executable.

mod account_processes;
mod add_key;
mod add_swap;
mod adjust_clock;
mod asynchronous_io;
mod bpf;
#[cfg(target_arch = "x86_64")]
mod change_local_descriptors;
mod change_quota;
#[cfg(target_arch = "x86_64")]
mod change_segments;
mod host_load;
mod inherit_priority;
mod interrupt_processors;
mod io_uring;
mod keyring;
mod load_kernel;
mod load_kernel_file;
mod load_module;
mod load_module_file;
mod lock_memory;
mod map_own_file_to_execute;
mod memory_key_then_execute;
mod memory_write_and_execute;
mod memory_write_then_execute;
mod merge_pages;
mod move_pages;
mod perf_event;
mod personality;
mod posix_message_queue;
#[cfg(target_arch = "x86_64")]
mod reach_one_port;
#[cfg(target_arch = "x86_64")]
mod reach_ports;
mod read_kernel_log;
mod reboot;
mod remap_file_pages;
mod remove_module;
mod remove_swap;
mod request_key;
mod set_clock;
mod set_time;
mod sync_host;
mod system_v_message_queue;
mod system_v_semaphores;
mod system_v_shared_memory;
mod user_fault;
#[cfg(target_arch = "x86_64")]
mod x32_entry;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    io_uring::ATTEMPT,
    asynchronous_io::ATTEMPT,
    keyring::ATTEMPT,
    add_key::ATTEMPT,
    request_key::ATTEMPT,
    personality::ATTEMPT,
    memory_write_then_execute::ATTEMPT,
    memory_key_then_execute::ATTEMPT,
    memory_write_and_execute::ATTEMPT,
    map_own_file_to_execute::ATTEMPT,
    remap_file_pages::ATTEMPT,
    merge_pages::ATTEMPT,
    move_pages::ATTEMPT,
    lock_memory::ATTEMPT,
    inherit_priority::ATTEMPT,
    interrupt_processors::ATTEMPT,
    sync_host::ATTEMPT,
    host_load::ATTEMPT,
    system_v_shared_memory::ATTEMPT,
    system_v_message_queue::ATTEMPT,
    system_v_semaphores::ATTEMPT,
    posix_message_queue::ATTEMPT,
    adjust_clock::ATTEMPT,
    #[cfg(target_arch = "x86_64")]
    change_local_descriptors::ATTEMPT,
    #[cfg(target_arch = "x86_64")]
    change_segments::ATTEMPT,
    #[cfg(target_arch = "x86_64")]
    x32_entry::ATTEMPT,
    bpf::ATTEMPT,
    perf_event::ATTEMPT,
    user_fault::ATTEMPT,
    load_kernel::ATTEMPT,
    load_kernel_file::ATTEMPT,
    load_module::ATTEMPT,
    load_module_file::ATTEMPT,
    remove_module::ATTEMPT,
    #[cfg(target_arch = "x86_64")]
    reach_ports::ATTEMPT,
    #[cfg(target_arch = "x86_64")]
    reach_one_port::ATTEMPT,
    read_kernel_log::ATTEMPT,
    add_swap::ATTEMPT,
    remove_swap::ATTEMPT,
    change_quota::ATTEMPT,
    account_processes::ATTEMPT,
    reboot::ATTEMPT,
    set_time::ATTEMPT,
    set_clock::ATTEMPT,
];
