//! The HTTP front of the host core: JSON-RPC for the methods that modules register, and the metrics.
//!
//! It never opens, binds or resolves anything: the listener is handed in. It never reads a request's body before
//! its credentials are right, never keeps or logs them, and never lets one peer hold what others need: memory,
//! connections, calls and waits are all limited by [`Limits`].
//!
//! The dialect is Bitcoin Core's, version 28 (its `doc/JSON-RPC-interface.md`): a request that says
//! `"jsonrpc":"2.0"` gets HTTP 200 and either `result` or `error`, and 204 if it has no `id`; any other gets both
//! keys, and HTTP 404 or 500 with an error. One rule is stricter: a body with a key twice in an object, deeper
//! than 127 levels, or with a number or string that JSON parsers disagree about is a parse error as a whole.
//!
//! Against web pages: a request with an `Origin` is refused, and so is one whose `Host` is a name other than
//! `localhost`, as a page has that rebinds its own name to this address. Both come before the credentials.

#![forbid(unsafe_code)]

mod answer;
mod auth;
mod backend;
mod connection;
mod endpoints;
mod failures;
mod help;
mod http;
mod limits;
mod reply;
mod request;
mod server;
mod socket;
mod strict;

pub use auth::{Auth, AuthError};
pub use backend::{Backend, CallError, MethodInfo, RpcError, code};
pub use endpoints::{Endpoint, Endpoints, RegisterError};
pub use limits::Limits;
pub use request::{MAX_BATCH, Parsed, Refused, Request, Version, parse_body};
pub use server::{ServeError, serve};
