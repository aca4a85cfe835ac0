//! What the host asks of this module or hands to it: calls of other modules, JSON-RPC calls, timers, packets.
//!
//! Every invocation that expects an answer gets one: whoever drops it unanswered, or never takes it, answers with
//! a fault. Nothing here ever waits for the module; what finds no room is answered at once.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_protocol::{AnswerMessage, HostMessage, InvocationMessage, InvocationPayload, ModuleFault};
use cofferdam_protocol::{encode_frame, modules::MAX_CALL_BYTES};
use tokio::sync::{Mutex, mpsc};

use crate::connection::{Handle, Shared};
use crate::error::SdkError;
use crate::node_api::NodeApi;

/// How many invocations wait at most; the host has fewer than this under way for one module.
const CAPACITY: usize = 256;

/// The code of a fault that is not the method's own: JSON-RPC's "internal error".
pub const INTERNAL_ERROR: i32 = -32603;
/// The code for parameters that a method cannot use: JSON-RPC's "invalid params".
pub const INVALID_PARAMS: i32 = -32602;
/// The code for a method that does not exist: JSON-RPC's "method not found".
pub const METHOD_NOT_FOUND: i32 = -32601;

/// Something the host asks of this module, or hands to it.
///
/// To be answered with [`Invocation::answer`] or [`Invocation::fail`]. A timer or a packet needs no answer.
#[derive(Debug)]
#[must_use = "an invocation that is dropped is answered with a fault"]
pub struct Invocation {
    payload: InvocationPayload,
    deadline: Option<Duration>,
    pending: Option<Unanswered>,
    /// The connection, from when the module received it: one that waits in the queue must not keep it open.
    handle: Option<Arc<Handle>>,
}

#[derive(Debug)]
struct Unanswered {
    id: u64,
    connection: Weak<Shared>,
}

impl Invocation {
    pub(crate) fn new(message: InvocationMessage, connection: Weak<Shared>) -> Self {
        let InvocationMessage { invocation_id, deadline_ms, payload } = message;
        let expects_answer = deadline_ms > 0;
        Self {
            payload,
            deadline: expects_answer.then(|| Duration::from_millis(deadline_ms.into())),
            pending: expects_answer.then_some(Unanswered { id: invocation_id, connection }),
            handle: None,
        }
    }

    /// What it is.
    #[must_use]
    pub fn payload(&self) -> &InvocationPayload {
        &self.payload
    }

    /// How long the caller waits, from when the host sent it; `None` if no answer is expected.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The calls to the node that are made to answer this. The host then knows what the caller waits for: it refuses
    /// a call that would go in a circle, and ends one when the caller has given up. Calls by another handle work too,
    /// but such a circle then ends only by its deadline.
    ///
    /// ```no_run
    /// # use cofferdam_sdk::{Invocation, SdkError};
    /// # async fn example(invocation: Invocation) -> Result<(), SdkError> {
    /// let answer = match invocation.node_api() {
    ///     Some(node) => node.call_module("output-watch".to_owned(), "balance".to_owned(), "{}".into()).await?,
    ///     None => return Ok(()),
    /// };
    /// invocation.answer(answer)
    /// # }
    /// ```
    #[must_use]
    pub fn node_api(&self) -> Option<NodeApi> {
        let Unanswered { id, .. } = self.pending.as_ref()?;
        Some(NodeApi::within(Arc::clone(self.handle.as_ref()?), *id))
    }

    /// Answers with a result: what the two modules agreed on, or JSON for a JSON-RPC method. Up to 256 KiB.
    ///
    /// ```no_run
    /// # use cofferdam_sdk::{Invocation, InvocationPayload, SdkError};
    /// # fn example(invocation: Invocation) -> Result<(), SdkError> {
    /// if let InvocationPayload::RpcCall { method, .. } = invocation.payload()
    ///     && method == "ping"
    /// {
    ///     return invocation.answer("\"pong\"");
    /// }
    /// invocation.fail(cofferdam_sdk::METHOD_NOT_FOUND, "there is only ping")
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SdkError::Unsendable`] if the result is too large; the caller is then told so. [`SdkError::Closed`].
    pub fn answer(mut self, result: impl Into<Bytes>) -> Result<(), SdkError> {
        let result = result.into();
        if result.len() > MAX_CALL_BYTES {
            let problem = format!("{} bytes, at most {MAX_CALL_BYTES} are allowed", result.len());
            self.send(Err(ModuleFault {
                code: INTERNAL_ERROR,
                message: format!("the result has {problem}"),
            }))?;
            return Err(SdkError::Unsendable { call: "answer", problem });
        }
        self.send(Ok(result))
    }

    /// Answers that there is no result, and why. The caller sees code and message.
    ///
    /// # Errors
    /// [`SdkError::Closed`].
    pub fn fail(mut self, code: i32, message: impl Into<String>) -> Result<(), SdkError> {
        self.send(Err(ModuleFault { code, message: message.into() }))
    }

    /// What needs no answer is answered by doing nothing.
    fn send(&mut self, result: Result<Bytes, ModuleFault>) -> Result<(), SdkError> {
        let Some(Unanswered { id, connection }) = self.pending.take() else { return Ok(()) };
        let closed = |reason: String| SdkError::Closed { reason };
        let connection = connection.upgrade().ok_or_else(|| closed("it was dropped".to_owned()))?;
        let answer = HostMessage::Answer(AnswerMessage { invocation_id: id, result });
        let frame = encode_frame(&answer)
            .map_err(|error| SdkError::Unsendable { call: "answer", problem: error.to_string() })?;
        connection.send(frame).map_err(closed)
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        let message = "the module gave no answer".to_owned();
        // Where the connection is gone, so is the caller's wait.
        let _ = self.send(Err(ModuleFault { code: INTERNAL_ERROR, message }));
    }
}

/// The queue between the connection and the receivers.
#[derive(Debug)]
pub(crate) struct InvocationQueue {
    /// Gone when the connection is closed, which ends the receiving.
    sender: std::sync::Mutex<Option<mpsc::Sender<Invocation>>>,
    receiver: Mutex<mpsc::Receiver<Invocation>>,
}

impl InvocationQueue {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender: std::sync::Mutex::new(Some(sender)), receiver: Mutex::new(receiver) }
    }

    /// Adds an invocation. One that finds no room is dropped, and that answers it.
    pub(crate) fn push(&self, invocation: Invocation) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.as_ref() {
            let _ = sender.try_send(invocation);
        }
    }

    /// No invocation will be added any more.
    pub(crate) fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Where invocations arrive. Several receivers of one connection share them: each goes to one of them.
#[derive(Debug)]
pub struct InvocationReceiver {
    handle: Arc<Handle>,
}

impl InvocationReceiver {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// The next invocation; `None` when the connection is closed and every one was received. It is safe to drop
    /// the future, as `select!` does: nothing is lost by that.
    ///
    /// ```no_run
    /// # use cofferdam_sdk::{InvocationPayload, ModuleIntegration, SdkError};
    /// # async fn example(integration: ModuleIntegration) -> Result<(), SdkError> {
    /// let node = integration.node_api();
    /// node.register_timer(60_000, "refresh".to_owned()).await?;
    /// let mut invocations = integration.invocation_receiver();
    /// while let Some(invocation) = invocations.recv().await {
    ///     if let InvocationPayload::TimerFired { label, .. } = invocation.payload() {
    ///         println!("{label} is due");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<Invocation> {
        let mut invocation = self.handle.invocations().receiver.lock().await.recv().await?;
        invocation.handle = Some(Arc::clone(&self.handle));
        Some(invocation)
    }
}
