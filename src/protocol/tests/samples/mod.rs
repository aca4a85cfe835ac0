//! One value of everything that travels, for the golden bytes and the hostile mutations.

#![allow(unreachable_pub, dead_code, reason = "shared by test crates that each use a part of it")]

mod node;
mod services;

use cofferdam_protocol::bounded::BoundedVec;
use cofferdam_protocol::*;

fn hash(byte: u8) -> BlockHash {
    BlockHash::from_bytes([byte; 32])
}

fn txid() -> Txid {
    Txid::from_bytes([0x7a; 32])
}

fn text(words: &str) -> String {
    words.to_owned()
}

/// A request of every kind.
pub fn requests() -> Vec<RequestPayload> {
    vec![
        RequestPayload::GetBlock { hash: hash(1) },
        RequestPayload::GetBlockHeader { hash: hash(2) },
        RequestPayload::GetBlockByHeight { height: 840_000 },
        RequestPayload::GetTransaction { txid: txid() },
        RequestPayload::HasTransaction { txid: txid() },
        RequestPayload::GetChainTip,
        RequestPayload::GetBlockHeight,
        RequestPayload::GetChainInfo,
        RequestPayload::GetUtxo { outpoint: OutPoint { txid: txid(), vout: 3 } },
        RequestPayload::SubscribeEvents {
            event_types: BoundedVec::truncated([EventType::NewBlock, EventType::Unknown(77_777)]),
            resume_after: Some(9),
        },
        RequestPayload::Log { level: LogLevel::Warn, message: text("hot") },
    ]
    .into_iter()
    .chain(node::requests())
    .chain(services::requests())
    .collect()
}

/// A response of every kind.
pub fn responses() -> Vec<ResponsePayload> {
    vec![
        ResponsePayload::GetBlock(Some(RawBlock::new(vec![0xb1; 3]))),
        ResponsePayload::GetBlockHeader(Some(RawHeader::new(vec![0xb2; 3]))),
        ResponsePayload::GetBlockByHeight(None),
        ResponsePayload::GetTransaction(Some(RawTransaction::new(vec![0xb3; 3]))),
        ResponsePayload::HasTransaction(true),
        ResponsePayload::GetChainTip(hash(3)),
        ResponsePayload::GetBlockHeight(7),
        ResponsePayload::GetChainInfo(chain_info()),
        ResponsePayload::GetUtxo(Some(Utxo {
            value_sats: 5_000_000_000,
            script_pubkey: vec![0x51],
            height: 12,
            coinbase: true,
        })),
        ResponsePayload::SubscribeEvents(Subscribed { cursor: 40, events: availabilities() }),
        ResponsePayload::Log(()),
    ]
    .into_iter()
    .chain(node::responses())
    .chain(services::responses())
    .collect()
}

fn chain_info() -> ChainInfo {
    ChainInfo {
        chain: text("development"),
        tip: hash(4),
        height: 99,
        bits: 0x207f_ffff,
        difficulty: 0.5,
        chain_work: [0x0c; 32],
        initial_block_download: false,
        pruned: true,
        node: text("embedded"),
        development: Development::DevelopmentChain,
        warnings: BoundedVec::truncated([text("old")]),
    }
}

fn availabilities() -> BoundedVec<EventAvailability, 512> {
    BoundedVec::truncated([
        EventAvailability { event_type: EventType::NewBlock, availability: Availability::Live },
        EventAvailability {
            event_type: EventType::PeerConnected,
            availability: Availability::Sampled { interval_ms: 2000 },
        },
        EventAvailability { event_type: EventType::ChainReorg, availability: Availability::Derived },
        EventAvailability {
            event_type: EventType::PaymentSettled,
            availability: Availability::Published { by: BoundedVec::truncated([text("lightning")]) },
        },
        EventAvailability {
            event_type: EventType::MessageSent,
            availability: Availability::Unavailable { reason: text("no source") },
        },
    ])
}

