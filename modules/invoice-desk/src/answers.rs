//! Answers callers: the operator's tools, other modules and the host. Only `create` changes anything.

use cofferdam_sdk::{
    INTERNAL_ERROR, INVALID_PARAMS, Invocation, InvocationPayload, METHOD_NOT_FOUND, NodeApi, lightning,
};
use serde_json::{Value, json};

use crate::desk::{Desk, Refused};
use crate::error::DeskError;

/// The most invoices of one answer: 50 of up to 5 KiB, with every byte of a memo escaped, are below what it may have.
const PAGE: usize = 50;

type Answer = Result<Value, (i32, String)>;

/// Answers an invocation.
///
/// # Errors
/// Only what ends the module.
pub(crate) async fn serve(desk: &mut Desk, invocation: Invocation) -> Result<(), DeskError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "nothing else was asked for, nothing else expects an answer"
    )]
    let answer = match invocation.payload() {
        InvocationPayload::RpcCall { method, params } => {
            let params = serde_json::from_str(params).unwrap_or_default();
            to_tools(desk, invocation.node_api(), method, &params).await?
        }
        InvocationPayload::ModuleCall { method, params, .. } => {
            to_modules(desk, method, &serde_json::from_slice(params).unwrap_or_default())
        }
        _ => return Ok(()),
    };
    match answer {
        Ok(answer) => invocation.answer(answer.to_string())?,
        Err((code, message)) => invocation.fail(code, message)?,
    }
    Ok(())
}

async fn to_tools(
    desk: &mut Desk,
    node: Option<NodeApi>,
    method: &str,
    params: &Value,
) -> Result<Answer, DeskError> {
    let at = |place: usize, name: &str| params.get(place).or_else(|| params.get(name));
    match (method, node) {
        ("create", Some(node)) => {
            let address = at(0, "address").and_then(Value::as_str);
            let sats = at(1, "sats").and_then(Value::as_u64);
            let memo = at(2, "memo").map_or(Some(""), Value::as_str);
            let (Some(address), Some(sats), Some(memo)) = (address, sats, memo) else {
                return Ok(wrong("give [address or script in hexadecimal, satoshis, memo]"));
            };
            Ok(match desk.create(&node, address, sats, memo.to_owned()).await? {
                Ok(id) => get(desk, id),
                Err(Refused::Wrong(problem)) => wrong(problem),
                Err(Refused::Unwatched(error)) => {
                    Err((INTERNAL_ERROR, format!("output-watch does not watch it: {error}")))
                }
            })
        }
        ("get", _) => Ok(at(0, "id").and_then(id).map_or_else(|| wrong("give [id]"), |id| get(desk, id))),
        ("list", _) => Ok(match at(0, "after") {
            None => Ok(list(desk, 0)),
            Some(after) => id(after).map_or_else(|| wrong("give [after id]"), |after| Ok(list(desk, after))),
        }),
        _ => Ok(Err((METHOD_NOT_FOUND, format!("there is no {method}, only create, get and list")))),
    }
}

fn to_modules(desk: &Desk, method: &str, params: &Value) -> Answer {
    match method {
        "describe" => {
            let Some(script) = params.get(0).and_then(Value::as_str) else {
                return wrong("give [script in hexadecimal]");
            };
            let invoice = desk.of_script(script).map(|(id, invoice)| {
                json!({ "invoice": id.to_string(), "memo": invoice.memo, "sats": invoice.sats })
            });
            Ok(json!(invoice))
        }
        lightning::PAYMENT_STATE_METHOD => {
            let found = id(params).and_then(|id| Some(desk.get(id)?.state(id)));
            Ok(json!(found))
        }
        _ => {
            let problem = format!("there is no {method}: this keeps invoices and is no Lightning node");
            Err((METHOD_NOT_FOUND, problem))
        }
    }
}

fn wrong(problem: impl Into<String>) -> Answer {
    Err((INVALID_PARAMS, problem.into()))
}

/// An id, as a number or as text.
fn id(given: &Value) -> Option<u64> {
    given.as_u64().or_else(|| given.as_str()?.parse().ok())
}

fn get(desk: &Desk, id: u64) -> Answer {
    let invoice = desk.get(id).map(|invoice| invoice.to_json(id));
    invoice.ok_or_else(|| (INVALID_PARAMS, format!("there is no invoice {id}")))
}

fn list(desk: &Desk, after: u64) -> Value {
    let mut found = desk.after(after);
    let page: Vec<Value> = found.by_ref().take(PAGE).map(|(id, invoice)| invoice.to_json(*id)).collect();
    json!({ "invoices": page, "more": found.next().is_some() })
}
