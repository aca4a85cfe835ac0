use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Answers every call with its parameters.
struct Echo;

impl Backend for Echo {
    async fn call(&self, _: &str, params: Box<RawValue>) -> Result<Box<RawValue>, CallError> {
        Ok(params)
    }

    fn describe(&self) -> Vec<crate::MethodInfo> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

fn answer(body: &[u8]) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { Answerer::new(Arc::new(Echo), Limits::default()).answer(body).await })
}

/// JSON, whole and half, as a hostile client may send it.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let keys = prop_oneof![Just("jsonrpc"), Just("method"), Just("id"), Just("params"), Just("x")];
    let values = prop_oneof![
        Just(json!("2.0")),
        Just(json!("help")),
        Just(json!("uptime")),
        any::<String>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(null)),
        Just(json!([])),
        Just(json!({"a": [{}]})),
    ];
    let request = prop::collection::vec((keys, values), 0..6).prop_map(|members| {
        let members: Vec<_> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    });
    let batch =
        prop::collection::vec(request.clone(), 0..5).prop_map(|requests| format!("[{}]", requests.join(",")));
    let json = prop_oneof![request, batch].prop_map(String::into_bytes);
    prop_oneof![
        json.clone(),
        (json, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut body, index, byte)| {
            let index = index.index(body.len());
            body[index] = byte;
            body
        }),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn any_body_is_answered_with_json_or_204(body in bodies()) {
        let (status, reply) = answer(&body);
        match reply {
            None => prop_assert_eq!(status, StatusCode::NO_CONTENT),
            Some(reply) => {
                let reply: Value = serde_json::from_str(&reply).unwrap();
                let replies = reply.as_array().cloned().unwrap_or_else(|| vec![reply]);
                for reply in replies {
                    let error = reply.get("error").is_some_and(|error| !error.is_null());
                    prop_assert!(error || reply.get("result").is_some(), "{reply}");
                    prop_assert!(reply.get("id").is_some(), "{reply}");
                }
            }
        }
    }

    #[test]
    fn any_id_is_echoed_as_it_was_written(id in crate::request::tests::ids()) {
        for version in ["", r#""jsonrpc":"2.0","#] {
            let (status, reply) = answer(format!(r#"{{{version}"method":"m","id": {id} }}"#).as_bytes());
            prop_assert_eq!(status, StatusCode::OK);
            let end = format!(",\"id\":{id}}}\n");
            prop_assert!(reply.unwrap().ends_with(&end));
        }
    }

    #[test]
    fn parameters_reach_the_module_and_results_the_client_byte_by_byte(number in "-?[1-9][0-9]{0,40}\\.[0-9]{1,40}") {
        let (_, reply) = answer(format!(r#"{{"method":"m","params":[ {number} ]}}"#).as_bytes());
        prop_assert_eq!(reply.unwrap(), format!("{{\"result\":[ {number} ],\"error\":null,\"id\":null}}\n"));
    }
}

#[test]
fn a_deep_body_is_a_parse_error_and_no_crash() {
    let deep = "[".repeat(1 << 20);
    let (status, reply) = answer(deep.as_bytes());
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reply.unwrap().contains("-32700"));
}
