//! What the host does for a module: timers, events it publishes, metrics, JSON-RPC methods, Lightning.

use bytes::Bytes;
use cofferdam_protocol::calls::{
    CancelTimer, GetAllMetrics, GetLightningInfo, GetLightningNodeUrl, GetModuleMetrics, GetPaymentState,
    PublishEvent, RegisterRpcEndpoint, RegisterTimer, ReportMetric, ScheduleTask, UnregisterRpcEndpoint,
};
use cofferdam_protocol::metrics::{Label, Metric, MetricValue, SampleValue};
use cofferdam_protocol::modules::MAX_PACKET_BYTES;
use cofferdam_protocol::{Call, InvocationPayload, PublishedEvent};
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Peer, limits, module};
use super::*;

async fn refused<C: Call>(stage: &Stage, call: C) {
    let mut peer = stage.open_module(module("nobody", &[])).await;
    peer.call(1, call).await;
    let response = peer.response().await;
    assert!(matches!(response, (1, Err(ApiError::PermissionDenied { .. }))), "{response:?}");
}

/// The timer's id, its label, and the ticks that were missed.
async fn fired(peer: &mut Peer) -> (u64, String, u64) {
    let invocation = peer.invocation().await;
    assert_eq!(invocation.deadline_ms, 0);
    let InvocationPayload::TimerFired { timer_id, label, missed } = invocation.payload else {
        panic!("no timer")
    };
    (timer_id, label, missed)
}

async fn started(peer: &mut Peer) -> u64 {
    match peer.response().await {
        (_, Ok(ResponsePayload::RegisterTimer(id) | ResponsePayload::ScheduleTask(id))) => id,
        other => panic!("{other:?}"),
    }
}

fn every(interval_ms: u64) -> RegisterTimer {
    RegisterTimer { interval_ms, label: "tick".to_owned() }
}

fn after(delay_ms: u64) -> ScheduleTask {
    ScheduleTask { delay_ms, label: "once".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_at_its_interval_and_does_not_drift() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ManageTimers]).await;
    let begun = Instant::now();
    peer.call(1, every(1000)).await;
    let id = started(&mut peer).await;
    for tick in 1..=50 {
        assert_eq!(fired(&mut peer).await, (id, "tick".to_owned(), 0));
        // A millisecond is what the clock of tokio rounds to; drift would add up.
        let late = begun.elapsed().checked_sub(Duration::from_secs(tick)).unwrap();
        assert!(late < Duration::from_millis(20), "{late:?} after {tick} ticks");
        sleep(Duration::from_millis(300)).await;
    }
    refused(&stage, every(1000)).await;
    refused(&stage, after(0)).await;
}

#[tokio::test(start_paused = true)]
async fn ticks_that_a_module_did_not_read_are_counted_and_do_not_pile_up() {
    let stage = Stage::new().await;
    let mut peer = bounds::stuff(&stage, &[Capability::ManageTimers]).await;
    peer.call(1, every(1000)).await;
    sleep(Duration::from_millis(100 * 1000 + 500)).await;
    let (mut firings, mut ticks) = (0, 0);
    while ticks < 100 {
        if let ModuleMessage::Invocation(invocation) = peer.next().await.unwrap() {
            let InvocationPayload::TimerFired { missed, .. } = invocation.payload else { panic!() };
            firings += 1;
            ticks += missed + 1;
        }
    }
    assert!(firings <= 3 && ticks == 100, "{firings} firings for {ticks} ticks");
}

#[tokio::test(start_paused = true)]
async fn a_task_fires_once_and_what_is_cancelled_does_not_fire() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ManageTimers]).await;
    peer.call(1, after(5000)).await;
    let task = started(&mut peer).await;
    peer.call(2, every(100)).await;
    let timer = started(&mut peer).await;
    peer.call(3, CancelTimer { timer_id: timer }).await;
    assert_eq!(peer.response().await.1, Ok(ResponsePayload::CancelTimer(true)));
    assert_eq!(fired(&mut peer).await, (task, "once".to_owned(), 0));
    for timer_id in [task, timer, 4711] {
        peer.call(4, CancelTimer { timer_id }).await;
        assert_eq!(peer.response().await.1, Ok(ResponsePayload::CancelTimer(false)));
    }
    assert!(timeout(Duration::from_secs(3600), peer.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_module_has_so_many_timers_and_one_that_ended_makes_room() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ManageTimers]).await;
    for id in 0..64 {
        peer.call(id, after(1000)).await;
        started(&mut peer).await;
    }
    peer.call(64, every(100)).await;
    assert!(matches!(peer.response().await.1, Err(ApiError::QuotaExceeded { limit: 64, .. })));
    for _ in 0..64 {
        fired(&mut peer).await;
    }
    peer.call(65, every(100)).await;
    started(&mut peer).await;
    for (id, bad) in
        [(66, every(99)), (67, every(u64::MAX)), (68, RegisterTimer { label: "\n".to_owned(), ..every(100) })]
    {
        peer.call(id, bad).await;
        while let Some(message) = peer.next().await {
            if let ModuleMessage::Response(response) = message {
                assert!(matches!(response.result, Err(ApiError::InvalidArgument { .. })));
                break;
            }
        }
    }
}

