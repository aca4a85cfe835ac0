//! Using descriptors that were not given to it, passing them on, and what the given ones can do.

mod asynchronous_descriptor;
mod change_socket;
mod duplicate_pipe;
mod grow_pipe;
mod inherited_descriptors;
mod lease_file;
mod list_descriptors;
mod memfd_execute;
mod notify_directory;
mod other_ioctl;
mod own_signals;
mod packet_pipe;
mod pass_descriptor;
mod pass_many_messages;
mod receive_descriptor;
mod receive_many_messages;
mod splice_file;
mod splice_memory;
mod take_descriptor;
mod watch_queue;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    inherited_descriptors::ATTEMPT,
    list_descriptors::ATTEMPT,
    take_descriptor::ATTEMPT,
    pass_descriptor::ATTEMPT,
    receive_descriptor::ATTEMPT,
    pass_many_messages::ATTEMPT,
    receive_many_messages::ATTEMPT,
    change_socket::ATTEMPT,
    grow_pipe::ATTEMPT,
    packet_pipe::ATTEMPT,
    watch_queue::ATTEMPT,
    splice_file::ATTEMPT,
    splice_memory::ATTEMPT,
    duplicate_pipe::ATTEMPT,
    lease_file::ATTEMPT,
    notify_directory::ATTEMPT,
    own_signals::ATTEMPT,
    asynchronous_descriptor::ATTEMPT,
    other_ioctl::ATTEMPT,
    memfd_execute::ATTEMPT,
];
