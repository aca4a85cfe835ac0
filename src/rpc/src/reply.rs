//! Results and errors become replies, in the form that the request asked for. Pure.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::backend::{RpcError, code};
use crate::request::Version;
use crate::strict;

/// What came of one request.
pub(crate) type Outcome = Result<Box<RawValue>, RpcError>;

/// A reply, with the keys that its form has.
#[derive(Serialize)]
struct Reply<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jsonrpc: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Option<ErrorObject<'r>>>,
    id: &'r RawValue,
}

#[derive(Serialize)]
struct ErrorObject<'r> {
    code: i64,
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'r RawValue>,
}

/// One reply as text, of up to `limit` bytes besides its id, and the HTTP status if it is the only one. A longer
/// one becomes an error.
pub(crate) fn reply(
    version: Version,
    id: Option<&RawValue>,
    outcome: &Outcome,
    limit: usize,
) -> (StatusCode, String) {
    let id = id.unwrap_or(RawValue::NULL);
    let whole = written(version, id, outcome);
    if whole.len() <= limit.saturating_add(id.get().len()) {
        return (status(version, outcome), whole);
    }
    let message = format!("the reply would be {} bytes long, {limit} are left for it", whole.len());
    let instead = Err(RpcError::new(code::REPLY_TOO_LONG, message));
    (status(version, &instead), written(version, id, &instead))
}

/// The reply to what is no request: in either form the HTTP status says so too.
pub(crate) fn refusal(version: Version, id: Option<&RawValue>, error: RpcError) -> (StatusCode, String) {
    let status = error_status(&error);
    (status, written(version, id.unwrap_or(RawValue::NULL), &Err(error)))
}

fn written(version: Version, id: &RawValue, outcome: &Outcome) -> String {
    let error = outcome.as_ref().err().map(|error| ErrorObject {
        code: error.code,
        message: &error.message,
        data: error.data.as_deref(),
    });
    let result = outcome.as_deref().ok();
    let reply = match version {
        Version::V2 => Reply { jsonrpc: Some("2.0"), result, error: error.map(Some), id },
        Version::Legacy => {
            Reply { jsonrpc: None, result: result.or(Some(RawValue::NULL)), error: Some(error), id }
        }
    };
    // Raw values, numbers and strings, in a struct: nothing in it can fail to be written.
    serde_json::to_string(&reply).unwrap_or_default()
}

fn status(version: Version, outcome: &Outcome) -> StatusCode {
    match (version, outcome) {
        (Version::V2, _) | (Version::Legacy, Ok(_)) => StatusCode::OK,
        (Version::Legacy, Err(error)) => error_status(error),
    }
}

fn error_status(error: &RpcError) -> StatusCode {
    match error.code {
        code::INVALID_REQUEST => StatusCode::BAD_REQUEST,
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What a module said, if a client's parser can be trusted with it: a module is hostile, a client may be fragile.
pub(crate) fn checked(outcome: Outcome, method: &str) -> Outcome {
    let said = match &outcome {
        Ok(result) => Some(result.get()),
        Err(error) => error.data.as_deref().map(RawValue::get),
    };
    match said.map(strict::check_part) {
        None | Some(Ok(())) => outcome,
        Some(Err(error)) => {
            let message = format!("{method} answered with JSON that is refused: {error}");
            Err(RpcError::new(code::INTERNAL_ERROR, message))
        }
    }
}
