//! What the module that the operator named as the source of Lightning and payment data answers.
//!
//! The host asks it by its module API, under the method names below, and takes JSON of these types.

use serde::{Deserialize, Serialize};

/// The method that answers [`String`]: the node's address as `<public key>@<host>:<port>`.
pub const NODE_URL_METHOD: &str = "lightning.node_url";
/// The method that answers [`LightningInfo`].
pub const INFO_METHOD: &str = "lightning.info";
/// The method that takes a payment's id as a JSON string and answers [`PaymentState`] or `null`.
pub const PAYMENT_STATE_METHOD: &str = "payment.state";

/// What a Lightning node says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightningInfo {
    /// The implementation and its version, for people.
    pub implementation: String,
    /// Its public key, in hexadecimal.
    pub node_id: String,
    /// The name it gives itself.
    pub alias: String,
    /// Channels that can be used.
    pub active_channels: u32,
    /// Peers that are connected.
    pub peers: u32,
    /// The height of the best block it has seen.
    pub block_height: u32,
    /// Whether it has caught up with the chain.
    pub synced_to_chain: bool,
}

/// The state of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentState {
    /// The payment's id.
    pub payment_id: String,
    /// How it stands.
    pub status: PaymentStatus,
    /// The amount in millisatoshis, where it is known.
    pub amount_msats: Option<u64>,
    /// The fee paid in millisatoshis, where it is known.
    pub fee_msats: Option<u64>,
    /// Why it failed, where it did.
    pub failure: Option<String>,
}

/// How a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentStatus {
    /// A request for it was made, and nothing has been paid.
    Requested,
    /// It is on its way.
    Pending,
    /// It has arrived.
    Settled,
    /// It has failed and will not be tried again.
    Failed,
    /// Nobody paid in time.
    Expired,
}
