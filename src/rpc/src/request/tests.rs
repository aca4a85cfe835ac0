use proptest::prelude::*;

use super::*;

fn single(body: &str) -> Result<Request, Refused> {
    let Parsed::Single(single) = parse_body(body.as_bytes()) else { panic!("{body} is no single request") };
    single
}

/// The version, the id and the message.
fn refused(body: &str) -> (Version, Option<String>, String) {
    let refused = single(body).unwrap_err();
    assert_eq!(refused.error.code, code::INVALID_REQUEST);
    (refused.version, refused.id.map(|id| id.get().to_owned()), refused.error.message)
}

fn refused_whole(body: &[u8]) -> (i64, String) {
    let Parsed::Refused(error) = parse_body(body) else { panic!("it was not refused") };
    (error.code, error.message)
}

#[test]
fn the_version_decides_what_a_notification_is() {
    let of = |body: &str| {
        let request = single(body).unwrap();
        (request.version, request.is_notification())
    };
    assert_eq!(of(r#"{"method":"m"}"#), (Version::Legacy, false));
    assert_eq!(of(r#"{"jsonrpc":null,"method":"m"}"#), (Version::Legacy, false));
    assert_eq!(of(r#"{"jsonrpc":"1.0","method":"m"}"#), (Version::Legacy, false));
    assert_eq!(of(r#"{"version":"1.1","method":"m"}"#), (Version::Legacy, false));
    assert_eq!(of(r#"{"jsonrpc":"2.0","method":"m"}"#), (Version::V2, true));
    assert_eq!(of(r#"{"jsonrpc":"2.0","method":"m","id":null}"#), (Version::V2, false));
}

#[test]
fn parameters_are_kept_as_they_were_written() {
    let params = |body: &str| single(body).unwrap().params.get().to_owned();
    let numbers = r#"[ 1.000, 123456789012345678901234567890, "\u0000" ]"#;
    assert_eq!(params(&format!(r#"{{"method":"m","params": {numbers} }}"#)), numbers);
    assert_eq!(params(r#"{"method":"m","params":{"a":1}}"#), r#"{"a":1}"#);
    assert_eq!(params(r#"{"method":"m"}"#), "[]");
    assert_eq!(params(r#"{"method":"m","params":null}"#), "[]");
}

#[test]
fn a_request_of_the_wrong_form_is_refused_with_its_id() {
    let with = |message: &str| (Version::Legacy, Some("7".to_owned()), message.to_owned());
    assert_eq!(refused(r#"{"id":7}"#), with("Missing method"));
    assert_eq!(refused(r#"{"id":7,"method":null}"#), with("Missing method"));
    assert_eq!(refused(r#"{"id":7,"method":1}"#), with("Method must be a string"));
    assert_eq!(refused(r#"{"id":7,"method":"m","params":1}"#), with("Params must be an array or object"));
    assert_eq!(refused(r#"{"id":7,"method":"m","jsonrpc":2}"#), with("jsonrpc field must be a string"));
    assert_eq!(refused(r#"{"id":7,"method":"m","jsonrpc":"3.0"}"#), with("JSON-RPC version not supported"));
    let no_id = (Version::Legacy, None, "id must be a string, a number or null".to_owned());
    assert_eq!(refused(r#"{"id":[7],"method":"m"}"#), no_id);
    let second = (Version::V2, Some("7".to_owned()), "Missing method".to_owned());
    assert_eq!(refused(r#"{"id":7,"jsonrpc":"2.0"}"#), second);
}

#[test]
fn what_is_no_request_at_all_is_a_parse_error() {
    let cases: [&[u8]; 8] = [b"", b" ", b"7", b"\"a\"", b"{", b"{}{}", b"\xff", b"\0"];
    for body in cases {
        assert_eq!(refused_whole(body).0, code::PARSE_ERROR);
    }
    assert!(refused_whole(br#"{"method":"a","method":"b"}"#).1.contains("key \"method\" twice"));
}

#[test]
fn a_batch_holds_up_to_64_requests() {
    let batch = |count: usize| format!("[{}]", vec!["7"; count].join(","));
    for count in [0, 1, MAX_BATCH] {
        let Parsed::Batch(requests) = parse_body(batch(count).as_bytes()) else { panic!("no batch") };
        assert_eq!(requests.len(), count);
    }
    let refusal = (code::INVALID_REQUEST, "a batch holds at most 64 requests, this one has 65".to_owned());
    assert_eq!(refused_whole(batch(65).as_bytes()), refusal);
}

/// Any id that JSON-RPC allows, as somebody may write it.
pub(crate) fn ids() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u0041\/""#.to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        r"-?[1-9][0-9]{0,60}(\.[0-9]{1,30})?([eE][+-]?[0-9])?",
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
    ]
}

proptest! {
    #[test]
    fn any_id_is_kept_as_it_was_written(id in ids()) {
        let request = single(&format!(r#"{{"method":"m","id": {id} ,"jsonrpc":"2.0"}}"#)).unwrap();
        prop_assert_eq!(request.id.unwrap().get().to_owned(), id);
    }

    #[test]
    fn any_method_is_kept(method in any::<String>()) {
        let body = format!(r#"{{"method":{}}}"#, serde_json::to_string(&method).unwrap());
        prop_assert_eq!(single(&body).unwrap().method, method);
    }
}
