//! output-watch, as this module calls and believes it: nothing that it answers is taken for more than it says.

use cofferdam_sdk::{NodeApi, OutPoint, PublishedEvent, SdkError, Txid, bitcoin};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::invoice::Payment;

/// The module that is believed.
pub(crate) const WATCHER: &str = "output-watch";

/// The most pages of outputs that are asked for at once: 5000 outputs.
const MAX_PAGES: usize = 10;

/// What it publishes of a payment.
#[derive(Debug, Deserialize)]
struct Verified {
    script: String,
    txid: bitcoin::Txid,
    vout: u32,
    sats: u64,
}

/// A page of outputs.
#[derive(Debug, Deserialize)]
struct Page {
    outputs: Vec<Row>,
    more: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    outpoint: bitcoin::OutPoint,
    sats: u64,
    verified: bool,
}

/// The script and the payment of an event, if it is that module's and can be read.
pub(crate) fn verified(event: &PublishedEvent) -> Option<(String, Payment)> {
    if event.publisher != WATCHER {
        return None;
    }
    let Verified { script, txid, vout, sats } = serde_json::from_slice(&event.data).ok()?;
    Some((script, Payment { outpoint: OutPoint { txid: Txid::from(txid), vout }, sats }))
}

/// Has an address or a script watched from now on; gives the script in hexadecimal.
pub(crate) async fn watch(node: &NodeApi, address: &str) -> Result<String, SdkError> {
    let answer = call(node, "watch", &json!([address])).await?;
    Ok(answer.get("script").and_then(Value::as_str).unwrap_or(address).to_owned())
}

/// The verified payments to a script.
pub(crate) async fn payments(node: &NodeApi, script: &str) -> Result<Vec<Payment>, SdkError> {
    let mut payments = Vec::new();
    let mut after = None;
    for _ in 0..MAX_PAGES {
        let answer = call(node, "outputs", &json!([script, after])).await?;
        let Ok(Page { outputs, more }) = serde_json::from_value(answer) else { break };
        after = outputs.last().map(|row| row.outpoint.to_string());
        let is_verified = outputs.into_iter().filter(|row| row.verified);
        payments.extend(is_verified.map(|row| Payment { outpoint: row.outpoint.into(), sats: row.sats }));
        if !more || after.is_none() {
            break;
        }
    }
    Ok(payments)
}

async fn call(node: &NodeApi, method: &str, params: &Value) -> Result<Value, SdkError> {
    let answer = node.call_module(WATCHER.to_owned(), method.to_owned(), params.to_string().into()).await?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(publisher: &str, data: &Value) -> PublishedEvent {
        PublishedEvent { publisher: publisher.to_owned(), data: data.to_string().into() }
    }

    #[test]
    fn a_payment_is_believed_of_output_watch_only() {
        let told = json!({ "script": "51", "txid": "07".repeat(32), "vout": 1, "sats": 5, "height": 9 });
        let (script, payment) = verified(&event(WATCHER, &told)).unwrap();
        assert_eq!((script.as_str(), payment.sats, payment.outpoint.vout), ("51", 5, 1));
        assert_eq!(verified(&event("other", &told)), None);
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for told in [json!(null), json!([]), json!({ "script": "51" }), json!({ "sats": -1 })] {
            assert_eq!(verified(&event(WATCHER, &told)), None);
        }
    }
}
