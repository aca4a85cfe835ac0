//! What the front asks of whoever owns the modules. No call is made here.

use std::future::Future;

use serde_json::value::RawValue;

/// The error codes that the front itself answers with. The first five are JSON-RPC's.
pub mod code {
    /// The body is not JSON, or JSON that parsers disagree about.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON, but no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No module has registered this method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// A built-in method was given what it does not take.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The module's answer cannot be passed on.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// The module did not answer in time. The call may still have had its effect.
    pub const DEADLINE: i64 = -32001;
    /// The reply would be longer than a reply may be. The call has had its effect.
    pub const REPLY_TOO_LONG: i64 = -32002;
}

/// The core, as the front sees it.
pub trait Backend: Send + Sync + 'static {
    /// Calls a method by its full name. `params` is an array or an object. The future is dropped at the call's
    /// deadline and when the client goes away.
    ///
    /// # Errors
    /// [`CallError::NoSuchMethod`] if nobody has registered the name; otherwise the module's own error.
    fn call(
        &self,
        method: &str,
        params: Box<RawValue>,
    ) -> impl Future<Output = Result<Box<RawValue>, CallError>> + Send;

    /// Every method that could be called now.
    fn describe(&self) -> Vec<MethodInfo>;

    /// All metrics in Prometheus's text format.
    fn metrics(&self) -> String;
}

/// One method, for those who ask what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodInfo {
    /// The full name, as it is called.
    pub name: String,
    /// What it does, in the module's words.
    pub description: String,
    /// Whose it is.
    pub module: String,
}

/// Why a call gave no result.
#[derive(Debug)]
pub enum CallError {
    /// No module has registered this name.
    NoSuchMethod,
    /// The module answered with an error, or the core on its behalf.
    Rpc(RpcError),
}

impl From<RpcError> for CallError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

/// An error object of JSON-RPC. It is passed on as it is.
#[derive(Debug, Clone)]
pub struct RpcError {
    /// The code; those of modules are theirs to choose.
    pub code: i64,
    /// One sentence for a person.
    pub message: String,
    /// More, for a program.
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}
