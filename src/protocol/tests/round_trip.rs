//! Every message comes out of the wire as it went in, whatever its fields hold.

#![allow(clippy::expect_used, reason = "a message that does not survive is a failed test")]

use cofferdam_protocol::*;
use proptest::prelude::*;

fn hash() -> impl Strategy<Value = BlockHash> {
    any::<[u8; 32]>().prop_map(BlockHash::from_bytes)
}

fn txid() -> impl Strategy<Value = Txid> {
    any::<[u8; 32]>().prop_map(Txid::from_bytes)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn event_type() -> impl Strategy<Value = EventType> {
    prop_oneof![prop::sample::select(EventType::ALL), any::<u32>().prop_map(EventType::from_tag)]
}

fn level() -> impl Strategy<Value = LogLevel> {
    prop::sample::select(vec![
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ])
}

fn request() -> impl Strategy<Value = RequestPayload> {
    let subscription = (prop::collection::vec(event_type(), 0..20), any::<Option<u64>>());
    prop_oneof![
        hash().prop_map(|hash| RequestPayload::GetBlock { hash }),
        hash().prop_map(|hash| RequestPayload::GetBlockHeader { hash }),
        any::<u32>().prop_map(|height| RequestPayload::GetBlockByHeight { height }),
        txid().prop_map(|txid| RequestPayload::GetTransaction { txid }),
        txid().prop_map(|txid| RequestPayload::HasTransaction { txid }),
        Just(RequestPayload::GetChainTip),
        Just(RequestPayload::GetBlockHeight),
        Just(RequestPayload::GetChainInfo),
        (txid(), any::<u32>())
            .prop_map(|(txid, vout)| RequestPayload::GetUtxo { outpoint: OutPoint { txid, vout } }),
        subscription.prop_map(|(types, resume_after)| RequestPayload::SubscribeEvents {
            event_types: BoundedVec::truncated(types),
            resume_after,
        }),
        (level(), any::<String>()).prop_map(|(level, message)| RequestPayload::Log { level, message }),
    ]
}

fn chain_info() -> impl Strategy<Value = ChainInfo> {
    let numbers = (any::<u32>(), any::<u32>(), -1e300..1e300, any::<[u8; 32]>());
    let rest = (any::<String>(), any::<String>(), any::<Vec<String>>(), any::<[bool; 3]>());
    (hash(), numbers, rest).prop_map(
        |(tip, (height, bits, difficulty, chain_work), (chain, node, warnings, flags))| {
            let [initial_block_download, pruned, development] = flags;
            ChainInfo {
                chain,
                tip,
                height,
                bits,
                difficulty,
                chain_work,
                initial_block_download,
                pruned,
                node,
                development: if development { Development::DevelopmentChain } else { Development::Network },
                warnings: BoundedVec::truncated(warnings),
            }
        },
    )
}

fn availability() -> impl Strategy<Value = Availability> {
    prop_oneof![
        Just(Availability::Live),
        any::<u64>().prop_map(|interval_ms| Availability::Sampled { interval_ms }),
        Just(Availability::Derived),
        any::<Vec<String>>().prop_map(|by| Availability::Published { by: BoundedVec::truncated(by) }),
        any::<String>().prop_map(|reason| Availability::Unavailable { reason }),
    ]
}

fn subscribed() -> impl Strategy<Value = Subscribed> {
    let event = (event_type(), availability())
        .prop_map(|(event_type, availability)| EventAvailability { event_type, availability });
    (any::<u64>(), prop::collection::vec(event, 0..5))
        .prop_map(|(cursor, events)| Subscribed { cursor, events: BoundedVec::truncated(events) })
}

fn utxo() -> impl Strategy<Value = Utxo> {
    (any::<u64>(), bytes(), any::<u32>(), any::<bool>()).prop_map(
        |(value_sats, script_pubkey, height, coinbase)| Utxo { value_sats, script_pubkey, height, coinbase },
    )
}

fn response() -> impl Strategy<Value = ResponsePayload> {
    let some = |raw| prop::option::of(raw);
    prop_oneof![
        some(bytes().boxed()).prop_map(|raw| ResponsePayload::GetBlock(raw.map(RawBlock::new))),
        some(bytes().boxed()).prop_map(|raw| ResponsePayload::GetBlockHeader(raw.map(RawHeader::new))),
        some(bytes().boxed()).prop_map(|raw| ResponsePayload::GetBlockByHeight(raw.map(RawBlock::new))),
        some(bytes().boxed()).prop_map(|raw| ResponsePayload::GetTransaction(raw.map(RawTransaction::new))),
        any::<bool>().prop_map(ResponsePayload::HasTransaction),
        hash().prop_map(ResponsePayload::GetChainTip),
        any::<u32>().prop_map(ResponsePayload::GetBlockHeight),
        chain_info().prop_map(ResponsePayload::GetChainInfo),
        prop::option::of(utxo()).prop_map(ResponsePayload::GetUtxo),
        subscribed().prop_map(ResponsePayload::SubscribeEvents),
        Just(ResponsePayload::Log(())),
    ]
}

fn error() -> impl Strategy<Value = ApiError> {
    let (one, two, number) = (any::<String>(), any::<(String, String)>(), any::<u64>());
    prop_oneof![
        two.prop_map(|(capability, call)| ApiError::PermissionDenied { capability, call }),
        one.prop_map(|what| ApiError::NotFound { what }),
        two.prop_map(|(argument, problem)| ApiError::InvalidArgument { argument, problem }),
        one.prop_map(|reason| ApiError::NotReady { reason }),
        any::<Option<u32>>().prop_map(|height| ApiError::Pruned { height }),
        one.prop_map(|hint| ApiError::IndexRequired { hint }),
        one.prop_map(|reason| ApiError::InsufficientData { reason }),
        (one, number, number).prop_map(|(what, requested, limit)| ApiError::QuotaExceeded {
            what,
            requested,
            limit
        }),
        number.prop_map(|retry_after_ms| ApiError::RateLimited { retry_after_ms }),
        (one, number).prop_map(|(what, after_ms)| ApiError::Timeout { what, after_ms }),
        one.prop_map(|module| ApiError::ModuleNotFound { module }),
        two.prop_map(|(backend, reason)| ApiError::Unsupported { backend, reason }),
        one.prop_map(|reference| ApiError::Internal { reference }),
    ]
}

fn event() -> impl Strategy<Value = EventPayload> {
    let (text, height) = (any::<String>(), any::<u32>());
    prop_oneof![
        (hash(), height, bytes()).prop_map(|(hash, height, header)| EventPayload::NewBlock {
            hash,
            height,
            header: RawHeader::new(header)
        }),
        (hash(), height).prop_map(|(hash, height)| EventPayload::BlockDisconnected { hash, height }),
        (hash(), hash(), height, height).prop_map(|(old_tip, new_tip, fork_height, depth)| {
            EventPayload::ChainReorg { old_tip, new_tip, fork_height, depth }
        }),
        (text, text).prop_map(|(name, version)| EventPayload::ModuleLoaded { name, version }),
        text.prop_map(|name| EventPayload::ModuleUnloaded { name }),
        (text, text).prop_map(|(name, reason)| EventPayload::ModuleCrashed { name, reason }),
        any::<u64>().prop_map(|grace_ms| EventPayload::NodeShutdown { grace_ms }),
        any::<[u64; 3]>().prop_map(|[from, to, count]| EventPayload::EventsDropped { from, to, count }),
    ]
}

fn range() -> impl Strategy<Value = VersionRange> {
    (any::<u32>(), any::<u32>()).prop_map(|(min, max)| VersionRange { min, max })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        (range(), range()).prop_map(|(module, host)| Refusal::NoCommonVersion { module, host }),
        any::<[String; 3]>().prop_map(|[field, claimed, expected]| Refusal::IdentityMismatch {
            field,
            claimed,
            expected
        }),
        any::<String>().prop_map(|reason| Refusal::Other { reason }),
    ]
}

