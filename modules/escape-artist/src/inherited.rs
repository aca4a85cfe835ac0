//! Finds out which descriptors were open when the program started, without naming any of them.
//!
//! Safe code cannot use a number as a descriptor. But a duplicate gets the lowest number that is free
//! (dup(2)), so duplicating until the limit is reached takes every free number, and those that never come up
//! were open before.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::process::{Resource, getrlimit};

/// The first number after standard input, output and error.
const FIRST: RawFd = 3;
/// Numbers looked at, at most. Every limit in the policies is below it.
const MOST: RawFd = 1024;

/// The numbers above 2 that were open, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Inherited(pub(crate) Vec<RawFd>);

impl Inherited {
    /// Looks. Right only before anything else of the program has opened a descriptor.
    pub(crate) fn scan() -> Self {
        let limit = getrlimit(Resource::Nofile).current.and_then(|limit| RawFd::try_from(limit).ok());
        let end = limit.map_or(MOST, |limit| limit.min(MOST));
        let free = take_free(end);
        let taken = |number: &RawFd| !free.iter().any(|descriptor| descriptor.as_raw_fd() == *number);
        Self((FIRST..end).filter(taken).collect())
    }
}

/// Takes every free number below `end`; they are free again when the result is dropped.
fn take_free(end: RawFd) -> Vec<OwnedFd> {
    let standard_input = io::stdin();
    let duplicate = || standard_input.as_fd().try_clone_to_owned().ok();
    std::iter::repeat_with(duplicate)
        .map_while(|descriptor| descriptor)
        .take_while(|new| new.as_raw_fd() < end)
        .collect()
}
