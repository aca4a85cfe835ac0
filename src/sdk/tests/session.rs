//! What a module can rely on while it is connected, against a host that does what each test says.

mod fake_host;

use std::time::Duration;

use cofferdam_protocol::{HostMessage, Limits};
use cofferdam_sdk::{
    ApiError, BlockHash, EventMessage, EventPayload, EventType, LogLevel, ModuleMessage, RawBlock, Refusal,
    RequestPayload, ResponsePayload, SdkError,
};
use fake_host::{FakeHost, LIMITS, connect, connected, welcome};
use tokio::task::JoinSet;

fn unloaded(cursor: u64) -> ModuleMessage {
    ModuleMessage::Event(EventMessage::new(cursor, EventPayload::ModuleUnloaded { name: "x".to_owned() }))
}

fn height(height: u32) -> Result<ResponsePayload, ApiError> {
    Ok(ResponsePayload::GetBlockHeight(height))
}

#[tokio::test]
async fn the_handshake_says_who_connects_and_tells_what_was_granted() {
    let host = FakeHost::new();
    let serving = async {
        let mut session = host.accept().await;
        let hello = session.next().await;
        session.send(ModuleMessage::Welcome(welcome(LIMITS))).await;
        (hello, session)
    };
    let (integration, (hello, _session)) = tokio::join!(connect(&host), serving);

    let Some(HostMessage::Hello(hello)) = hello else { panic!("the first message is {hello:?}") };
    assert_eq!((hello.module_id.as_str(), hello.module_name.as_str()), ("m-1", "m"));
    assert_eq!(integration.unwrap().welcome().capabilities.as_slice(), ["read_blockchain"]);
}

#[tokio::test]
async fn a_refusal_comes_back_with_its_reason() {
    let host = FakeHost::new();
    let reason = Refusal::Other { reason: "not today".to_owned() };
    let serving = async {
        let mut session = host.accept().await;
        session.next().await;
        session.send(ModuleMessage::Refused(reason.clone())).await;
    };
    let (refused, ()) = tokio::join!(connect(&host), serving);
    assert!(matches!(refused, Err(SdkError::Refused(given)) if given == reason));
}

#[tokio::test]
async fn a_host_that_closes_instead_of_answering_the_handshake_is_an_error_at_once() {
    let host = FakeHost::new();
    let (closed, ()) = tokio::join!(connect(&host), async { drop(host.accept().await) });
    assert!(matches!(closed, Err(SdkError::Closed { .. })), "{closed:?}");
}

#[tokio::test]
async fn a_path_where_nobody_listens_is_named_in_the_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody.sock");
    let text = || "m".to_owned();
    let error = cofferdam_sdk::ModuleIntegration::connect(&path, text(), text(), text()).await.unwrap_err();
    assert!(error.to_string().contains("nobody.sock"), "{error}");
}