fn to_host() -> impl Strategy<Value = HostMessage> {
    let hello =
        (range(), any::<[String; 4]>()).prop_map(|(range, [module_id, module_name, module_version, sdk])| {
            HostMessage::Hello(Hello {
                protocol_min: range.min,
                protocol_max: range.max,
                module_id,
                module_name,
                module_version,
                sdk,
            })
        });
    let request = (any::<u64>(), request()).prop_map(|(correlation_id, payload)| {
        HostMessage::Request(RequestMessage { correlation_id, payload })
    });
    let within =
        (any::<[u64; 2]>(), self::request()).prop_map(|([invocation_id, correlation_id], payload)| {
            let request = RequestMessage { correlation_id, payload };
            HostMessage::RequestWithin(RequestWithin { invocation_id, request })
        });
    prop_oneof![1 => hello, 9 => request, 3 => within]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    (any::<[u32; 4]>(), any::<[String; 2]>(), any::<Vec<String>>()).prop_map(
        |([protocol, max_frame_bytes, max_in_flight, event_queue], [module_id, node], capabilities)| {
            Welcome {
                protocol,
                module_id,
                capabilities: BoundedVec::truncated(capabilities),
                node,
                limits: Limits { max_frame_bytes, max_in_flight, event_queue },
            }
        },
    )
}