/// An error of every kind.
pub fn errors() -> Vec<ApiError> {
    vec![
        ApiError::PermissionDenied { capability: text("read_utxo"), call: text("get_utxo") },
        ApiError::NotFound { what: text("tree 4") },
        ApiError::InvalidArgument { argument: text("height"), problem: text("above the tip") },
        ApiError::NotReady { reason: text("the node is starting") },
        ApiError::Pruned { height: Some(100) },
        ApiError::IndexRequired { hint: text("-txindex=1") },
        ApiError::InsufficientData { reason: text("too few blocks") },
        ApiError::QuotaExceeded { what: text("storage bytes"), requested: 11, limit: 10 },
        ApiError::RateLimited { retry_after_ms: 50 },
        ApiError::Timeout { what: text("the node"), after_ms: 5000 },
        ApiError::ModuleNotFound { module: text("mesh") },
        ApiError::Unsupported { backend: text("embedded"), reason: text("it has no peers") },
        ApiError::Internal { reference: text("e-17") },
        ApiError::Rejected { reason: text("bad-txns-inputs-missingorspent") },
        ApiError::Conflict { what: text("key 6b6579") },
        ApiError::StorageFailed { reason: text("it is corrupt; restore a backup") },
        ApiError::ModuleFailed { module: text("other"), code: -8, message: text("no such fee") },
        ApiError::CallCycle { module: text("a"), path: text("a, b") },
        ApiError::EventNotGranted { event_type: text("PaymentSettled") },
    ]
}

/// An event of every kind.
pub fn events() -> Vec<EventPayload> {
    vec![
        EventPayload::NewBlock { hash: hash(5), height: 10, header: RawHeader::new(vec![0x0b; 80]) },
        EventPayload::BlockDisconnected { hash: hash(5), height: 10 },
        EventPayload::ChainReorg { old_tip: hash(5), new_tip: hash(6), fork_height: 9, depth: 1 },
        EventPayload::ModuleLoaded { name: text("m"), version: text("1.0.0") },
        EventPayload::ModuleUnloaded { name: text("m") },
        EventPayload::ModuleCrashed { name: text("m"), reason: text("signal 31") },
        EventPayload::NodeShutdown { grace_ms: 5000 },
        EventPayload::EventsDropped { from: 3, to: 8, count: 4 },
    ]
    .into_iter()
    .chain(node::events())
    .collect()
}

/// An invocation of every kind.
pub fn invocations() -> Vec<InvocationPayload> {
    services::invocations()
}

/// A refusal of every kind.
pub fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NoCommonVersion {
            module: VersionRange { min: 2, max: 3 },
            host: VersionRange { min: 1, max: 1 },
        },
        Refusal::IdentityMismatch { field: text("name"), claimed: text("a"), expected: text("b") },
        Refusal::Other { reason: text("no handshake") },
    ]
}

/// A message to the host of every kind.
pub fn to_host() -> Vec<HostMessage> {
    let hello = HostMessage::Hello(Hello {
        protocol_min: 1,
        protocol_max: 1,
        module_id: text("m-1"),
        module_name: text("m"),
        module_version: text("1.0.0"),
        sdk: text("sdk"),
    });
    let request = |payload| HostMessage::Request(RequestMessage { correlation_id: 258, payload });
    std::iter::once(hello)
        .chain(requests().into_iter().map(request))
        .chain(services::answers().into_iter().map(HostMessage::Answer))
        .chain(requests().into_iter().take(1).map(|payload| {
            let request = RequestMessage { correlation_id: 258, payload };
            HostMessage::RequestWithin(RequestWithin { invocation_id: 772, request })
        }))
        .collect()
}

/// A message to the module of every kind.
pub fn to_module() -> Vec<ModuleMessage> {
    let welcome = ModuleMessage::Welcome(Welcome {
        protocol: 1,
        module_id: text("m-1"),
        capabilities: BoundedVec::truncated([text("read_blockchain")]),
        node: text("embedded"),
        limits: Limits { max_frame_bytes: 8 << 20, max_in_flight: 64, event_queue: 1024 },
    });
    let response = |result| ModuleMessage::Response(ResponseMessage { correlation_id: 258, result });
    std::iter::once(welcome)
        .chain(refusals().into_iter().map(ModuleMessage::Refused))
        .chain(responses().into_iter().map(Ok).map(response))
        .chain(errors().into_iter().map(Err).map(response))
        .chain(events().into_iter().map(|event| ModuleMessage::Event(EventMessage::new(41, event))))
        .chain(invocations().into_iter().map(|payload| {
            let (invocation_id, deadline_ms) = (258, 10_000);
            ModuleMessage::Invocation(InvocationMessage { invocation_id, deadline_ms, payload })
        }))
        .collect()
}
