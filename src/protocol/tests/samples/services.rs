//! One value of every request, response and invocation that is about the host's own services and other modules.

use cofferdam_protocol::bounded::BoundedVec;
use cofferdam_protocol::calls::types::Bytes;
use cofferdam_protocol::files::{DirectoryEntry, DirectoryPage, FileKind, FileMetadata, FileRange};
use cofferdam_protocol::lightning::{LightningInfo, PaymentState, PaymentStatus};
use cofferdam_protocol::metrics::{
    Label, Labels, Metric, MetricValue, ModuleSamples, Sample, SampleValue, Samples,
};
use cofferdam_protocol::modules::{ModuleApi, ModuleInfo, ModuleMethod, ModuleState};
use cofferdam_protocol::storage::{StorageEntry, StorageOperation, StoragePage, StorageUsage};
use cofferdam_protocol::*;

use super::text;

fn bytes(content: &'static [u8]) -> Bytes {
    Bytes::from_static(content)
}

fn key() -> Bytes {
    bytes(b"key")
}

fn api() -> ModuleApi {
    let method = ModuleMethod { name: text("ping"), description: text("answers") };
    ModuleApi {
        version: text("1"),
        methods: BoundedVec::truncated([method]),
        callers: BoundedVec::truncated([text("friend")]),
    }
}

fn labels() -> Labels {
    BoundedVec::truncated([Label { name: text("peer"), value: text("a") }])
}

/// A request of every kind.
pub fn requests() -> Vec<RequestPayload> {
    let operations = BoundedVec::truncated([
        StorageOperation::Expect { key: key(), value: None },
        StorageOperation::Insert { key: key(), value: bytes(b"value") },
        StorageOperation::Remove { key: key() },
    ]);
    let value = MetricValue::Counter(1.5);
    let metric = Metric { name: text("seen"), help: text("blocks"), labels: labels(), value };
    vec![
        RequestPayload::StorageOpenTree { name: text("index") },
        RequestPayload::StorageInsert { tree_id: 1, key: key(), value: bytes(b"value") },
        RequestPayload::StorageGet { tree_id: 1, key: key() },
        RequestPayload::StorageRemove { tree_id: 1, key: key() },
        RequestPayload::StorageContainsKey { tree_id: 1, key: key() },
        RequestPayload::StorageIter { tree_id: 1, prefix: bytes(b"k"), after: Some(key()), limit: 10 },
        RequestPayload::StorageTransaction { tree_id: 1, operations },
        RequestPayload::GetStorageUsage,
        RequestPayload::ReadFile { path: text("a/b") },
        RequestPayload::ReadFileRange { path: text("a/b"), offset: 4, length: 8 },
        RequestPayload::WriteFile { path: text("a/b"), data: bytes(b"data") },
        RequestPayload::DeleteFile { path: text("a/b") },
        RequestPayload::ListDirectory { path: text("a"), after: Some(text("b")) },
        RequestPayload::CreateDirectory { path: text("a") },
        RequestPayload::GetFileMetadata { path: text("a/b") },
        RequestPayload::CallModule {
            target_module_id: text("other"),
            method: text("ping"),
            params: bytes(b"{}"),
        },
        RequestPayload::PublishEvent { event_type: EventType::PaymentSettled, payload: bytes(b"paid") },
        RequestPayload::RegisterModuleApi { api: api() },
        RequestPayload::UnregisterModuleApi,
        RequestPayload::DiscoverModules,
        RequestPayload::GetModuleInfo { module_id: text("other") },
        RequestPayload::IsModuleAvailable { module_id: text("other") },
        RequestPayload::SendMeshPacketToModule {
            module_id: text("other"),
            packet_data: bytes(b"packet"),
            peer_addr: text("mesh:1"),
        },
        RequestPayload::RegisterRpcEndpoint { method: text("getfee"), description: text("the fee") },
        RequestPayload::UnregisterRpcEndpoint { method: text("getfee") },
        RequestPayload::RegisterTimer { interval_ms: 1000, label: text("tick") },
        RequestPayload::CancelTimer { timer_id: 3 },
        RequestPayload::ScheduleTask { delay_ms: 5, label: text("once") },
        RequestPayload::ReportMetric { metric },
        RequestPayload::GetModuleMetrics { module_id: text("other") },
        RequestPayload::GetAllMetrics,
        RequestPayload::GetLightningNodeUrl,
        RequestPayload::GetLightningInfo,
        RequestPayload::GetPaymentState { payment_id: text("p1") },
    ]
}

