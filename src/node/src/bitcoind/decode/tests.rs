//! Real answers, read for what they say; then spoilt in every way.

use bitcoin::hex::DisplayHex;
use bitcoin::{Amount, Txid};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fuzz;
use crate::mining::BlockVerdict;
use crate::network::{NetworkState, PeerDirection, PeerNetwork, PeerTransport};
use crate::status::DeploymentStatus;

const PREVIOUS: &str = "75b634b0e56d3397fe81246c778f5bf24d4c4fd5e2167463e81d04719c2c231d";
const TX: &str = "020000000001017f749c2873781982791e27800603ee6eed4ad3eee18cc382d73bd775696225d90000000000fdffffff\
                  0178de052a010000002200204ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260010151000\
                  00000";
const TXID: &str = "61383e429750eeef7207263f44e5a7564675c37ca4592339cf75d6e2d8aebaf9";
const WTXID: &str = "886a8198c20fe36e214fa97bacea8429b89212af5126c96fb92118bd545a5b1e";
const COMMITMENT: &str = "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9";

fn template() -> Value {
    json!({
        "capabilities": ["proposal"], "version": 536_870_912, "rules": ["csv", "!segwit", "taproot"],
        "vbavailable": {}, "vbrequired": 0, "previousblockhash": PREVIOUS, "coinbaseaux": {},
        "transactions": [{
            "data": TX, "txid": TXID, "hash": WTXID, "depends": [], "fee": 5000, "sigops": 0, "weight": 381,
        }],
        "coinbasevalue": 5_000_005_000_u64, "longpollid": format!("{PREVIOUS}114"), "mintime": 1_795_351_593,
        "mutable": ["time"], "noncerange": "00000000ffffffff", "sigoplimit": 80_000, "sizelimit": 4_000_000,
        "weightlimit": 4_000_000, "curtime": 1_795_351_600, "bits": "207fffff", "height": 111,
        "default_witness_commitment": COMMITMENT,
    })
}

const MEMPOOL_INFO: &str = r#"{"loaded":true,"size":2,"bytes":192,"usage":2240,"total_fee":0.00006000,
    "maxmempool":300000000,"mempoolminfee":0.00001000,"minrelaytxfee":0.00000100,"incrementalrelayfee":0.00001000,
    "unbroadcastcount":0,"fullrbf":true}"#;

const ENTRY: &str = r#"{"vsize":96,"weight":381,"time":1795351868,"height":110,"descendantcount":1,
    "fees":{"base":0.00001000,"modified":0.00001000},"depends":[],"spentby":[],"unbroadcast":true}"#;

const PEERS: &str = r#"[{"id":3,"addr":"192.0.2.7:8333","network":"ipv4","services":"0000000010000c0d",
    "relaytxes":true,"lastsend":1795351573,"lastrecv":1795351570,"bytessent":42065,"bytesrecv":8074,
    "conntime":1795351500,"timeoffset":-2,"pingtime":0.000299,"version":70016,"subver":"/Satoshi:29.5.0/",
    "inbound":true,"startingheight":0,"synced_headers":-1,"synced_blocks":-1,"minfeefilter":0.00001000,
    "connection_type":"inbound","transport_protocol_type":"v2"}]"#;

const DEPLOYMENTS: &str = r#"{"hash":"","height":110,"deployments":{
    "segwit":{"type":"buried","active":true,"height":0},
    "later":{"type":"buried","active":false,"height":500},
    "testdummy":{"type":"bip9","active":false,"bip9":{"status":"defined","since":0,"start_time":0}},
    "soon":{"type":"bip9","active":false,"bip9":{"status":"locked_in","since":288}},
    "odd":{"type":"bip9","active":false,"bip9":{"status":"must_signal","since":288}},
    "taproot":{"type":"bip9","height":0,"active":true,"bip9":{"status":"active","since":0}}}}"#;

#[test]
fn template_says_all_a_miner_needs() {
    let read = mining::template(&template().to_string()).unwrap();
    assert_eq!((read.height, read.coinbase_value), (111, Amount::from_sat(5_000_005_000)));
    assert_eq!(
        (read.bits.to_consensus(), read.current_time, read.min_time),
        (0x207f_ffff, 1_795_351_600, 1_795_351_593)
    );
    assert_eq!(read.previous_block.to_string(), PREVIOUS);
    assert_eq!(read.default_witness_commitment.unwrap().to_hex_string(), COMMITMENT);
    assert_eq!((read.longpoll_id, read.rules.len()), (format!("{PREVIOUS}114"), 3));
    let tx = &read.transactions[0];
    assert_eq!((tx.bytes.to_lower_hex_string().as_str(), tx.txid.to_string().as_str()), (TX, TXID));
    assert_eq!((tx.fee, tx.weight, tx.depends.len()), (Amount::from_sat(5000), 381, 0));
}

/// What makes a template wrong.
type Spoil = fn(&mut Value);

