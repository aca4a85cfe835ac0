//! What the host answers without being told: log, events, the scripted chain, storage, files, timers, offers, metrics.
//!
//! Everything else is an error that says which line to add to the test.

use cofferdam_protocol::calls::{self, Call, RequestPayload, ResponsePayload};
use cofferdam_protocol::metrics::{Metric, MetricValue, ModuleSamples, Sample, SampleValue};
use cofferdam_protocol::modules::{MAX_PACKET_BYTES, ModuleInfo, ModuleState};
use cofferdam_protocol::{
    ApiError, Availability, BoundedVec, EventAvailability, EventOrigin, EventPayload, EventType,
    PublishedEvent, RawBlock, RawHeader, RawTransaction, Subscribed, SyncPhase, SyncStatus,
};

use super::offers::Repeats;
use super::state::State;
use super::{LogLine, Published};
use crate::storage::StorageOperation;

/// An argument that cannot be right.
pub(super) fn invalid(argument: &str, problem: impl Into<String>) -> ApiError {
    ApiError::InvalidArgument { argument: argument.to_owned(), problem: problem.into() }
}

/// What nobody scripted.
pub(super) fn unscripted(line: &str) -> ApiError {
    ApiError::Unsupported {
        backend: "the host of this test".to_owned(),
        reason: format!("nothing is scripted for it; add `{line}` to the test"),
    }
}

/// The reply to a call of this kind, as it travels.
fn reply<C: Call>(reply: C::Reply) -> Result<ResponsePayload, ApiError> {
    Ok(C::respond(reply))
}

