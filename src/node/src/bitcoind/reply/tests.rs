//! Answers, true and hostile, and what becomes of them.

use bitcoin::Network;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    serde_json::from_str(text).unwrap()
}

fn sorted(status: u16, body: &str) -> Result<Outcome, NodeError> {
    Reply::sort("method", 7, StatusCode::from_u16(status).unwrap(), Bytes::from(body.to_owned()))
}

fn answered(result: &serde_json::Value) -> Reply {
    match sorted(200, &json!({ "result": result, "error": null, "id": 7 }).to_string()) {
        Ok(Outcome::Answered(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn amounts_are_exact_to_the_satoshi(sats in 0..=Amount::MAX_MONEY.to_sat()) {
        let text = format!("{}.{:08}", sats / 100_000_000, sats % 100_000_000);
        prop_assert_eq!(amount(&raw(&text)), Ok(Amount::from_sat(sats)));
    }

    #[test]
    fn no_answer_makes_the_reader_panic(status in 100..600_u16, body in any::<Vec<u8>>()) {
        let status = StatusCode::from_u16(status).unwrap();
        if let Ok(Outcome::Answered(reply)) = Reply::sort("method", 7, status, body.into()) {
            let _ = reply.hex();
        }
    }

    #[test]
    fn no_result_makes_the_reader_panic(text in ".*") {
        let reply = answered(&json!(text));
        let _ = (reply.hex(), reply.header(BlockHash::all_zeros()), reply.block(BlockHash::all_zeros()));
    }

    #[test]
    fn the_nodes_words_cannot_forge_a_line_of_a_log(words in any::<Vec<u8>>()) {
        let said = quoted(&words);
        prop_assert!(!said.chars().any(char::is_control));
        prop_assert!(said.len() <= MAX_QUOTED_CHARS * 12);
    }
}

#[test]
fn amounts_that_cannot_be_are_refused() {
    for text in ["-1", "0.000000001", "21000000.00000001", "1e99", "\"1\"", "null", "[1]", "1E-9"] {
        assert!(amount(&raw(text)).is_err(), "{text}");
    }
}

#[test]
fn http_states_that_are_no_answer_are_told_apart() {
    assert!(matches!(sorted(401, ""), Ok(Outcome::Unauthorized)));
    assert_eq!(sorted(403, "").unwrap_err(), NodeError::Forbidden { method: "method" });
    assert_eq!(
        sorted(503, "Work queue depth exceeded").unwrap_err(),
        NodeError::not_ready("Work queue depth exceeded")
    );
    assert!(matches!(sorted(200, "<html>"), Err(NodeError::Malformed { .. })));
    assert!(matches!(sorted(500, r#"{"result":1,"id":7}"#), Err(NodeError::Malformed { .. })));
    assert!(matches!(sorted(200, r#"{"result":1,"id":8}"#), Err(NodeError::Malformed { .. })));
}

#[test]
fn errors_are_errors_whatever_the_http_status() {
    for status in [200, 400, 404, 500] {
        let body = r#"{"result":null,"error":{"code":-5,"message":"Block not found"},"id":7}"#;
        match sorted(status, body) {
            Ok(Outcome::Failed(failure)) => assert_eq!(failure.code, NOT_FOUND),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn codes_of_the_node_become_errors_that_say_what_to_do() {
    let failure = |code, message: &str| Failure { code, message: message.to_owned() };
    let hash = BlockHash::all_zeros();
    assert_eq!(
        failure(-28, "Loading block index").into_error("m"),
        NodeError::not_ready("Loading block index")
    );
    assert!(matches!(failure(-32601, "").into_error("m"), NodeError::Unsupported { .. }));
    assert!(matches!(failure(-8, "x").into_error("m"), NodeError::Rpc { code: -8, .. }));
    let pruned = failure(-1, "Block not available (pruned data)").into_block_error("getblock", hash);
    assert_eq!(pruned, NodeError::Pruned { hash });
    let coming = failure(-1, "Block not available (not fully downloaded)").into_block_error("getblock", hash);
    assert!(matches!(coming, NodeError::NotReady { .. }));
    let warming = failure(-28, "").into_block_error("getblock", hash);
    assert!(matches!(warming, NodeError::NotReady { .. }));
}

#[test]
fn header_or_block_of_another_hash_is_refused() {
    let genesis = genesis_block(Network::Regtest);
    let other = genesis_block(Network::Bitcoin).block_hash();
    let header = answered(&json!(serialize_hex(&genesis.header)));
    assert_eq!(header.header(genesis.block_hash()), Ok(genesis.header));
    assert!(matches!(header.header(other), Err(NodeError::Malformed { .. })));
    let block = answered(&json!(serialize_hex(&genesis)));
    assert!(block.block(genesis.block_hash()).is_ok());
    assert!(matches!(block.block(other), Err(NodeError::Malformed { .. })));
}

#[test]
fn header_of_another_length_is_another_chain() {
    for bytes in [0, 79, 81, 164] {
        let reply = answered(&json!("00".repeat(bytes)));
        let error = reply.header(BlockHash::all_zeros()).unwrap_err();
        assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
    }
}

#[test]
fn null_reads_as_none() {
    assert_eq!(answered(&json!(null)).read::<Option<u32>>(), Ok(None));
    assert_eq!(answered(&json!(3)).read::<Option<u32>>(), Ok(Some(3)));
}
