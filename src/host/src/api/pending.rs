//! Calls that have no handler yet.

use cofferdam_protocol::{ApiError, Call};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle};

macro_rules! pending {
    ($($Call:ident)*) => { $(
        impl Handle<cofferdam_protocol::calls::$Call> for Host {
            async fn handle(
                &self,
                _: &Caller,
                _: Authorized<cofferdam_protocol::calls::$Call>,
            ) -> Result<<cofferdam_protocol::calls::$Call as Call>::Reply, ApiError> {
                Err(ApiError::Unsupported { backend: "cofferdam".to_owned(), reason: "not yet".to_owned() })
            }
        }
    )* };
}

pending! {
    GetSyncStatus
    GetMempoolTransactions
    GetMempoolTransactionsAfter
    GetMempoolTransaction
    GetMempoolSize
    CheckTransactionInMempool
    GetFeeEstimate
    SendTransaction
    GetNetworkStats
    GetNetworkPeers
    BanPeer
    GetBlockTemplate
    SubmitBlock
    StorageOpenTree
    StorageInsert
    StorageGet
    StorageRemove
    StorageContainsKey
    StorageIter
    StorageTransaction
    GetStorageUsage
    ReadFile
    ReadFileRange
    WriteFile
    DeleteFile
    ListDirectory
    CreateDirectory
    GetFileMetadata
    CallModule
    PublishEvent
    RegisterModuleApi
    UnregisterModuleApi
    DiscoverModules
    GetModuleInfo
    IsModuleAvailable
    SendMeshPacketToModule
    RegisterRpcEndpoint
    UnregisterRpcEndpoint
    RegisterTimer
    CancelTimer
    ScheduleTask
    ReportMetric
    GetModuleMetrics
    GetAllMetrics
    GetLightningNodeUrl
    GetLightningInfo
    GetPaymentState
}
