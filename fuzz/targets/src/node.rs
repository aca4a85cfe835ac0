//! What the node's side of the core is sent: replies of JSON-RPC and messages of ZMQ. The node is the operator's, but
//! its ports may be somebody else's.

use cofferdam_node::fuzz;

/// The body of a reply; the first two bytes are its HTTP status.
pub(crate) fn node_reply(input: &[u8]) {
    let Some((status, body)) = input.split_first_chunk::<2>() else { return };
    fuzz::rpc_reply(u16::from_le_bytes(*status), body);
}

/// The result of a call, as every method reads it.
pub(crate) fn node_result(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        fuzz::rpc_result(text);
    }
}

/// What a publisher sends behind the handshake.
pub(crate) fn node_zmq(input: &[u8]) {
    fuzz::zmq_messages(input);
}