fn publish(event_type: EventType, bytes: usize) -> PublishEvent {
    PublishEvent { event_type, payload: Bytes::from(vec![5; bytes]) }
}

#[tokio::test]
async fn a_module_publishes_what_it_was_granted_under_its_own_name_and_nothing_else() {
    let (log, _guard) = Captured::start();
    let stage = Stage::new().await;
    let publisher =
        Module { publishes: vec![EventType::ShareSubmitted], ..module("pool", &[Capability::PublishEvents]) };
    let mut publisher = stage.open_module(publisher).await;
    assert_eq!(stage.host.modules().publishers(EventType::ShareSubmitted), ["pool"]);
    let mut reader = stage.open_module(module("reader", &[Capability::SubscribeEvents])).await;
    reader.call(1, subscribe(&[EventType::ShareSubmitted])).await;
    assert!(reader.response().await.1.is_ok());
    publisher.call(1, publish(EventType::ShareSubmitted, MAX_PACKET_BYTES)).await;
    let (_, Ok(ResponsePayload::PublishEvent(cursor))) = publisher.response().await else {
        panic!("refused")
    };
    let event = reader.event().await;
    let data = Bytes::from(vec![5; MAX_PACKET_BYTES]);
    let published = PublishedEvent { publisher: "pool".to_owned(), data };
    assert_eq!((event.cursor, event.payload), (cursor, EventPayload::ShareSubmitted(published)));

    publisher.call(2, publish(EventType::ShareSubmitted, MAX_PACKET_BYTES + 1)).await;
    assert!(matches!(publisher.response().await.1, Err(ApiError::InvalidArgument { .. })));
    publisher.call(3, publish(EventType::PaymentSettled, 1)).await;
    assert!(matches!(publisher.response().await.1, Err(ApiError::EventNotGranted { .. })));
    assert!(log.text().contains("pool: refused publish_event: needs publish_events to name PaymentSettled"));
    for event_type in [EventType::NewBlock, EventType::Unknown(4711)] {
        publisher.call(4, publish(event_type, 1)).await;
        assert!(matches!(publisher.response().await.1, Err(ApiError::InvalidArgument { .. })));
    }
    refused(&stage, publish(EventType::ShareSubmitted, 1)).await;
}

fn metric(name: &str, value: MetricValue) -> ReportMetric {
    let labels = BoundedVec::truncated([Label { name: "kind".to_owned(), value: "a\"b\n".to_owned() }]);
    ReportMetric { metric: Metric { name: name.to_owned(), help: "what it is".to_owned(), labels, value } }
}

#[tokio::test]
async fn what_a_module_reports_is_read_by_who_may_and_goes_with_its_session() {
    let stage = Stage::new().await;
    let mut reporter = stage.open_module(module("reporter", &[Capability::ReportMetrics])).await;
    for value in [MetricValue::Counter(1.5), MetricValue::Counter(2.0)] {
        reporter.call(1, metric("seen", value)).await;
        assert!(reporter.response().await.1.is_ok());
    }
    let mut reader = stage.open_module(module("reader", &[Capability::ReadMetrics])).await;
    reader.call(1, GetModuleMetrics { module_id: "reporter".to_owned() }).await;
    let (_, Ok(ResponsePayload::GetModuleMetrics(samples))) = reader.response().await else { panic!("none") };
    assert_eq!((samples.len(), samples[0].value), (1, SampleValue::Counter(3.5)));
    reader.call(2, GetModuleMetrics { module_id: "nobody".to_owned() }).await;
    assert!(matches!(reader.response().await.1, Err(ApiError::ModuleNotFound { .. })));
    reporter.close().await;
    reader.call(3, GetAllMetrics {}).await;
    let (_, Ok(ResponsePayload::GetAllMetrics(all))) = reader.response().await else { panic!("none") };
    assert!(all.iter().all(|module| module.samples.is_empty()), "{all:?}");
    refused(&stage, metric("seen", MetricValue::Gauge(1.0))).await;
    refused(&stage, GetAllMetrics {}).await;
}

#[tokio::test]
async fn names_and_labels_that_are_none_are_refused_and_the_number_of_series_is_bounded() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ReportMetrics]).await;
    for name in ["", "1a", "a b", "a\n# HELP", &"a".repeat(65)] {
        peer.call(1, metric(name, MetricValue::Gauge(1.0))).await;
        assert!(matches!(peer.response().await.1, Err(ApiError::InvalidArgument { .. })), "{name}");
    }
    peer.call(2, metric("a", MetricValue::Gauge(f64::NAN))).await;
    assert!(matches!(peer.response().await.1, Err(ApiError::InvalidArgument { .. })));
    let mut full = None;
    for index in 0..2000 {
        peer.call(3, metric(&format!("m{index}"), MetricValue::Gauge(1.0))).await;
        if let Err(error) = peer.response().await.1 {
            full = Some(error);
            break;
        }
    }
    assert!(matches!(full, Some(ApiError::QuotaExceeded { .. })), "{full:?}");
}

