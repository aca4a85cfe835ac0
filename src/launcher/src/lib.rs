//! Turns a profile into a confined process; the root of trust.
//!
//! It parses no byte of a module, speaks no network protocol, has one thread and no async runtime. What it
//! decides, it decides from the operator's config, the manifests and the compiled-in policy; the core may ask
//! it things only by name.

mod audit;
mod cgroup;
mod child;
mod denial;
mod disk;
mod doctor;
mod error;
mod examine;
pub mod filter;
mod grants;
mod host;
mod identity;
mod interface;
mod landlock;
mod layers;
mod learn;
mod log;
mod namespaces;
mod program;
mod root;
mod run;
mod start;
mod state_dir;
mod step;
mod supervisor;
mod sweeper;
mod sys;
mod tomoyo;
mod verify;

pub use cgroup::CgroupHost;
pub use doctor::{DoctorOptions, doctor};
pub use error::{Error, with_causes};
pub use examine::inside::serve as serve_inside;
pub use examine::{ExamineOptions, examine};
pub use host::{Enforced, Host, Privilege};
pub use identity::Home;
pub use layers::Layers;
pub use learn::{LearnOptions, learn};
pub use namespaces::OutsideId;
pub use program::Program;
pub use run::{Options, run, run_with};
pub use start::{Launcher, Loaded, Prepared, Running};
pub use step::Step;
