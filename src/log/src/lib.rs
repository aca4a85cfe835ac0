//! What the core logs: every record one safe line, and limits on how often.
//!
//! It never writes to anything but stderr, which is a pipe to the launcher, and never decides what is worth a line.

#![forbid(unsafe_code)]

mod line;
mod throttle;

#[cfg(any(test, feature = "captured"))]
pub use line::captured;
pub use line::{escaped, init};
pub use throttle::{RetryAfter, Throttle, TokenBucket, and_more};
