//! What is asked of the node beyond the chain, one file for each subject.

mod mempool;
mod mining;
mod network;
mod status;

pub(crate) use mempool::{check_target, check_transaction};
pub(crate) use mining::check_block;