fn to_module() -> impl Strategy<Value = ModuleMessage> {
    let result = prop_oneof![response().prop_map(Ok), error().prop_map(Err)];
    let response = (any::<u64>(), result).prop_map(|(correlation_id, result)| {
        ModuleMessage::Response(ResponseMessage { correlation_id, result })
    });
    let event = (any::<u64>(), event())
        .prop_map(|(cursor, payload)| ModuleMessage::Event(EventMessage::new(cursor, payload)));
    prop_oneof![
        1 => welcome().prop_map(ModuleMessage::Welcome),
        1 => refusal().prop_map(ModuleMessage::Refused),
        6 => response,
        4 => event,
    ]
}

fn through_the_wire<M: Message>(message: &M) -> M {
    let frame = encode_frame(message).expect("it is small");
    let mut decoder = FrameDecoder::for_messages::<M>();
    let body = decoder.next_frame(&mut frame.as_slice()).expect("it is within the limit");
    decode(&body.expect("the frame is whole")).expect("what was encoded decodes")
}

proptest! {
    #[test]
    fn a_message_to_the_host_arrives_as_it_was_sent(message in to_host()) {
        prop_assert_eq!(through_the_wire(&message), message);
    }

    #[test]
    fn a_message_to_a_module_arrives_as_it_was_sent(message in to_module()) {
        prop_assert_eq!(through_the_wire(&message), message);
    }

    #[test]
    fn the_version_agreed_on_is_the_highest_both_speak(
        host in range().prop_filter("in order", |range| range.min <= range.max),
        module in range().prop_filter("in order", |range| range.min <= range.max),
    ) {
        match negotiate(host, module) {
            Ok(version) => {
                prop_assert!(version >= host.min && version >= module.min);
                prop_assert_eq!(version, host.max.min(module.max));
            }
            Err(refusal) => {
                prop_assert!(host.max < module.min || module.max < host.min);
                prop_assert_eq!(refusal, Refusal::NoCommonVersion { module, host });
            }
        }
    }
}

#[test]
fn an_honest_refusal_names_both_ranges() {
    let refusal = negotiate(VersionRange { min: 1, max: 1 }, VersionRange { min: 2, max: 3 }).unwrap_err();
    let sentence = refusal.to_string();
    assert!(sentence.contains("the module speaks 2 to 3, the host speaks 1;"), "{sentence}");
}

#[test]
fn hashes_convert_to_those_of_the_bitcoin_crate_and_read_like_them() {
    let text = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    let hash: BlockHash = text.parse().unwrap();
    assert_eq!(hash.to_string(), text);
    assert_eq!(bitcoin::BlockHash::from(hash).to_string(), text);
    assert_eq!(BlockHash::from(bitcoin::BlockHash::from(hash)), hash);
}

#[test]
fn a_block_decodes_to_what_was_encoded_and_not_with_a_byte_more() {
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    let raw = RawBlock::encode(&genesis);
    assert_eq!(raw.decode().unwrap(), genesis);
    let longer = RawBlock::new([raw.as_bytes(), &[0]].concat());
    assert!(longer.decode().unwrap_err().to_string().starts_with("the block does not decode"));
}
