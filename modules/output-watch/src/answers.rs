//! Answers callers: of the operator's interface and other modules, in the same words. It changes nothing but what is
//! watched. No call waits for another module but the one whose answer needs it.

use cofferdam_sdk::bitcoin::{self, ScriptBuf};
use cofferdam_sdk::{INVALID_PARAMS, Invocation, InvocationPayload, METHOD_NOT_FOUND, OutPoint, SdkError};
use serde_json::{Value, json};

use crate::error::WatchError;
use crate::follow::Follower;
use crate::index::Output;
use crate::script;

/// The most outputs of one answer: 500 of some 200 bytes are well below what an answer may have.
const PAGE: usize = 500;

type Answer = Result<Value, (i32, String)>;

/// Answers an invocation.
///
/// # Errors
/// Only what ends the module.
pub(crate) async fn serve(follower: &mut Follower, invocation: Invocation) -> Result<(), WatchError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "nothing else was asked for, nothing else expects an answer"
    )]
    let (method, params) = match invocation.payload() {
        InvocationPayload::RpcCall { method, params } => (method.clone(), params.clone().into_bytes()),
        InvocationPayload::ModuleCall { method, params, .. } => (method.clone(), params.to_vec()),
        _ => return Ok(()),
    };
    match answer(follower, &method, &params).await? {
        Ok(answer) => match follower.settings().describer.clone() {
            Some(describer) if method == "balance" => {
                // The other module may be waiting for this one: blocks and other callers are not kept waiting for it.
                tokio::spawn(describe(describer, invocation, answer));
            }
            _ => invocation.answer(answer.to_string())?,
        },
        Err((code, message)) => invocation.fail(code, message)?,
    }
    Ok(())
}

/// Answers with what another module says of the script, or with why it does not.
async fn describe(describer: String, invocation: Invocation, mut answer: Value) -> Result<(), SdkError> {
    if let Some(node) = invocation.node_api() {
        let script = json!([answer.get("script")]).to_string();
        let described = node.call_module(describer, "describe".to_owned(), script.into()).await;
        let described = match described.map(|answer| serde_json::from_slice(&answer)) {
            Ok(Ok(described)) => described,
            Ok(Err(_)) => json!({ "error": "what describe answered is not JSON" }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("described".to_owned(), described);
        }
    }
    invocation.answer(answer.to_string())
}

async fn answer(follower: &mut Follower, method: &str, params: &[u8]) -> Result<Answer, WatchError> {
    let (script, after) = match arguments(follower, params) {
        Ok(arguments) => arguments,
        Err(problem) => return Ok(Err((INVALID_PARAMS, problem))),
    };
    Ok(match method {
        "watch" => {
            let height = follower.height();
            let watched = follower.watch(script.clone()).await?;
            let told = |new| json!({ "script": script, "new": new, "from_height": height.saturating_add(1) });
            watched.map(told).map_err(|problem| (INVALID_PARAMS, problem))
        }
        "balance" => watched(follower, &script).map(|()| balance(follower, &script)),
        "outputs" => watched(follower, &script).map(|()| outputs(follower, &script, after)),
        _ => Err((METHOD_NOT_FOUND, format!("there is no {method}, only watch, balance and outputs"))),
    })
}

/// `[address]` or `[address, after]`.
fn arguments(follower: &Follower, params: &[u8]) -> Result<(ScriptBuf, Option<OutPoint>), String> {
    let params: Value =
        serde_json::from_slice(params).map_err(|error| format!("the parameters are not JSON: {error}"))?;
    let address = params.get(0).or_else(|| params.get("address")).and_then(Value::as_str);
    let address = address.ok_or("give [address], an address or a script in hexadecimal")?;
    let after = params.get(1).or_else(|| params.get("after")).filter(|after| !after.is_null());
    let after = after.map(|after| {
        let outpoint = after.as_str().and_then(|text| text.parse::<bitcoin::OutPoint>().ok());
        outpoint.map(OutPoint::from).ok_or_else(|| "after is not an outpoint: <txid>:<index>".to_owned())
    });
    Ok((script::parse(address, follower.settings().network)?, after.transpose()?))
}

/// No balance is told of what is not watched: it would be zero, and wrong.
fn watched(follower: &Follower, script: &ScriptBuf) -> Result<(), (i32, String)> {
    if follower.index().watches(script) {
        return Ok(());
    }
    Err((INVALID_PARAMS, format!("{} is not watched; call watch first", script.to_hex_string())))
}

fn balance(follower: &Follower, script: &ScriptBuf) -> Value {
    let unspent = follower.index().of(script, None).filter(|(_, output)| output.spent.is_none());
    let (count, sats) = unspent.fold((0_u64, 0_u64), |(count, sats), (_, output)| {
        (count.saturating_add(1), sats.saturating_add(output.sats))
    });
    json!({ "script": script, "sats": sats, "outputs": count, "height": follower.height() })
}

fn outputs(follower: &Follower, script: &ScriptBuf, after: Option<OutPoint>) -> Value {
    let mut found = follower.index().of(script, after);
    let verified_to = follower.verified_to();
    let row = |(outpoint, output): (&OutPoint, &Output)| {
        json!({
            "outpoint": outpoint.to_string(),
            "sats": output.sats,
            "height": output.height,
            "spent_height": output.spent,
            "verified": Some(output.height) <= verified_to,
        })
    };
    let page: Vec<Value> = found.by_ref().take(PAGE).map(row).collect();
    json!({ "outputs": page, "more": found.next().is_some(), "height": follower.height() })
}