#[test]
fn template_whose_transactions_are_not_what_they_are_called_is_refused() {
    let spoilt = |change: fn(&mut Value)| {
        let mut template = template();
        change(&mut template);
        mining::template(&template.to_string()).unwrap_err()
    };
    let cases: [(&str, Spoil); 7] = [
        ("another id", |t| t["transactions"][0]["txid"] = json!(WTXID)),
        ("another id", |t| t["transactions"][0]["hash"] = json!(TXID)),
        ("does not come before", |t| t["transactions"][0]["depends"] = json!([1])),
        ("does not come before", |t| t["transactions"][0]["depends"] = json!([0])),
        ("more than there can be", |t| t["transactions"][0]["fee"] = json!(u64::MAX)),
        ("more than there can be", |t| t["coinbasevalue"] = json!(u64::MAX)),
        ("transaction", |t| t["transactions"][0]["data"] = json!("zz")),
    ];
    for (reason, change) in cases {
        let error = spoilt(change);
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn later_transactions_of_a_template_depend_on_earlier_ones_counted_from_0() {
    let mut value = template();
    let mut second = value["transactions"][0].clone();
    second["depends"] = json!([1]);
    value["transactions"].as_array_mut().unwrap().push(second);
    assert_eq!(mining::template(&value.to_string()).unwrap().transactions[1].depends, [0]);
}

#[test]
fn verdicts_on_blocks_are_told_apart() {
    let rejected = |reason: &str| BlockVerdict::Rejected { reason: reason.to_owned() };
    for (said, verdict) in [
        ("null", BlockVerdict::Accepted),
        ("\"duplicate\"", BlockVerdict::Duplicate),
        ("\"inconclusive\"", BlockVerdict::Inconclusive),
        ("\"duplicate-inconclusive\"", BlockVerdict::Inconclusive),
        ("\"duplicate-invalid\"", rejected("duplicate-invalid")),
        ("\"high-hash\"", rejected("high-hash")),
    ] {
        assert_eq!(mining::verdict(said), Ok(verdict));
    }
    assert!(mining::verdict("7").is_err());
}

#[test]
fn mempool_is_read_in_exact_amounts() {
    let info = mempool::info(MEMPOOL_INFO).unwrap();
    assert_eq!((info.transactions, info.vsize, info.total_fee), (2, 192, Amount::from_sat(6000)));
    assert_eq!((info.min_fee_rate.msat_per_vb(), info.min_relay_fee_rate.msat_per_vb()), (1000, 100));
    assert_eq!((info.memory_bytes, info.memory_limit_bytes, info.loaded), (2240, 300_000_000, true));
    let entry = mempool::entry(ENTRY).unwrap();
    assert_eq!((entry.fee, entry.vsize, entry.unbroadcast), (Amount::from_sat(1000), 96, true));
    assert!(mempool::entry(&ENTRY.replace("96", "0")).is_err());
}

#[test]
fn estimates_keep_thousandths_of_a_sat_and_none_is_made_up() {
    let estimate = mempool::estimate(r#"{"feerate":0.00001001,"blocks":7}"#).unwrap().unwrap();
    assert_eq!((estimate.rate.msat_per_vb(), estimate.rate.sat_per_vb_ceil()), (1001, 2));
    assert_eq!(estimate.target_blocks, 7);
    let nothing = r#"{"errors":["Insufficient data or no feerate found"],"blocks":0}"#;
    assert_eq!(mempool::estimate(nothing), Ok(None));
    assert_eq!(mempool::estimate(r#"{"feerate":0.00000000,"blocks":7}"#), Ok(None));
    assert!(mempool::estimate(r#"{"feerate":-1,"blocks":7}"#).is_err());
}

#[test]
fn snapshot_has_the_transactions_and_the_number_of_the_next_change() {
    let read = mempool::snapshot(&json!({ "txids": [TXID], "mempool_sequence": 9 }).to_string()).unwrap();
    assert_eq!((read.sequence, read.txids.to_vec()), (9, vec![TXID.parse::<Txid>().unwrap()]));
    assert!(mempool::snapshot("[]").is_err());
}

#[test]
fn peers_are_read_with_what_is_unknown_left_out() {
    let peer = network::peers(PEERS).unwrap().remove(0);
    assert_eq!((peer.id, peer.address.as_str(), peer.services), (3, "192.0.2.7:8333", 0x1000_0c0d));
    assert_eq!(
        (peer.network, peer.direction, peer.transport),
        (PeerNetwork::Ipv4, PeerDirection::Inbound, PeerTransport::V2)
    );
    assert_eq!((peer.starting_height, peer.synced_headers, peer.synced_blocks), (Some(0), None, None));
    assert_eq!(
        (peer.ping.unwrap().as_micros(), peer.time_offset_seconds, peer.min_fee_rate.msat_per_vb()),
        (299, -2, 1000)
    );
    // During the handshake hardly anything is known.
    let bare = network::peers(r#"[{"id":0,"addr":"x","inbound":false}]"#).unwrap().remove(0);
    assert_eq!(
        (bare.network, bare.transport, bare.version),
        (PeerNetwork::Unknown, PeerTransport::Unknown, 0)
    );
    assert!(network::peers(r#"[{"id":-1,"addr":"x","inbound":false}]"#).is_err());
}

#[test]
fn words_of_peers_are_short_and_printable() {
    let hostile = json!([{ "id": 0, "addr": "\u{1b}[2J\n", "inbound": true, "subver": "x".repeat(5000) }]);
    let peer = network::peers(&hostile.to_string()).unwrap().remove(0);
    assert!(!peer.address.chars().any(char::is_control) && peer.user_agent.len() <= 200, "{peer:?}");
}

#[test]
fn network_is_read_with_its_state() {
    let info = r#"{"networkactive":false,"connections":3,"connections_in":1,"connections_out":2}"#;
    let read = network::connections(info).unwrap();
    assert_eq!((read.state, read.inbound, read.outbound), (NetworkState::Disabled, 1, 2));
    let totals = network::totals(r#"{"totalbytesrecv":8074,"totalbytessent":42065,"timemillis":1}"#).unwrap();
    assert_eq!((totals.received, totals.sent), (8074, 42065));
    assert_eq!(network::hash_rate("4.41e-07"), Ok(4.41e-7));
    assert!(network::hash_rate("1e999").is_err());
    let bans = r#"[{"address":"192.0.2.0/24","ban_created":5,"banned_until":253402300799,"ban_duration":1}]"#;
    let ban = network::bans(bans).unwrap().remove(0);
    assert_eq!((ban.subnet.as_str(), ban.created_at, ban.until), ("192.0.2.0/24", 5, 253_402_300_799));
}

#[test]
fn deployments_are_as_far_as_the_node_says() {
    let read = status::deployments(DEPLOYMENTS).unwrap();
    let found: Vec<_> = read.iter().map(|one| (one.name.as_str(), one.status, one.height)).collect();
    assert_eq!(
        found,
        [
            ("later", DeploymentStatus::Defined, Some(500)),
            ("odd", DeploymentStatus::Unknown, None),
            ("segwit", DeploymentStatus::Active, Some(0)),
            ("soon", DeploymentStatus::LockedIn, None),
            ("taproot", DeploymentStatus::Active, Some(0)),
            ("testdummy", DeploymentStatus::Defined, None),
        ]
    );
}

#[test]
fn indexes_and_snapshots_are_read() {
    assert_eq!(status::indexes("{}"), Ok(Vec::new()));
    let indexes = status::indexes(r#"{"txindex":{"synced":false,"best_block_height":-1}}"#).unwrap();
    assert_eq!((indexes[0].name.as_str(), indexes[0].synced, indexes[0].best_height), ("txindex", false, 0));
    assert_eq!(status::unverified_snapshot(r#"{"headers":1,"chainstates":[{"validated":true}]}"#), Ok(false));
    let two = r#"{"chainstates":[{"validated":true},{"validated":false}]}"#;
    assert_eq!(status::unverified_snapshot(two), Ok(true));
    let block = json!({ "previousblockhash": PREVIOUS, "tx": [TXID] }).to_string();
    assert_eq!(status::block_txids(&block).unwrap().txids.len(), 1);
    assert_eq!(status::block_txids(r#"{"tx":[]}"#).unwrap().previous, None);
}

/// Any JSON, with the names and values that real answers have among others.
fn anything() -> impl Strategy<Value = Value> {
    let names = "(id|addr|inbound|txids|mempool_sequence|deployments|bip9|status|active|height|transactions|depends|\
                 services|pingtime|fees|base|feerate|blocks|chainstates|tx|[a-z]{0,4})";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9a-f]{64}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every value in `value` that is no list or object, in its order.
fn leaves<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| leaves(field, found)),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => found.push(leaf),
    }
}

fn real_answers() -> Vec<Value> {
    let texts = [MEMPOOL_INFO, ENTRY, PEERS, DEPLOYMENTS];
    let mut all: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    all.push(template());
    all
}

proptest! {
    #[test]
    fn no_json_makes_a_reader_panic(value in anything()) {
        fuzz::rpc_result(&value.to_string());
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".*") {
        fuzz::rpc_result(&text);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(status in 100..600_u16, body in any::<Vec<u8>>()) {
        fuzz::rpc_reply(status, &body);
        fuzz::zmq_messages(&body);
    }

    #[test]
    fn real_answer_with_one_value_changed_makes_no_reader_panic(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), value in anything(),
    ) {
        let mut answers = real_answers();
        let mut answer = answers.swap_remove(which.index(answers.len()));
        let mut found = Vec::new();
        leaves(&mut answer, &mut found);
        *found.swap_remove(place.index(found.len())) = value;
        fuzz::rpc_result(&answer.to_string());
    }

    #[test]
    fn real_answer_with_one_byte_changed_makes_no_reader_panic(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte: u8,
    ) {
        let answers = real_answers();
        let mut bytes = answers[which.index(answers.len())].to_string().into_bytes();
        *place.get_mut(&mut bytes) = byte;
        fuzz::rpc_result(&String::from_utf8_lossy(&bytes));
    }
}
