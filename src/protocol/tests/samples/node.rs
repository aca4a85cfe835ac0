//! One value of every request, response and event that is about the node, beyond blocks.

use cofferdam_protocol::bounded::BoundedVec;
use cofferdam_protocol::calls::types::Bytes;
use cofferdam_protocol::mempool::{FeeEstimate, MempoolSize, MempoolTransactions, Txids};
use cofferdam_protocol::mining::{BlockTemplate, TemplateTransaction};
use cofferdam_protocol::modules::ModuleState;
use cofferdam_protocol::network::{NetworkStats, Peer};
use cofferdam_protocol::*;

use super::{hash, text, txid};

fn sync_status() -> SyncStatus {
    SyncStatus { phase: SyncPhase::Blocks, blocks: 5, headers: 9, progress: 0.5 }
}

fn mempool() -> MempoolTransactions {
    let txids = Txids::truncated([txid(), Txid::from_bytes([0x7b; 32])]);
    MempoolTransactions { mempool_sequence: Some(12), txids, more: true }
}

/// A request of every kind.
pub fn requests() -> Vec<RequestPayload> {
    vec![
        RequestPayload::GetSyncStatus,
        RequestPayload::GetMempoolTransactions,
        RequestPayload::GetMempoolTransactionsAfter { after: txid() },
        RequestPayload::GetMempoolTransaction { txid: txid() },
        RequestPayload::GetMempoolSize,
        RequestPayload::CheckTransactionInMempool { txid: txid() },
        RequestPayload::GetFeeEstimate { target_blocks: 6 },
        RequestPayload::SendTransaction { transaction: RawTransaction::new(vec![0xb3; 3]) },
        RequestPayload::GetNetworkStats,
        RequestPayload::GetNetworkPeers,
        RequestPayload::BanPeer { address: text("192.0.2.1"), seconds: Some(60) },
        RequestPayload::GetBlockTemplate,
        RequestPayload::SubmitBlock { block: RawBlock::new(vec![0xb1; 3]) },
    ]
}

fn peer() -> Peer {
    Peer {
        id: 3,
        address: Some(text("192.0.2.1:8333")),
        network: text("ipv4"),
        inbound: true,
        version: 70016,
        user_agent: text("/Satoshi:29.0.0/"),
        services: 1033,
        connected_at: 1_700_000_000,
        transport: text("v2"),
        bytes_sent: 10,
        bytes_received: 20,
        ping_us: Some(1500),
        synced_blocks: Some(99),
    }
}

fn template() -> BlockTemplate {
    let transaction = TemplateTransaction {
        txid: txid(),
        transaction: RawTransaction::new(vec![0xb3; 3]),
        fee_sats: 250,
        weight: 440,
        sigops: 1,
    };
    BlockTemplate {
        version: 0x2000_0000,
        previous_block: hash(4),
        height: 100,
        bits: 0x207f_ffff,
        current_time: 1_700_000_000,
        min_time: 1_699_999_000,
        coinbase_value_sats: 5_000_000_250,
        witness_commitment: Some(vec![0x6a, 0x24].into()),
        weight_limit: 4_000_000,
        sigop_limit: 80_000,
        transactions: BoundedVec::truncated([transaction]),
    }
}

/// A response of every kind.
pub fn responses() -> Vec<ResponsePayload> {
    vec![
        ResponsePayload::GetSyncStatus(sync_status()),
        ResponsePayload::GetMempoolTransactions(mempool()),
        ResponsePayload::GetMempoolTransactionsAfter(mempool()),
        ResponsePayload::GetMempoolTransaction(None),
        ResponsePayload::GetMempoolSize(MempoolSize {
            transactions: 2,
            virtual_bytes: 300,
            total_fee_sats: 500,
            min_fee_msats_per_vbyte: 100,
        }),
        ResponsePayload::CheckTransactionInMempool(true),
        ResponsePayload::GetFeeEstimate(FeeEstimate {
            sats_per_vbyte: 2,
            msats_per_vbyte: 1234,
            target_blocks: 6,
            simulated: true,
        }),
        ResponsePayload::SendTransaction(txid()),
        ResponsePayload::GetNetworkStats(NetworkStats {
            connections: 3,
            inbound: 1,
            outbound: 2,
            bytes_sent: 10,
            bytes_received: 20,
            hashes_per_second: 1.5,
            has_network: true,
        }),
        ResponsePayload::GetNetworkPeers(BoundedVec::truncated([peer()])),
        ResponsePayload::BanPeer(()),
        ResponsePayload::GetBlockTemplate(template()),
        ResponsePayload::SubmitBlock(hash(5)),
    ]
}