impl State {
    /// Answers a call that was granted and that the test did not script.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not answered here is answered by the next")]
    pub(super) fn answer(&mut self, session: u64, call: RequestPayload) -> Result<ResponsePayload, ApiError> {
        match call {
            RequestPayload::Log { level, message } => {
                self.log.push(LogLine { level, message });
                reply::<calls::Log>(())
            }
            RequestPayload::SubscribeEvents { event_types, resume_after } => {
                let cursor = self.subscribe(session, &event_types, resume_after);
                let events = event_types.into_iter().map(|event_type| self.availability(event_type));
                reply::<calls::SubscribeEvents>(Subscribed { cursor, events: BoundedVec::truncated(events) })
            }
            RequestPayload::PublishEvent { event_type, payload } => {
                reply::<calls::PublishEvent>(self.publish_for_module(event_type, payload)?)
            }
            RequestPayload::ReportMetric { metric } => reply::<calls::ReportMetric>(self.report(metric)?),
            RequestPayload::GetModuleMetrics { .. } => {
                reply::<calls::GetModuleMetrics>(BoundedVec::truncated(self.samples.clone()))
            }
            RequestPayload::GetAllMetrics => {
                let samples = BoundedVec::truncated(self.samples.clone());
                let of_module = ModuleSamples { module: self.identity().0, samples };
                reply::<calls::GetAllMetrics>(BoundedVec::truncated([of_module]))
            }
            other => self.answer_of_node(session, other),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not answered here is answered by the next")]
    fn answer_of_node(&mut self, session: u64, call: RequestPayload) -> Result<ResponsePayload, ApiError> {
        match call {
            RequestPayload::GetBlock { hash } => {
                reply::<calls::GetBlock>(self.chain.block(hash).map(RawBlock::encode))
            }
            RequestPayload::GetBlockHeader { hash } => {
                let header = self.chain.block(hash).map(|block| RawHeader::encode(&block.header));
                reply::<calls::GetBlockHeader>(header)
            }
            RequestPayload::GetBlockByHeight { height } => {
                reply::<calls::GetBlockByHeight>(self.chain.at(height).map(RawBlock::encode))
            }
            RequestPayload::GetTransaction { txid } => {
                let found = self.chain.transaction(txid).or_else(|| self.mempool.transaction(txid));
                reply::<calls::GetTransaction>(found.map(RawTransaction::encode))
            }
            RequestPayload::HasTransaction { txid } => {
                let found = self.chain.transaction(txid).or_else(|| self.mempool.transaction(txid));
                reply::<calls::HasTransaction>(found.is_some())
            }
            RequestPayload::GetChainTip => reply::<calls::GetChainTip>(self.chain.tip()),
            RequestPayload::GetBlockHeight => reply::<calls::GetBlockHeight>(self.chain.height()),
            RequestPayload::GetChainInfo => reply::<calls::GetChainInfo>(self.chain.info()),
            RequestPayload::GetUtxo { outpoint } => {
                reply::<calls::GetUtxo>(self.chain.utxos().remove(&outpoint))
            }
            RequestPayload::GetSyncStatus => {
                let (blocks, headers) = (self.chain.height(), self.chain.height());
                let status = SyncStatus { phase: SyncPhase::Synced, blocks, headers, progress: 1.0 };
                reply::<calls::GetSyncStatus>(status)
            }
            RequestPayload::GetMempoolTransactions => {
                reply::<calls::GetMempoolTransactions>(self.mempool.ids(None))
            }
            RequestPayload::GetMempoolTransactionsAfter { after } => {
                reply::<calls::GetMempoolTransactionsAfter>(self.mempool.ids(Some(after)))
            }
            RequestPayload::GetMempoolTransaction { txid } => {
                let found = self.mempool.transaction(txid).map(RawTransaction::encode);
                reply::<calls::GetMempoolTransaction>(found)
            }
            RequestPayload::GetMempoolSize => reply::<calls::GetMempoolSize>(self.mempool.size()),
            RequestPayload::CheckTransactionInMempool { txid } => {
                reply::<calls::CheckTransactionInMempool>(self.mempool.transaction(txid).is_some())
            }
            other => self.answer_of_storage(session, other),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not answered here is answered by the next")]
    fn answer_of_storage(&mut self, session: u64, call: RequestPayload) -> Result<ResponsePayload, ApiError> {
        match call {
            RequestPayload::StorageOpenTree { name } => {
                reply::<calls::StorageOpenTree>(self.storage.open(&name)?)
            }
            RequestPayload::StorageInsert { tree_id, key, value } => {
                let insert = vec![StorageOperation::Insert { key, value }];
                reply::<calls::StorageInsert>(self.storage.apply(tree_id, insert)?)
            }
            RequestPayload::StorageGet { tree_id, key } => {
                reply::<calls::StorageGet>(self.storage.get(tree_id, &key)?)
            }
            RequestPayload::StorageRemove { tree_id, key } => {
                reply::<calls::StorageRemove>(self.storage.remove(tree_id, key)?)
            }
            RequestPayload::StorageContainsKey { tree_id, key } => {
                reply::<calls::StorageContainsKey>(self.storage.get(tree_id, &key)?.is_some())
            }
            RequestPayload::StorageIter { tree_id, prefix, after, limit } => {
                reply::<calls::StorageIter>(self.storage.page(tree_id, &prefix, after.as_ref(), limit)?)
            }
            RequestPayload::StorageTransaction { tree_id, operations } => {
                reply::<calls::StorageTransaction>(self.storage.apply(tree_id, operations.into_vec())?)
            }
            RequestPayload::GetStorageUsage => reply::<calls::GetStorageUsage>(self.storage.usage()),
            RequestPayload::ReadFile { path } => reply::<calls::ReadFile>(self.files.read(&path)?),
            RequestPayload::ReadFileRange { path, offset, length } => {
                reply::<calls::ReadFileRange>(self.files.read_range(&path, offset, length)?)
            }
            RequestPayload::WriteFile { path, data } => {
                reply::<calls::WriteFile>(self.files.write(&path, data)?)
            }
            RequestPayload::DeleteFile { path } => reply::<calls::DeleteFile>(self.files.delete(&path)?),
            RequestPayload::ListDirectory { path, after } => {
                reply::<calls::ListDirectory>(self.files.list(&path, after.as_deref())?)
            }
            RequestPayload::CreateDirectory { path } => {
                reply::<calls::CreateDirectory>(self.files.create_directory(&path)?)
            }
            RequestPayload::GetFileMetadata { path } => {
                reply::<calls::GetFileMetadata>(self.files.metadata(&path)?)
            }
            other => self.answer_of_host(session, other),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not answered here is for the test to script")]
    fn answer_of_host(&mut self, session: u64, call: RequestPayload) -> Result<ResponsePayload, ApiError> {
        match call {
            RequestPayload::RegisterTimer { interval_ms, label } => {
                let ids = (session, self.next_id());
                let timer = self.offers.add_timer(ids, ("interval_ms", interval_ms), label, Repeats::Always);
                reply::<calls::RegisterTimer>(timer?)
            }
            RequestPayload::ScheduleTask { delay_ms, label } => {
                let ids = (session, self.next_id());
                let task = self.offers.add_timer(ids, ("delay_ms", delay_ms), label, Repeats::Once);
                reply::<calls::ScheduleTask>(task?)
            }
            RequestPayload::CancelTimer { timer_id } => {
                reply::<calls::CancelTimer>(self.offers.cancel_timer(timer_id))
            }
            RequestPayload::RegisterRpcEndpoint { method, .. } => {
                let name = self.identity().0;
                reply::<calls::RegisterRpcEndpoint>(self.offers.add_endpoint(session, &name, &method)?)
            }
            RequestPayload::UnregisterRpcEndpoint { method } => {
                reply::<calls::UnregisterRpcEndpoint>(self.offers.remove_endpoint(&method))
            }
            RequestPayload::RegisterModuleApi { api } => {
                reply::<calls::RegisterModuleApi>(self.offers.offer(session, api)?)
            }
            RequestPayload::UnregisterModuleApi => {
                self.offers.withdraw();
                reply::<calls::UnregisterModuleApi>(())
            }
            RequestPayload::DiscoverModules => {
                let infos: Vec<ModuleInfo> = self.modules.iter().map(|name| info(name)).collect();
                reply::<calls::DiscoverModules>(BoundedVec::truncated(infos))
            }
            RequestPayload::GetModuleInfo { module_id } => {
                reply::<calls::GetModuleInfo>(self.modules.get(&module_id).map(|name| info(name)))
            }
            RequestPayload::IsModuleAvailable { module_id } => {
                reply::<calls::IsModuleAvailable>(self.modules.contains(&module_id))
            }
            other => Err(unscripted(&format!("host.answer::<calls::{}>(|call| Ok(..))", type_name(&other)))),
        }
    }

    fn availability(&self, event_type: EventType) -> EventAvailability {
        let availability = match (event_type, event_type.origin()) {
            (EventType::Unknown(tag), _) => {
                Availability::Unavailable { reason: format!("there is no type {tag}") }
            }
            (_, EventOrigin::Core) => Availability::Live,
            (_, EventOrigin::Module) => {
                Availability::Published { by: BoundedVec::truncated(self.modules.iter().cloned()) }
            }
        };
        EventAvailability { event_type, availability }
    }

    fn publish_for_module(&mut self, event_type: EventType, data: bytes::Bytes) -> Result<u64, ApiError> {
        if event_type.origin() == EventOrigin::Core {
            let problem = format!("{event_type} comes from the host; modules cannot publish it");
            return Err(invalid("event_type", problem));
        }
        if !self.publishes.contains(&event_type) {
            return Err(ApiError::EventNotGranted { event_type: event_type.to_string() });
        }
        if data.len() > MAX_PACKET_BYTES {
            let problem = format!("{} bytes, at most {MAX_PACKET_BYTES} are published", data.len());
            return Err(invalid("payload", problem));
        }
        let event = PublishedEvent { publisher: self.identity().0, data: data.clone() };
        let event = EventPayload::published(event_type, event);
        let event = event.ok_or_else(|| invalid("event_type", "modules do not publish it"))?;
        self.published.push(Published { event_type, data });
        Ok(self.publish(event))
    }

    fn report(&mut self, metric: Metric) -> Result<(), ApiError> {
        let Metric { name, labels, value, .. } = metric;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let number = name.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
        if number || name.len() > 64 || !name.bytes().all(plain) {
            return Err(invalid("metric", format!("{name:?} is not the name of a metric")));
        }
        let (MetricValue::Counter(number) | MetricValue::Gauge(number) | MetricValue::Histogram(number)) =
            value;
        let decreases = matches!(value, MetricValue::Counter(_)) && number < 0.0;
        if !number.is_finite() || decreases {
            return Err(invalid("metric", format!("{number} cannot be reported of {name}")));
        }
        let place = self.samples.iter().position(|sample| sample.name == name && sample.labels == labels);
        let before = place.and_then(|place| self.samples.get(place)).map(|sample| sample.value);
        let value = match (value, before) {
            (MetricValue::Counter(more), None) => SampleValue::Counter(more),
            (MetricValue::Counter(more), Some(SampleValue::Counter(sum))) => SampleValue::Counter(sum + more),
            (MetricValue::Gauge(now), None | Some(SampleValue::Gauge(_))) => SampleValue::Gauge(now),
            (MetricValue::Histogram(sum), None) => SampleValue::Histogram { count: 1, sum },
            (MetricValue::Histogram(more), Some(SampleValue::Histogram { count, sum })) => {
                SampleValue::Histogram { count: count.saturating_add(1), sum: sum + more }
            }
            (_, Some(_)) => return Err(invalid("metric", format!("{name} was reported as another kind"))),
        };
        match place.and_then(|place| self.samples.get_mut(place)) {
            Some(sample) => sample.value = value,
            None => self.samples.push(Sample { name, labels, value }),
        }
        Ok(())
    }
}

fn info(name: &str) -> ModuleInfo {
    ModuleInfo { name: name.to_owned(), version: "0.1.0".to_owned(), state: ModuleState::Running, api: None }
}

/// The call's type in `calls`.
fn type_name(call: &RequestPayload) -> &'static str {
    RequestPayload::TAGS.iter().find(|(tag, _)| *tag == call.tag()).map_or("", |(_, name)| name)
}