fn samples() -> Samples {
    let sample = |name: &str, value| Sample { name: text(name), labels: labels(), value };
    BoundedVec::truncated([
        sample("seen", SampleValue::Counter(2.0)),
        sample("height", SampleValue::Gauge(-1.0)),
        sample("time", SampleValue::Histogram { count: 2, sum: 0.25 }),
    ])
}

fn info() -> ModuleInfo {
    let (name, version, state) = (text("other"), text("1.0.0"), ModuleState::Running);
    ModuleInfo { name, version, state, api: Some(api()) }
}

/// A response of every kind.
pub fn responses() -> Vec<ResponsePayload> {
    let entry = StorageEntry { key: key(), value: bytes(b"value") };
    let names = [("f", FileKind::File), ("d", FileKind::Directory), ("l", FileKind::Other)];
    let entries = names.map(|(name, kind)| DirectoryEntry { name: text(name), kind });
    vec![
        ResponsePayload::StorageOpenTree(1),
        ResponsePayload::StorageInsert(()),
        ResponsePayload::StorageGet(Some(bytes(b"value"))),
        ResponsePayload::StorageRemove(true),
        ResponsePayload::StorageContainsKey(false),
        ResponsePayload::StorageIter(StoragePage { entries: BoundedVec::truncated([entry]), more: true }),
        ResponsePayload::StorageTransaction(()),
        ResponsePayload::GetStorageUsage(StorageUsage {
            bytes: 8,
            max_bytes: 100,
            keys: 1,
            max_keys: 10,
            trees: 2,
            max_trees: 16,
        }),
        ResponsePayload::ReadFile(bytes(b"data")),
        ResponsePayload::ReadFileRange(FileRange { data: bytes(b"ta"), file_bytes: 4 }),
        ResponsePayload::WriteFile(()),
        ResponsePayload::DeleteFile(()),
        ResponsePayload::ListDirectory(DirectoryPage {
            entries: BoundedVec::truncated(entries),
            more: false,
        }),
        ResponsePayload::CreateDirectory(()),
        ResponsePayload::GetFileMetadata(Some(FileMetadata {
            kind: FileKind::File,
            bytes: 4,
            modified_ms: 1_700_000_000_000,
        })),
        ResponsePayload::CallModule(bytes(b"pong")),
        ResponsePayload::PublishEvent(77),
        ResponsePayload::RegisterModuleApi(()),
        ResponsePayload::UnregisterModuleApi(()),
        ResponsePayload::DiscoverModules(BoundedVec::truncated([info()])),
        ResponsePayload::GetModuleInfo(Some(info())),
        ResponsePayload::IsModuleAvailable(true),
        ResponsePayload::SendMeshPacketToModule(()),
        ResponsePayload::RegisterRpcEndpoint(text("m_getfee")),
        ResponsePayload::UnregisterRpcEndpoint(true),
        ResponsePayload::RegisterTimer(3),
        ResponsePayload::CancelTimer(true),
        ResponsePayload::ScheduleTask(4),
        ResponsePayload::ReportMetric(()),
        ResponsePayload::GetModuleMetrics(samples()),
        ResponsePayload::GetAllMetrics(BoundedVec::truncated([ModuleSamples {
            module: text("other"),
            samples: samples(),
        }])),
        ResponsePayload::GetLightningNodeUrl(text("02ab@127.0.0.1:9735")),
        ResponsePayload::GetLightningInfo(LightningInfo {
            implementation: text("cln 25"),
            node_id: text("02ab"),
            alias: text("alice"),
            active_channels: 3,
            peers: 4,
            block_height: 99,
            synced_to_chain: true,
        }),
        ResponsePayload::GetPaymentState(Some(PaymentState {
            payment_id: text("p1"),
            status: PaymentStatus::Settled,
            amount_msats: Some(1000),
            fee_msats: None,
            failure: None,
        })),
    ]
}

/// An invocation of every kind.
pub fn invocations() -> Vec<InvocationPayload> {
    vec![
        InvocationPayload::ModuleCall { caller: text("other"), method: text("ping"), params: bytes(b"{}") },
        InvocationPayload::RpcCall { method: text("getfee"), params: text("[6]") },
        InvocationPayload::TimerFired { timer_id: 3, label: text("tick"), missed: 1 },
        InvocationPayload::MeshPacket {
            from_module: text("mesh"),
            peer_addr: text("mesh:1"),
            packet: bytes(b"packet"),
        },
    ]
}

/// An answer of both kinds.
pub fn answers() -> Vec<AnswerMessage> {
    let fault = ModuleFault { code: -8, message: text("no such fee") };
    [Ok(bytes(b"1")), Err(fault)].map(|result| AnswerMessage { invocation_id: 258, result }).to_vec()
}
