//! The readers of what a node sends, as functions of bytes, for fuzzing and nothing else. None of them may panic
//! or take more memory than a few times what it is given.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use hyper::StatusCode;

use crate::bitcoind::decode;
use crate::bitcoind::reply::{Outcome, Reply};
use crate::bitcoind::zmq::wire;

/// The body of an answer over HTTP, read as whatever may be asked for.
pub fn rpc_reply(status: u16, body: &[u8]) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(Outcome::Answered(reply)) = Reply::sort("fuzz", 0, status, body.to_vec().into()) {
        let hash = BlockHash::all_zeros();
        let _ = (reply.hex(), reply.header(hash), reply.block(hash));
        let _ = reply.decode(|text| {
            rpc_result(text);
            Ok(())
        });
    }
}

/// The result of a call, read as that of every method.
pub fn rpc_result(text: &str) {
    let _ = decode::mempool::snapshot(text);
    let _ = decode::mempool::info(text);
    let _ = decode::mempool::entry(text);
    let _ = decode::mempool::estimate(text);
    let _ = decode::mining::template(text);
    let _ = decode::mining::verdict(text);
    let _ = decode::network::connections(text);
    let _ = decode::network::totals(text);
    let _ = decode::network::hash_rate(text);
    let _ = decode::network::peers(text);
    let _ = decode::network::bans(text);
    let _ = decode::status::deployments(text);
    let _ = decode::status::indexes(text);
    let _ = decode::status::unverified_snapshot(text);
    let _ = decode::status::block_txids(text);
}

/// What a publisher sends after the handshake, read message by message.
pub fn zmq_messages(mut bytes: &[u8]) {
    while let Some(Ok(message)) = at_once(wire::read_message(&mut bytes)) {
        let _ = message.happening();
    }
}

/// The result of a future that never waits; reading from memory does not.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
