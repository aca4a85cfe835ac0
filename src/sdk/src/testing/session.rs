//! One connection of a module: reads what it asks, writes what the host answers and tells it.
//!
//! It ends when the module closes the connection or breaks the protocol. It never waits for the module: one that
//! does not read what it is sent is disconnected.

use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use cofferdam_protocol::calls::{Call, CallModule, RequestPayload};
use cofferdam_protocol::message::MAX_CAPABILITIES;
use cofferdam_protocol::{
    ApiError, BoundedVec, FrameDecoder, HostMessage, ModuleMessage, Refusal, RequestMessage, ResponseMessage,
    ResponsePayload, Welcome, decode_request, encode_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::builtin::unscripted;
use super::state::LIMITS;
use super::{Scripts, Shared};

/// How many messages wait for a module to read them: more than the longest test makes while its module works.
const OUTBOUND: usize = 65_536;

/// Takes connections for as long as the host is there.
pub(super) async fn listen(host: Weak<Shared>, listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let Some(host) = host.upgrade() else { return };
        tokio::spawn(serve(host, stream));
    }
}

/// Serves one module until it goes.
pub(super) async fn serve(host: Arc<Shared>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut input = Input { read, decoder: FrameDecoder::for_messages::<HostMessage>(), bytes: Vec::new() };
    let Some(HostMessage::Hello(hello)) = input.next().await else { return };
    let checked = host.state().check(&hello);
    let (first, refused) = match checked {
        Ok(()) => (ModuleMessage::Welcome(welcome(&host, hello.module_id)), false),
        Err(refusal) => (ModuleMessage::Refused(refusal), true),
    };
    if send(&mut write, &first).await.is_none() || refused {
        return;
    }
    let (outbound, messages) = mpsc::channel(OUTBOUND);
    let id = host.change(|state| state.open_session(outbound));
    let writing = tokio::spawn(write_all(messages, write));
    while let Some(message) = input.next().await {
        if host.take(id, message).is_none() {
            break;
        }
    }
    host.change(|state| state.close_session(id));
    // Nothing more will be sent; what was sent is still written.
    let _ended = writing.await;
}

fn welcome(host: &Shared, module_id: String) -> Welcome {
    let state = host.state();
    let capabilities = state.granted.iter().map(|capability| capability.as_str().to_owned());
    Welcome {
        protocol: 1,
        module_id,
        capabilities: BoundedVec::<_, MAX_CAPABILITIES>::truncated(capabilities),
        node: "the host of a test".to_owned(),
        limits: LIMITS,
    }
}

impl Shared {
    /// Takes a message of a session; `None` ends it.
    fn take(&self, session: u64, message: HostMessage) -> Option<()> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a second hello, or a message of a later protocol"
        )]
        let request = match message {
            HostMessage::Request(request) => request,
            HostMessage::RequestWithin(within) => within.request,
            HostMessage::Answer(answer) => {
                self.change(|state| state.answered(answer.invocation_id, answer.result));
                return Some(());
            }
            _ => return None,
        };
        let RequestMessage { correlation_id, payload } = request;
        let result = self.answer(session, payload);
        let response = ModuleMessage::Response(ResponseMessage { correlation_id, result });
        self.change(|state| state.send(session, response))
    }

    fn answer(&self, session: u64, payload: RequestPayload) -> Result<ResponsePayload, ApiError> {
        let call = payload.info();
        let granted = |capability| self.state().granted.contains(capability);
        if let Some(capability) = call.capability.filter(|capability| !granted(*capability)) {
            let capability = capability.as_str().to_owned();
            return Err(ApiError::PermissionDenied { capability, call: call.name.to_owned() });
        }
        let script = self.scripts().of_call(payload.tag());
        if let Some(answer) = script.and_then(|script| script.run(|answer| answer(payload.clone()))) {
            return answer;
        }
        if let RequestPayload::CallModule { target_module_id, method, params } = payload {
            return self.call_another(target_module_id, &method, params).map(CallModule::respond);
        }
        self.state().answer(session, payload)
    }

    fn call_another(&self, module: String, method: &str, params: Bytes) -> Result<Bytes, ApiError> {
        let Some(script) = self.scripts().of_module(&module) else {
            return Err(unscripted(&format!("host.on_module({module:?}, |method, params| ..)")));
        };
        let answer = script.run(|answer| answer(method, params));
        answer.map_err(|fault| ApiError::ModuleFailed { module, code: fault.code, message: fault.message })
    }

    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes to messages.
struct Input {
    read: OwnedReadHalf,
    decoder: FrameDecoder,
    /// What was read and not decoded yet.
    bytes: Vec<u8>,
}

impl Input {
    /// The next message; `None` when the module is gone or does not speak the protocol.
    async fn next(&mut self) -> Option<HostMessage> {
        loop {
            let mut unread = self.bytes.as_slice();
            let body = self.decoder.next_frame(&mut unread).ok()?;
            let taken = self.bytes.len().saturating_sub(unread.len());
            self.bytes.drain(..taken);
            if let Some(body) = body {
                return decode_request(&body).ok();
            }
            if self.read.read_buf(&mut self.bytes).await.ok()? == 0 {
                return None;
            }
        }
    }
}

async fn write_all(mut messages: mpsc::Receiver<ModuleMessage>, mut write: OwnedWriteHalf) {
    while let Some(message) = messages.recv().await {
        if send(&mut write, &message).await.is_none() {
            return;
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, message: &ModuleMessage) -> Option<()> {
    write.write_all(&encode_frame(message).ok()?).await.ok()
}

/// Who a module says it is, compared with who it should be.
pub(super) fn mismatch(field: &str, claimed: &str, expected: &str) -> Refusal {
    Refusal::IdentityMismatch {
        field: field.to_owned(),
        claimed: claimed.to_owned(),
        expected: expected.to_owned(),
    }
}
