//! The methods of the node that are ever called, as data: the node's whitelist and the documentation are made
//! from it. Nothing that is not in this list is called.

use std::fmt;

/// What needs a method. An operator who grants no module some of it may leave those methods out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RpcUse {
    /// Following the chain and answering for blocks, transactions and outputs: needed always.
    Chain,
    /// Following the mempool, answering for it and estimating fees.
    Mempool,
    /// The node's own state.
    Status,
    /// Figures of the network and its peers.
    Network,
    /// Handing over transactions.
    SubmitTransaction,
    /// Block templates and handing over blocks.
    Mining,
    /// Banning peers.
    Ban,
}

/// A method of the node and what needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcMethod {
    /// Its name, as the node's `rpcwhitelist` has it.
    pub name: &'static str,
    /// What needs it.
    pub used_for: RpcUse,
}

const fn method(name: &'static str, used_for: RpcUse) -> RpcMethod {
    RpcMethod { name, used_for }
}

/// Every method that is ever called. Some serve several uses; each stands with the first that needs it.
pub const RPC_METHODS: &[RpcMethod] = &[
    method("getblockchaininfo", RpcUse::Chain),
    method("getblockhash", RpcUse::Chain),
    method("getblockheader", RpcUse::Chain),
    method("getblock", RpcUse::Chain),
    method("getdeploymentinfo", RpcUse::Chain),
    method("getrawtransaction", RpcUse::Chain),
    method("gettxout", RpcUse::Chain),
    method("getindexinfo", RpcUse::Chain),
    method("getrawmempool", RpcUse::Mempool),
    method("getmempoolentry", RpcUse::Mempool),
    method("getmempoolinfo", RpcUse::Mempool),
    method("estimatesmartfee", RpcUse::Mempool),
    method("getchainstates", RpcUse::Status),
    method("getnetworkinfo", RpcUse::Network),
    method("getnettotals", RpcUse::Network),
    method("getnetworkhashps", RpcUse::Network),
    method("getpeerinfo", RpcUse::Network),
    method("listbanned", RpcUse::Network),
    method("sendrawtransaction", RpcUse::SubmitTransaction),
    method("getblocktemplate", RpcUse::Mining),
    method("submitblock", RpcUse::Mining),
    method("setban", RpcUse::Ban),
];

impl fmt::Display for RpcMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