#[tokio::test]
async fn replies_out_of_order_reach_the_calls_they_answer() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    let serving = async {
        let first = session.next_request().await;
        let second = session.next_request().await;
        assert_eq!(first.payload, RequestPayload::GetBlockHeight);
        session.answer(second.correlation_id, Ok(ResponsePayload::HasTransaction(true))).await;
        session.answer(first.correlation_id, height(7)).await;
    };
    let txid = cofferdam_sdk::Txid::from_bytes([1; 32]);
    let (first, second, ()) = tokio::join!(node.get_block_height(), node.has_transaction(txid), serving);
    assert_eq!(first.unwrap(), 7);
    assert!(second.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_call_at_once_on_a_multi_threaded_runtime() {
    let (integration, mut session) = connected(LIMITS).await;
    let calls: Vec<_> = (0..200u32)
        .map(|number| {
            let node = integration.node_api();
            tokio::spawn(async move { (number, node.get_block_by_height(number).await) })
        })
        .collect();
    for _ in 0..200 {
        let request = session.next_request().await;
        let RequestPayload::GetBlockByHeight { height } = request.payload else { panic!("{request:?}") };
        let block = RawBlock::new(height.to_le_bytes().to_vec());
        session.answer(request.correlation_id, Ok(ResponsePayload::GetBlockByHeight(Some(block)))).await;
    }
    for call in calls {
        let (number, reply) = call.await.unwrap();
        assert_eq!(reply.unwrap().unwrap().as_bytes(), number.to_le_bytes());
    }
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_the_host_allows() {
    let (integration, mut session) = connected(Limits { max_in_flight: 2, ..LIMITS }).await;
    let node = integration.node_api();
    let serving = async {
        let first = session.next_request().await;
        let second = session.next_request().await;
        let third = tokio::time::timeout(Duration::from_millis(50), session.next()).await;
        assert!(third.is_err(), "a third call was sent before an answer: {third:?}");
        session.answer(first.correlation_id, height(1)).await;
        session.answer(second.correlation_id, height(2)).await;
        let third = session.next_request().await;
        session.answer(third.correlation_id, height(3)).await;
    };
    let calls =
        async { tokio::join!(node.get_block_height(), node.get_block_height(), node.get_block_height()) };
    let ((first, second, third), ()) = tokio::join!(calls, serving);
    assert_eq!([first.unwrap(), second.unwrap(), third.unwrap()], [1, 2, 3]);
}

#[tokio::test]
async fn an_error_of_the_host_arrives_typed() {
    let (integration, mut session) = connected(LIMITS).await;
    let serving = async {
        let request = session.next_request().await;
        session.answer(request.correlation_id, Err(ApiError::Pruned { height: Some(3) })).await;
    };
    let node = integration.node_api();
    let (reply, ()) = tokio::join!(node.get_block(BlockHash::from_bytes([0; 32])), serving);
    assert_eq!(reply.unwrap_err().api(), Some(&ApiError::Pruned { height: Some(3) }));
}

#[tokio::test]
async fn the_reply_of_another_call_is_an_error() {
    let (integration, mut session) = connected(LIMITS).await;
    let serving = async {
        let request = session.next_request().await;
        session.answer(request.correlation_id, Ok(ResponsePayload::HasTransaction(true))).await;
    };
    let node = integration.node_api();
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert!(matches!(reply, Err(SdkError::WrongReply { call: "get_block_height" })));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_a_late_reply_disturbs_nobody() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    let late = node.with_deadline(Duration::from_millis(20)).get_block_height().await;
    assert!(matches!(late, Err(SdkError::Deadline { call: "get_block_height", .. })));

    let serving = async {
        let late = session.next_request().await;
        session.answer(late.correlation_id, height(1)).await;
        let next = session.next_request().await;
        session.answer(next.correlation_id, height(2)).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert_eq!(reply.unwrap(), 2);
}

#[tokio::test]
async fn when_the_connection_dies_waiting_and_later_calls_fail_with_the_reason() {
    let (integration, mut session) = connected(Limits { max_in_flight: 1, ..LIMITS }).await;
    let node = integration.node_api();
    let serving = async {
        session.next_request().await;
        drop(session);
    };
    let (answered, queued, ()) = tokio::join!(node.get_block_height(), node.get_chain_tip(), serving);
    assert!(matches!(answered, Err(SdkError::Closed { .. })), "{answered:?}");
    assert!(matches!(queued, Err(SdkError::Closed { .. })), "{queued:?}");
    let later = node.get_block_height().await;
    assert!(matches!(later, Err(SdkError::Closed { ref reason }) if !reason.is_empty()), "{later:?}");
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_connection_and_say_so() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    let serving = async {
        session.next_request().await;
        // A second welcome is as wrong after the handshake as nonsense.
        session.send(ModuleMessage::Welcome(welcome(LIMITS))).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert!(reply.unwrap_err().to_string().contains("second handshake"));
}

#[tokio::test]
async fn events_nobody_receives_never_hold_up_a_reply_and_the_loss_is_told() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    let serving = async {
        let request = session.next_request().await;
        for cursor in 1..=1500 {
            session.send(unloaded(cursor)).await;
        }
        session.answer(request.correlation_id, height(5)).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert_eq!(reply.unwrap(), 5);

    let mut events = integration.event_receiver();
    let Some(ModuleMessage::Event(first)) = events.recv().await else { panic!("no event") };
    assert_eq!(first.payload, EventPayload::EventsDropped { from: 1, to: 476, count: 476 });
    assert_eq!(events.recv().await, Some(unloaded(477)));
}

#[tokio::test]
async fn the_shutdown_is_an_event_and_the_receiver_ends_when_the_host_closes() {
    let (integration, mut session) = connected(LIMITS).await;
    let shutdown = ModuleMessage::Event(EventMessage::new(1, EventPayload::NodeShutdown { grace_ms: 1000 }));
    session.send(shutdown.clone()).await;
    drop(session);
    let mut events = integration.event_receiver();
    assert_eq!(events.recv().await, Some(shutdown));
    assert_eq!(events.recv().await, None);
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn what_the_host_sent_before_it_closed_is_received_even_if_a_call_finds_it_closed_first() {
    let (integration, mut session) = connected(LIMITS).await;
    for cursor in 1..=20 {
        session.send(unloaded(cursor)).await;
    }
    drop(session);
    let closed = integration.node_api().get_block_height().await;
    assert!(matches!(closed, Err(SdkError::Closed { .. })), "{closed:?}");
    let mut events = integration.event_receiver();
    for cursor in 1..=20 {
        assert_eq!(events.recv().await, Some(unloaded(cursor)));
    }
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn events_wait_for_the_first_receiver() {
    let (mut integration, mut session) = connected(LIMITS).await;
    let serving = async {
        let request = session.next_request().await;
        session.send(unloaded(1)).await;
        let subscribed = cofferdam_sdk::Subscribed { cursor: 0, events: Default::default() };
        session.answer(request.correlation_id, Ok(ResponsePayload::SubscribeEvents(subscribed))).await;
    };
    let (subscribed, ()) =
        tokio::join!(integration.subscribe_events(vec![EventType::ModuleUnloaded]), serving);
    assert_eq!(subscribed.unwrap().cursor, 0);
    assert_eq!(integration.event_receiver().recv().await, Some(unloaded(1)));
}

#[tokio::test]
async fn the_connection_closes_when_the_last_handle_goes_and_not_before() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    drop(integration);
    let serving = async {
        let request = session.next_request().await;
        session.answer(request.correlation_id, height(1)).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert_eq!(reply.unwrap(), 1);
    drop(node);
    assert_eq!(session.next().await, None);
}

#[tokio::test]
async fn a_block_of_several_megabytes_arrives_whole() {
    let (integration, mut session) = connected(LIMITS).await;
    let block = RawBlock::new(vec![0xab; 3_900_000]);
    let serving = async {
        let request = session.next_request().await;
        session.answer(request.correlation_id, Ok(ResponsePayload::GetBlock(Some(block.clone())))).await;
    };
    let node = integration.node_api();
    let (reply, ()) = tokio::join!(node.get_block(BlockHash::from_bytes([0; 32])), serving);
    assert!(reply.unwrap().unwrap() == block);
}

/// Starts to log more than the buffer of any socket holds, as long as the host takes lines.
fn log_at_length(node: &cofferdam_sdk::NodeApi) -> (Vec<String>, JoinSet<Result<(), SdkError>>) {
    let lines: Vec<_> = ('a'..='t').map(|letter| letter.to_string().repeat(60_000)).collect();
    let mut calls = JoinSet::new();
    for line in lines.clone() {
        let node = node.clone();
        calls.spawn(async move { node.log(LogLevel::Info, line).await });
    }
    (lines, calls)
}

#[tokio::test]
async fn requests_beyond_the_sockets_buffer_arrive_whole_and_in_order() {
    let (integration, mut session) = connected(LIMITS).await;
    let (lines, calls) = log_at_length(&integration.node_api());
    for message in lines {
        let request = session.next_request().await;
        let expected = RequestPayload::Log { level: LogLevel::Info, message };
        assert!(request.payload == expected, "the line arrives as it was sent");
        session.answer(request.correlation_id, Ok(ResponsePayload::Log(()))).await;
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_request_over_the_hosts_limit_fails_alone_and_the_session_goes_on() {
    let (integration, mut session) = connected(Limits { max_frame_bytes: 1000, ..LIMITS }).await;
    let node = integration.node_api();
    let refused = node.log(LogLevel::Info, "x".repeat(2000)).await;
    assert!(matches!(refused, Err(SdkError::Unsendable { call: "log", .. })), "{refused:?}");
    let serving = async {
        let request = session.next_request().await;
        session.answer(request.correlation_id, height(1)).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert_eq!(reply.unwrap(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_half_frame_behind() {
    let (integration, mut session) = connected(LIMITS).await;
    let node = integration.node_api();
    let (_, mut calls) = log_at_length(&node);
    assert!(tokio::time::timeout(Duration::from_millis(20), calls.join_next()).await.is_err());
    calls.shutdown().await;
    let serving = async {
        let request = loop {
            let request = session.next_request().await;
            if request.payload == RequestPayload::GetBlockHeight {
                break request;
            }
        };
        session.answer(request.correlation_id, height(1)).await;
    };
    let (reply, ()) = tokio::join!(node.get_block_height(), serving);
    assert_eq!(reply.unwrap(), 1);
}
