//! A request's body becomes requests, as Bitcoin Core reads them. Pure; any bytes may come.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::backend::{RpcError, code};
use crate::strict;

/// The most requests in one body.
pub const MAX_BATCH: usize = 64;

/// What a body holds.
#[derive(Debug)]
pub enum Parsed {
    /// One request.
    Single(Result<Request, Refused>),
    /// A batch of up to [`MAX_BATCH`] requests, perhaps none.
    Batch(Vec<Result<Request, Refused>>),
    /// Nothing that could be answered one by one.
    Refused(RpcError),
}

/// One request whose form is right. Whether there is such a method, and what it thinks of the parameters, is not
/// known yet.
#[derive(Debug)]
pub struct Request {
    /// Which form the reply takes.
    pub version: Version,
    /// The id as the client wrote it: a string, a number, a boolean or null. None if it wrote none.
    pub id: Option<Box<RawValue>>,
    /// The method's name: any text.
    pub method: String,
    /// An array or an object, as the client wrote it; an empty array if it wrote none.
    pub params: Box<RawValue>,
}

/// One request whose form is wrong.
#[derive(Debug)]
pub struct Refused {
    /// Which form the reply takes.
    pub version: Version,
    /// As in [`Request`]; null if it could not be told.
    pub id: Option<Box<RawValue>>,
    /// What is wrong.
    pub error: RpcError,
}

/// The form of a request and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Anything that does not say `"jsonrpc":"2.0"`.
    Legacy,
    /// JSON-RPC 2.0.
    V2,
}

impl Request {
    /// Whether the client wants no reply.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.version == Version::V2 && self.id.is_none()
    }
}

/// Reads a body.
#[must_use]
pub fn parse_body(body: &[u8]) -> Parsed {
    match read(body) {
        Ok(parsed) => parsed,
        Err(error) => Parsed::Refused(error),
    }
}

fn read(body: &[u8]) -> Result<Parsed, RpcError> {
    let text = std::str::from_utf8(body).map_err(|error| parse_error(&error))?;
    strict::check(text).map_err(|error| parse_error(&error))?;
    let text = text.trim_ascii_start();
    if text.starts_with('{') {
        return Ok(Parsed::Single(read_request(text)));
    }
    if !text.starts_with('[') {
        return Err(RpcError::new(code::PARSE_ERROR, "Top-level object parse error"));
    }
    let batch: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| parse_error(&error))?;
    if batch.len() > MAX_BATCH {
        let message = format!("a batch holds at most {MAX_BATCH} requests, this one has {}", batch.len());
        return Err(RpcError::new(code::INVALID_REQUEST, message));
    }
    Ok(Parsed::Batch(batch.into_iter().map(|request| read_request(request.get())).collect()))
}

/// Reads one request from a text that is JSON.
fn read_request(text: &str) -> Result<Request, Refused> {
    let unknown = |message: &str| Refused {
        version: Version::Legacy,
        id: None,
        error: RpcError::new(code::INVALID_REQUEST, message),
    };
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|_not_an_object| unknown("Invalid Request object"))?;
    let id = read_id(&members).map_err(unknown)?;
    let version = match read_version(&members) {
        Ok(version) => version,
        Err(message) => {
            return Err(Refused { id, ..unknown(message) });
        }
    };
    match read_call(&members) {
        Ok((method, params)) => Ok(Request { version, id, method, params }),
        Err(message) => Err(Refused { version, id, ..unknown(message) }),
    }
}

type Members<'t> = BTreeMap<String, &'t RawValue>;

/// The id first, so that whatever else is wrong is answered with it.
fn read_id(members: &Members<'_>) -> Result<Option<Box<RawValue>>, &'static str> {
    let Some(id) = members.get("id") else { return Ok(None) };
    if id.get().starts_with(['[', '{']) {
        return Err("id must be a string, a number or null");
    }
    Ok(Some((*id).to_owned()))
}

fn read_version(members: &Members<'_>) -> Result<Version, &'static str> {
    let Some(version) = present(members, "jsonrpc") else { return Ok(Version::Legacy) };
    match string(version).as_deref() {
        Some("2.0") => Ok(Version::V2),
        // Older documentation put it there; Bitcoin Core takes it too.
        Some("1.0") => Ok(Version::Legacy),
        Some(_) => Err("JSON-RPC version not supported"),
        None => Err("jsonrpc field must be a string"),
    }
}

fn read_call(members: &Members<'_>) -> Result<(String, Box<RawValue>), &'static str> {
    let method = present(members, "method").ok_or("Missing method")?;
    let method = string(method).ok_or("Method must be a string")?;
    let params = match present(members, "params") {
        None => no_params(),
        Some(params) if params.get().starts_with(['[', '{']) => params.to_owned(),
        Some(_) => return Err("Params must be an array or object"),
    };
    Ok((method, params))
}

/// A member that is there and not null.
fn present<'m>(members: &'m Members<'_>, key: &str) -> Option<&'m RawValue> {
    members.get(key).copied().filter(|value| value.get() != "null")
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn no_params() -> Box<RawValue> {
    to_raw_value::<[(); 0]>(&[]).unwrap_or_else(|_cannot_fail| RawValue::NULL.to_owned())
}

fn parse_error(error: &impl std::error::Error) -> RpcError {
    RpcError::new(code::PARSE_ERROR, format!("Parse error: {error}"))
}

#[cfg(test)]
pub(crate) mod tests;