fn endpoint(method: &str) -> RegisterRpcEndpoint {
    RegisterRpcEndpoint { method: method.to_owned(), description: "greets".to_owned() }
}

#[tokio::test]
async fn a_json_rpc_method_is_there_as_long_as_its_module() {
    let stage = Stage::new().await;
    let granted = [Capability::RegisterRpcEndpoint];
    let mut peer = stage.open_module(module("greet-er", &granted)).await;
    peer.call(1, endpoint("hello")).await;
    let registered = Ok(ResponsePayload::RegisterRpcEndpoint("greet_er_hello".to_owned()));
    assert_eq!(peer.response().await.1, registered);
    for bad in ["hello", "Hello", "", "a.b"] {
        peer.call(2, endpoint(bad)).await;
        assert!(matches!(peer.response().await.1, Err(ApiError::InvalidArgument { .. })), "{bad}");
    }
    assert!(stage.host.modules().endpoint("greet_er_hello").is_some());
    for there in [true, false] {
        peer.call(3, UnregisterRpcEndpoint { method: "hello".to_owned() }).await;
        assert_eq!(peer.response().await.1, Ok(ResponsePayload::UnregisterRpcEndpoint(there)));
    }
    peer.call(4, endpoint("hello")).await;
    assert!(peer.response().await.1.is_ok());
    peer.close().await;
    assert!(stage.host.modules().endpoints().is_empty());
    refused(&stage, endpoint("hello")).await;
}

#[tokio::test]
async fn lightning_is_asked_of_the_module_that_the_operator_named_and_of_nobody_else() {
    let stage = Stage::new().await;
    let mut asker =
        stage.open_module(module("asker", &[Capability::ReadLightning, Capability::ReadPayment])).await;
    asker.call(1, GetLightningNodeUrl {}).await;
    let (_, Err(ApiError::Unsupported { reason, .. })) = asker.response().await else { panic!("answered") };
    assert!(reason.contains("lightning") && reason.contains("[modules]"), "{reason}");

    stage.host.modules().answer_lightning_from("ln".parse().unwrap());
    asker.call(2, GetLightningNodeUrl {}).await;
    assert!(matches!(asker.response().await.1, Err(ApiError::ModuleNotFound { .. })));
    let mut source = stage.open_module(module("ln", &[])).await;
    for (answer, url) in [(r#""02ab@host:9735""#, Some("02ab@host:9735")), ("{", None)] {
        asker.call(3, GetLightningNodeUrl {}).await;
        let invocation = source.invocation().await;
        let InvocationPayload::ModuleCall { caller, method, .. } = invocation.payload else { panic!() };
        assert_eq!((caller.as_str(), method.as_str()), ("host", "lightning.node_url"));
        source.answer(invocation.invocation_id, Ok(Bytes::from(answer))).await;
        match (asker.response().await.1, url) {
            (Ok(ResponsePayload::GetLightningNodeUrl(got)), Some(url)) => assert_eq!(got, url),
            (Err(ApiError::Unsupported { backend, .. }), None) => assert_eq!(backend, "module ln"),
            other => panic!("{other:?}"),
        }
    }
    asker.call(4, GetPaymentState { payment_id: "p\"1".to_owned() }).await;
    let invocation = source.invocation().await;
    let InvocationPayload::ModuleCall { params, .. } = invocation.payload else { panic!() };
    assert_eq!(params, Bytes::from_static(br#""p\"1""#));
    source.answer(invocation.invocation_id, Ok(Bytes::from_static(b"null"))).await;
    assert_eq!(asker.response().await.1, Ok(ResponsePayload::GetPaymentState(None)));
    refused(&stage, GetLightningInfo {}).await;
    refused(&stage, GetPaymentState { payment_id: "1".to_owned() }).await;
}

#[tokio::test(start_paused = true)]
async fn how_much_a_module_may_call_is_what_its_entry_says() {
    let stage = Stage::new().await;
    for burst in [3, 30] {
        let limits = cofferdam_control::CoreLimits { calls_per_second: 1, call_burst: burst, ..limits() };
        let slow = Module { limits, ..module("slow", &[Capability::ReadChainState]) };
        let mut peer = stage.open_module(slow).await;
        let mut answered = 0;
        loop {
            peer.call(1, GetChainTip {}).await;
            match peer.response().await.1 {
                Ok(_) => answered += 1,
                Err(error) => break assert!(matches!(error, ApiError::RateLimited { .. }), "{error:?}"),
            }
        }
        assert_eq!(answered, burst);
    }
}
