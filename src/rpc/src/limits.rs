//! How much a client may take, and for how long.

use std::time::Duration;

/// The limits of the front. [`Limits::default`] is what the core runs with; tests lower some.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body of a request, in bytes.
    pub body_bytes: usize,
    /// The longest reply, in bytes. In a batch all replies share it.
    pub reply_bytes: usize,
    /// How many connections there are at a time. One more replaces the oldest that has not shown credentials;
    /// if all have, it is answered 503.
    pub connections: usize,
    /// How many calls are carried out at a time, over all connections. Others wait, within their deadline.
    pub calls: usize,
    /// How many calls of one batch are carried out at a time.
    pub calls_of_a_batch: usize,
    /// How long a connection may wait for its next request, and a request's head may take.
    pub head_deadline: Duration,
    /// How long a request's body may take.
    pub body_deadline: Duration,
    /// How long a call may take, waiting included.
    pub call_deadline: Duration,
    /// How long the client may take to read a reply.
    pub reply_deadline: Duration,
    /// How long a wrong credential waits for its answer.
    pub wrong_credentials_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A transaction of the largest standard size is 800 KB in hexadecimal.
            body_bytes: 1 << 20,
            reply_bytes: 4 << 20,
            connections: 64,
            calls: 64,
            calls_of_a_batch: 8,
            // As in Bitcoin Core: `-rpcservertimeout`.
            head_deadline: Duration::from_secs(30),
            body_deadline: Duration::from_secs(30),
            call_deadline: Duration::from_secs(30),
            reply_deadline: Duration::from_secs(30),
            // As in Bitcoin Core.
            wrong_credentials_delay: Duration::from_millis(250),
        }
    }
}
