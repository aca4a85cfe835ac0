//! What hostile bytes reach, as functions of bytes.
//!
//! Each [`Target`] feeds its input to one reader of the project and panics where a claim about it does not hold. The
//! fuzzers in `fuzz/` call these functions, and so does the test that replays their corpus on a stable compiler.
//! No target reaches anything but what it makes itself: memory, a temporary directory, a socket on loopback. None
//! remembers anything from one input to the next, and nothing that ships links this crate.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a claim that does not hold is a panic: that is what a fuzzer looks for"
)]

mod audit;
mod control;
mod documents;
mod endpoints;
mod files;
mod frames;
mod messages;
mod metrics;
mod node;
mod programs;
mod rpc;
mod sessions;
mod signatures;

/// One reader, and what is claimed of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its fuzzer, and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics if a claim does not hold for these bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", run: frames::frames },
    Target { name: "to_host", run: messages::to_host },
    Target { name: "to_module", run: messages::to_module },
    Target { name: "manifest", run: documents::manifest },
    Target { name: "config", run: documents::config },
    Target { name: "policy", run: documents::policy },
    Target { name: "control", run: control::control },
    Target { name: "text", run: control::text },
    Target { name: "audit_file", run: audit::audit_file },
    Target { name: "audit_records", run: audit::audit_records },
    Target { name: "elf", run: programs::elf },
    Target { name: "files", run: files::files },
    Target { name: "metrics", run: metrics::metrics },
    Target { name: "node_reply", run: node::node_reply },
    Target { name: "node_result", run: node::node_result },
    Target { name: "node_zmq", run: node::node_zmq },
    Target { name: "rpc", run: rpc::rpc },
    Target { name: "rpc_http", run: rpc::rpc_http },
    Target { name: "endpoints", run: endpoints::endpoints },
    Target { name: "sessions", run: sessions::sessions },
    Target { name: "signature", run: signatures::signature },
    Target { name: "grants", run: signatures::grants },
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or if one of its claims does not hold.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(input);
}
