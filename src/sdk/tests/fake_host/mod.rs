//! A host that does what a test tells it, on a socket in a directory of its own.

#![allow(clippy::expect_used, reason = "a host that cannot do its part is a failed test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that each use a part of it")]

use std::collections::VecDeque;
use std::path::PathBuf;

use cofferdam_protocol::bounded::BoundedVec;
use cofferdam_protocol::{
    ApiError, FrameDecoder, HostMessage, Limits, ModuleMessage, RequestMessage, ResponseMessage,
    ResponsePayload, Welcome, decode, encode_frame,
};
use cofferdam_sdk::{ModuleIntegration, SdkError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The limits of a session, if the test has no others.
pub const LIMITS: Limits = Limits { max_frame_bytes: 64 << 10, max_in_flight: 64, event_queue: 1024 };

/// Waits for one module.
pub struct FakeHost {
    listener: UnixListener,
    directory: TempDir,
}

/// The host's end of a connection.
pub struct Session {
    stream: UnixStream,
    decoder: FrameDecoder,
    arrived: VecDeque<HostMessage>,
}

impl FakeHost {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the socket");
        let listener = UnixListener::bind(directory.path().join("host.sock")).expect("a socket");
        Self { listener, directory }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("host.sock")
    }

    pub async fn accept(&self) -> Session {
        Session::new(self.listener.accept().await.expect("a module connects").0)
    }
}

impl Session {
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, decoder: FrameDecoder::for_messages::<HostMessage>(), arrived: VecDeque::new() }
    }

    /// The next message of the module, `None` when it has closed the connection.
    pub async fn next(&mut self) -> Option<HostMessage> {
        let mut buffer = vec![0; 64 * 1024];
        while self.arrived.is_empty() {
            let count = self.stream.read(&mut buffer).await.expect("the host reads");
            if count == 0 {
                return None;
            }
            let mut input = buffer.get(..count).expect("read is at most the buffer");
            while let Some(body) = self.decoder.next_frame(&mut input).expect("a module sends small frames") {
                self.arrived.push_back(decode(&body).expect("a module sends messages"));
            }
        }
        self.arrived.pop_front()
    }

    pub async fn next_request(&mut self) -> RequestMessage {
        match self.next().await {
            Some(HostMessage::Request(request)) => request,
            other => unreachable!("a request was expected, not {other:?}"),
        }
    }

    pub async fn send(&mut self, message: ModuleMessage) {
        let frame = encode_frame(&message).expect("the host's messages are small");
        self.stream.write_all(&frame).await.expect("the host writes");
    }

    pub async fn answer(&mut self, correlation_id: u64, result: Result<ResponsePayload, ApiError>) {
        self.send(ModuleMessage::Response(ResponseMessage { correlation_id, result })).await;
    }

    pub async fn welcome(&mut self, limits: Limits) {
        self.next().await.expect("a hello");
        self.send(ModuleMessage::Welcome(welcome(limits))).await;
    }
}

pub fn welcome(limits: Limits) -> Welcome {
    Welcome {
        protocol: 1,
        module_id: "m-1".to_owned(),
        capabilities: BoundedVec::truncated(["read_blockchain".to_owned()]),
        node: "fake".to_owned(),
        limits,
    }
}

/// Connects as the module `m` does.
pub async fn connect(host: &FakeHost) -> Result<ModuleIntegration, SdkError> {
    ModuleIntegration::connect(host.path(), "m-1".to_owned(), "m".to_owned(), "1.0.0".to_owned()).await
}

/// A module and the host's end, after the handshake.
pub async fn connected(limits: Limits) -> (ModuleIntegration, Session) {
    let host = FakeHost::new();
    let opening = async {
        let mut session = host.accept().await;
        session.welcome(limits).await;
        session
    };
    let (integration, session) = tokio::join!(connect(&host), opening);
    (integration.expect("the host welcomes"), session)
}
