//! What a module can rely on when others call it, against a host that does what each test says.

mod fake_host;

use cofferdam_protocol::{AnswerMessage, HostMessage, InvocationMessage, ModuleFault};
use cofferdam_sdk::{Bytes, INTERNAL_ERROR, InvocationPayload, ModuleMessage, ResponsePayload};
use fake_host::{LIMITS, Session, connected};

fn ping(invocation_id: u64, deadline_ms: u32) -> ModuleMessage {
    let payload = InvocationPayload::RpcCall { method: "ping".to_owned(), params: "[]".to_owned() };
    ModuleMessage::Invocation(InvocationMessage { invocation_id, deadline_ms, payload })
}

async fn answered(session: &mut Session) -> AnswerMessage {
    match session.next().await {
        Some(HostMessage::Answer(answer)) => answer,
        other => unreachable!("an answer was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_carries_the_id_of_its_invocation() {
    let (integration, mut session) = connected(LIMITS).await;
    let mut invocations = integration.invocation_receiver();
    session.send(ping(7, 1000)).await;
    session.send(ping(8, 1000)).await;
    let (first, second) = (invocations.recv().await.unwrap(), invocations.recv().await.unwrap());
    second.answer("2").unwrap();
    first.fail(-8, "no").unwrap();
    let two = AnswerMessage { invocation_id: 8, result: Ok(Bytes::from_static(b"2")) };
    assert_eq!(answered(&mut session).await, two);
    let fault = ModuleFault { code: -8, message: "no".to_owned() };
    assert_eq!(answered(&mut session).await, AnswerMessage { invocation_id: 7, result: Err(fault) });
}

#[tokio::test]
async fn an_invocation_that_is_dropped_is_answered_with_a_fault() {
    let (integration, mut session) = connected(LIMITS).await;
    session.send(ping(7, 1000)).await;
    drop(integration.invocation_receiver().recv().await);
    let fault = answered(&mut session).await.result.unwrap_err();
    assert_eq!((fault.code, fault.message.as_str()), (INTERNAL_ERROR, "the module gave no answer"));
}

#[tokio::test]
async fn a_call_that_is_made_to_answer_says_so() {
    let (integration, mut session) = connected(LIMITS).await;
    session.send(ping(7, 1000)).await;
    let invocation = integration.invocation_receiver().recv().await.unwrap();
    let node = invocation.node_api().unwrap();
    let asking = tokio::spawn(async move { node.get_block_height().await });
    let Some(HostMessage::RequestWithin(within)) = session.next().await else { panic!("not within") };
    assert_eq!(within.invocation_id, 7);
    session.answer(within.request.correlation_id, Ok(ResponsePayload::GetBlockHeight(9))).await;
    assert_eq!(asking.await.unwrap().unwrap(), 9);

    let outside = integration.node_api();
    let asking = tokio::spawn(async move { outside.get_block_height().await });
    let request = session.next_request().await;
    session.answer(request.correlation_id, Ok(ResponsePayload::GetBlockHeight(9))).await;
    asking.await.unwrap().unwrap();
    invocation.answer("1").unwrap();
}

#[tokio::test]
async fn what_expects_no_answer_gets_none() {
    let (integration, mut session) = connected(LIMITS).await;
    session.send(ping(7, 0)).await;
    session.send(ping(8, 1)).await;
    let mut invocations = integration.invocation_receiver();
    let timer = invocations.recv().await.unwrap();
    assert_eq!(timer.deadline(), None);
    timer.answer("1").unwrap();
    drop(invocations.recv().await);
    assert_eq!(answered(&mut session).await.invocation_id, 8);
}

#[tokio::test]
async fn a_module_that_takes_no_invocation_answers_those_that_find_no_room() {
    let (_integration, mut session) = connected(LIMITS).await;
    for id in 0..300 {
        session.send(ping(id, 1000)).await;
    }
    assert_eq!(answered(&mut session).await.invocation_id, 256);
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_here_and_a_fault_there() {
    let (integration, mut session) = connected(LIMITS).await;
    session.send(ping(7, 1000)).await;
    let invocation = integration.invocation_receiver().recv().await.unwrap();
    let error = invocation.answer(vec![0; 256 * 1024 + 1]).unwrap_err();
    assert!(error.to_string().contains("262145 bytes"), "{error}");
    assert!(answered(&mut session).await.result.unwrap_err().message.contains("262145 bytes"));
}

#[tokio::test]
async fn receiving_ends_with_the_connection_after_what_came_before() {
    let (integration, mut session) = connected(LIMITS).await;
    let mut invocations = integration.invocation_receiver();
    session.send(ping(7, 1000)).await;
    drop(session);
    assert!(invocations.recv().await.is_some());
    assert!(invocations.recv().await.is_none());
}
