//! The host core: answers the node API for confined modules.
//!
//! It parses bytes that hostile modules send, so it runs confined itself: it holds the control socket to the
//! launcher, the modules' sockets and one state directory. It never starts a program, never opens a path that
//! a module named, and never lets one module's fault or slowness reach another.

#![forbid(unsafe_code)]

mod api;
mod authorize;
mod backend;
mod control_link;
mod denials;
mod dispatch;
mod events;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod interface;
mod metrics;
mod modules;
mod quotas;
mod run;
mod samples;
mod session;
mod storage;
mod supervise;
mod timers;
mod waiter;
mod watch;

pub use control_link::LinkError;
pub use events::{Origins, event_matrix};
pub use interface::InterfaceError;
pub use run::{CoreError, run_core};
