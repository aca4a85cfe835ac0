//! Reaching, through the core, what is another module's or the core's own. Each does the same to what is its own
//! first.

mod call_without_capability;
mod cancel_timer_of_other;
mod claim_other_name;
mod exhaust_storage;
mod exhaust_timers;
mod huge_frame;
mod lying_length;
mod open_tree_of_other;
mod publish_core_event;
mod publish_ungranted_event;
mod read_file_outside;
mod second_handshake;
mod send_coins;
mod take_rpc_name_of_other;
mod unknown_message;
mod use_tree_of_other;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    call_without_capability::ATTEMPT,
    send_coins::ATTEMPT,
    publish_core_event::ATTEMPT,
    publish_ungranted_event::ATTEMPT,
    open_tree_of_other::ATTEMPT,
    use_tree_of_other::ATTEMPT,
    read_file_outside::ATTEMPT,
    cancel_timer_of_other::ATTEMPT,
    take_rpc_name_of_other::ATTEMPT,
    exhaust_timers::ATTEMPT,
    exhaust_storage::ATTEMPT,
    claim_other_name::ATTEMPT,
    second_handshake::ATTEMPT,
    huge_frame::ATTEMPT,
    lying_length::ATTEMPT,
    unknown_message::ATTEMPT,
];
