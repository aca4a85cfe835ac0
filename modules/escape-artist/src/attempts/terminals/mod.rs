//! Reaching the operator's terminal.

mod leave_session;
mod open_terminal;
mod paste_for_the_operator;
mod type_by_a_wide_command;
mod type_for_the_operator;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    open_terminal::ATTEMPT,
    type_for_the_operator::ATTEMPT,
    type_by_a_wide_command::ATTEMPT,
    paste_for_the_operator::ATTEMPT,
    leave_session::ATTEMPT,
];