/// What a module publishes, under every type that modules publish.
fn published() -> impl Iterator<Item = EventPayload> {
    let event = || PublishedEvent { publisher: text("pay"), data: Bytes::from_static(b"paid") };
    EventType::ALL.iter().filter_map(move |event_type| EventPayload::published(*event_type, event()))
}

fn of_the_mempool() -> Vec<EventPayload> {
    let (fee_sats, virtual_bytes) = (Some(250), None);
    let removed = |reason| EventPayload::MempoolTransactionRemoved { txid: txid(), reason };
    vec![
        EventPayload::NewTransaction { txid: txid(), fee_sats, virtual_bytes },
        EventPayload::MempoolTransactionAdded { txid: txid(), fee_sats, virtual_bytes },
        removed(RemovalReason::Confirmed { block: hash(5) }),
        removed(RemovalReason::Replaced { by: txid() }),
        removed(RemovalReason::Unknown),
        EventPayload::FeeRateChanged {
            target_blocks: 6,
            old_msats_per_vbyte: None,
            new_msats_per_vbyte: Some(1500),
        },
        EventPayload::BroadcastStarted { txid: txid() },
        EventPayload::BroadcastCompleted { txid: txid() },
    ]
}

fn of_the_chain() -> Vec<EventPayload> {
    let status = sync_status;
    vec![
        EventPayload::BlockMined { hash: hash(5), height: 10, module: text("miner") },
        EventPayload::BlockTemplateUpdated {
            height: 11,
            previous_block: hash(5),
            transactions: 2,
            coinbase_value_sats: 50,
        },
        EventPayload::MiningDifficultyChanged { height: 2016, old_difficulty: 1.0, new_difficulty: 2.0 },
        EventPayload::BlockValidationCompleted { hash: hash(5), height: 10 },
        EventPayload::DifficultyAdjusted { height: 2016, old_bits: 0x1d00_ffff, new_bits: 0x1c7f_ff80 },
        EventPayload::SoftForkActivated { name: text("taproot"), height: Some(709_632) },
        EventPayload::SoftForkLockedIn { name: text("taproot") },
        EventPayload::SyncStateChanged { status: status() },
        EventPayload::BlockSyncStarted { status: status() },
        EventPayload::BlockSyncProgress { status: status() },
        EventPayload::BlockSyncCompleted { status: status() },
        EventPayload::NodeStartupCompleted { tip: hash(5), height: 10 },
    ]
}

fn of_peers() -> Vec<EventPayload> {
    let address = || Some(text("192.0.2.1"));
    vec![
        EventPayload::PeerConnected { id: 3, address: address(), inbound: true },
        EventPayload::PeerDisconnected { id: 3, address: None, banned: false },
        EventPayload::PeerBanned { address: address(), until: 1_700_000_000 },
        EventPayload::PeerUnbanned { address: address() },
    ]
}

fn of_the_host() -> Vec<EventPayload> {
    let (name, version) = (|| text("m"), || text("1.0.0"));
    vec![
        EventPayload::ModuleDiscovered { name: name(), version: version() },
        EventPayload::ModuleInstalled { name: name(), version: version() },
        EventPayload::ModuleUpdated { name: name(), old_version: version(), new_version: text("2.0.0") },
        EventPayload::ModuleRemoved { name: name() },
        EventPayload::ModuleStarted { name: name() },
        EventPayload::ModuleStopped { name: name() },
        EventPayload::ModuleStateChanged { name: name(), state: ModuleState::Restarting },
        EventPayload::ConfigLoaded { modules: 2 },
        EventPayload::HealthCheck { node_ready: true, modules_running: 2, modules_failed: 1 },
        EventPayload::DiskSpaceLow { free_bytes: 5, total_bytes: 100 },
        EventPayload::ResourceLimitWarning { module: name(), resource: text("memory"), used: 9, limit: 10 },
    ]
}

/// An event of every kind.
pub fn events() -> Vec<EventPayload> {
    let groups = [of_the_chain(), of_the_mempool(), of_peers(), of_the_host()];
    groups.into_iter().flatten().chain(published()).collect()
}
