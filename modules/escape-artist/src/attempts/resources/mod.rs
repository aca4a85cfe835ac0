//! Using more than its share. Each is bounded, so that it harms no machine on which it is let through.

mod exhaust_descriptors;
mod exhaust_file_size;
mod exhaust_memory;
mod exhaust_tasks;
mod flood_files;
mod flood_log;
mod fork_bomb;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    exhaust_tasks::ATTEMPT,
    fork_bomb::ATTEMPT,
    exhaust_descriptors::ATTEMPT,
    exhaust_file_size::ATTEMPT,
    flood_files::ATTEMPT,
    flood_log::ATTEMPT,
    exhaust_memory::ATTEMPT,
];
