//! A module as the tests play it: raw bytes on one side of a socket pair, a session on the other.

use bytes::Bytes;
use cofferdam_control::CoreLimits;
use cofferdam_protocol::message::PROTOCOL;
use cofferdam_protocol::{
    AnswerMessage, Call, EventMessage, FrameDecoder, Hello, HostMessage, InvocationMessage, ModuleFault,
    RequestMessage, RequestWithin, ResponseMessage, decode, encode_frame,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

use super::*;
use crate::events::Hub;
use cofferdam_node::embedded::Payout;
use cofferdam_node::{Embedded, EmbeddedSettings, Node};

/// A host with an embedded node that mines on demand.
pub(crate) struct Stage {
    pub(crate) node: Embedded,
    pub(crate) host: Arc<Host>,
    _dir: TempDir,
}

pub(crate) struct Peer {
    stream: UnixStream,
    decoder: FrameDecoder,
    received: Vec<u8>,
    session: Option<JoinHandle<SessionEnd>>,
}

pub(crate) fn hello() -> Hello {
    hello_of("block-watch")
}

fn hello_of(name: &str) -> Hello {
    Hello {
        protocol_min: PROTOCOL.min,
        protocol_max: PROTOCOL.max,
        module_id: name.to_owned(),
        module_name: name.to_owned(),
        module_version: "1.0.0".to_owned(),
        sdk: "test".to_owned(),
    }
}

pub(crate) fn limits() -> CoreLimits {
    CoreLimits {
        calls_per_second: 5000,
        call_burst: 5000,
        storage_bytes: 1024 * 1024,
        storage_keys: 1000,
        file_bytes: 1024 * 1024,
        file_count: 100,
    }
}

pub(crate) fn module(name: &str, granted: &[Capability]) -> Module {
    Module {
        name: name.parse().unwrap(),
        version: "1.0.0".to_owned(),
        granted: granted.iter().copied().collect(),
        publishes: Vec::new(),
        files: None,
        limits: limits(),
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = EmbeddedSettings {
            dir: dir.path().join("chain"),
            block_interval: None,
            payout: Payout::default(),
        };
        let node = Embedded::open(settings).await.unwrap();
        let host = Arc::new(Host::new(Node::Embedded(node.clone()), Hub::new(0)));
        Self { node, host, _dir: dir }
    }

    /// A host with room for so many large replies.
    pub(super) async fn with_large_replies(places: usize) -> Self {
        let stage = Self::new().await;
        let host = Host::new(Node::Embedded(stage.node.clone()), Hub::new(0)).with_large_replies(places);
        Self { host: Arc::new(host), ..stage }
    }

    /// Connects a module that has said nothing yet.
    pub(super) fn connect(&self, granted: &[Capability]) -> Peer {
        self.connect_module(module("block-watch", granted))
    }

    /// Connects this module.
    pub(crate) fn connect_module(&self, module: Module) -> Peer {
        let module = Arc::new(module);
        self.host.modules().install(&module);
        let (stream, other) = UnixStream::pair().unwrap();
        let session = tokio::spawn(serve(other, module, Arc::clone(&self.host), || {}));
        Peer { session: Some(session), ..Peer::over(stream) }
    }

    /// Connects a module and shakes hands.
    pub(super) async fn open(&self, granted: &[Capability]) -> Peer {
        self.open_module(module("block-watch", granted)).await
    }

    /// Connects this module and shakes hands.
    pub(crate) async fn open_module(&self, module: Module) -> Peer {
        let hello = hello_of(module.name.as_str());
        let mut peer = self.connect_module(module);
        peer.send_hello(hello).await;
        assert!(matches!(peer.next().await, Some(ModuleMessage::Welcome(_))));
        peer
    }
}

impl Peer {
    /// A module on a connection whose other end somebody else serves.
    pub(crate) fn over(stream: UnixStream) -> Self {
        let decoder = FrameDecoder::for_messages::<ModuleMessage>();
        Self { stream, decoder, received: Vec::new(), session: None }
    }

    pub(crate) async fn send_hello(&mut self, hello: Hello) {
        self.write(&encode_frame(&HostMessage::Hello(hello)).unwrap()).await;
    }

    pub(crate) async fn call<C: Call>(&mut self, correlation_id: u64, call: C) {
        let request = RequestMessage { correlation_id, payload: call.into_payload() };
        self.write(&encode_frame(&HostMessage::Request(request)).unwrap()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Writes unless the session has ended.
    pub(super) async fn try_write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next message, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<ModuleMessage> {
        loop {
            let mut unread = self.received.as_slice();
            let body = self.decoder.next_frame(&mut unread).unwrap();
            self.received = unread.to_vec();
            if let Some(body) = body {
                return Some(decode(&body).unwrap());
            }
            if self.stream.read_buf(&mut self.received).await.unwrap() == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn response(&mut self) -> (u64, Result<ResponsePayload, ApiError>) {
        match self.next().await {
            Some(ModuleMessage::Response(ResponseMessage { correlation_id, result })) => {
                (correlation_id, result)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn event(&mut self) -> EventMessage {
        match self.next().await {
            Some(ModuleMessage::Event(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn invocation(&mut self) -> InvocationMessage {
        match self.next().await {
            Some(ModuleMessage::Invocation(invocation)) => invocation,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn answer(&mut self, invocation_id: u64, result: Result<Bytes, ModuleFault>) {
        let answer = HostMessage::Answer(AnswerMessage { invocation_id, result });
        self.write(&encode_frame(&answer).unwrap()).await;
    }

    /// A call in the course of an invocation.
    pub(super) async fn call_within<C: Call>(&mut self, correlation_id: u64, invocation_id: u64, call: C) {
        let request = RequestMessage { correlation_id, payload: call.into_payload() };
        let message = HostMessage::RequestWithin(RequestWithin { invocation_id, request });
        self.write(&encode_frame(&message).unwrap()).await;
    }

    /// Closes the direction to the host, and goes on reading.
    pub(super) async fn say_no_more(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// How the session ended, while this side keeps its connection.
    pub(super) async fn ended(&mut self) -> SessionEnd {
        self.session.as_mut().unwrap().await.unwrap()
    }

    /// How the session ended, which this side has not caused by closing.
    pub(super) async fn end(self) -> SessionEnd {
        self.session.unwrap().await.unwrap()
    }

    /// Closes the connection, and says how the session ended.
    pub(crate) async fn close(self) -> SessionEnd {
        drop(self.stream);
        self.session.unwrap().await.unwrap()
    }

    pub(super) fn into_stream(self) -> UnixStream {
        self.stream
    }
}
