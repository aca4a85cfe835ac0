//! The invocations of one module under whatever that module, others and the clock do to them.

use bytes::Bytes;
use cofferdam_protocol::modules::{MAX_CALL_BYTES, MAX_PACKET_BYTES};
use cofferdam_protocol::{InvocationPayload, ModuleFault};
use tokio::time::timeout;

use super::*;
use crate::modules::Chain;
use crate::session::outbox::MAX_SHARED;

/// What may happen to the invocations of one module.
#[derive(Debug, Clone)]
enum Step {
    Ask,
    GiveUp(usize),
    Answer(u64, Result<Vec<u8>, String>),
    Packet(usize),
    Fire(u64),
    Cancel(u64),
    Write,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Ok),
        Just(Ok(vec![0; MAX_CALL_BYTES + 1])),
        any::<String>().prop_map(Err),
        ".{0,40}".prop_map(|text| Err(text.repeat(200))),
    ];
    prop_oneof![
        20 => Just(Step::Ask),
        2 => (0_usize..100).prop_map(Step::GiveUp),
        5 => (0_u64..150, answer).prop_map(|(id, answer)| Step::Answer(id, answer)),
        5 => (0_usize..=MAX_PACKET_BYTES).prop_map(Step::Packet),
        5 => (0_u64..8).prop_map(Step::Fire),
        1 => (0_u64..8).prop_map(Step::Cancel),
        5 => Just(Step::Write),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_module_answers_each_question_has_one_bounded_outcome_and_nothing_piles_up(
        steps in proptest::collection::vec(step(), 0..300),
        closes in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(steps.into_iter().chain(closes.then_some(Step::Close))))?;
    }
}

async fn play(steps: impl Iterator<Item = Step>) -> Result<(), TestCaseError> {
    let outbox = Arc::new(Outbox::default());
    let alive = std::sync::atomic::AtomicBool::new(true);
    let target = "m".parse().unwrap();
    let (mut asked, mut answered) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Ask => {
                let chain = Chain::from_host(&target);
                let payload =
                    InvocationPayload::RpcCall { method: "a".to_owned(), params: "null".to_owned() };
                asked.extend(outbox.ask(payload, chain.deadline(), chain));
            }
            Step::GiveUp(index) => {
                if index < asked.len() {
                    asked.swap_remove(index);
                }
            }
            Step::Answer(id, result) => {
                let fault = |message| ModuleFault { code: 1, message };
                answered += u32::from(outbox.answer(id, result.map(Bytes::from).map_err(fault)));
            }
            Step::Packet(bytes) => {
                let packet = Bytes::from(vec![0; bytes]);
                let peer_addr = String::new();
                let payload =
                    InvocationPayload::MeshPacket { from_module: "a".to_owned(), peer_addr, packet };
                let _ = outbox.hand_over(payload, bytes);
            }
            Step::Fire(id) => prop_assert!(outbox.fire(id, "tick", 0, &alive).is_ok()),
            Step::Cancel(id) => prop_assert!(!outbox.unfire(id) || !outbox.is_due(id)),
            Step::Write => {
                let _ = timeout(Duration::from_millis(1), outbox.next()).await;
            }
            Step::Close => outbox.close(),
        }
        prop_assert!(outbox.outstanding() <= MAX_SHARED);
    }
    let mut outcomes = 0;
    for pending in asked {
        if let Ok(outcome) = pending.answered().await {
            outcomes += 1;
            prop_assert!(
                outcome.map_or_else(
                    |fault| fault.message.len() <= 1024,
                    |answer| answer.len() <= MAX_CALL_BYTES
                )
            );
        }
    }
    prop_assert!(outcomes <= answered);
    prop_assert_eq!(outbox.outstanding(), 0);
    Ok(())
}
