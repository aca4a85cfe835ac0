//! One HTTP/1.1 connection to the node's RPC port. Every wait has a deadline and every body a limit; names
//! are never resolved, redirects never followed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::node::error::NodeError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Enough for a node that reads a large block from a slow disk while it validates another.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How much the node may answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Everything but bodies of blocks and transactions: 1 MiB.
    Small,
    /// The largest block in hexadecimal, 8 000 000 bytes, and what is around it.
    Block,
}

impl Limit {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 1 << 20,
            Self::Block => 8_000_000 + 4096,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended before the answer began: nobody's fault if it had been idle.
    Closed(String),
    Failed(NodeError),
}

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, NodeError> {
        let unreachable = |reason: String| NodeError::Unreachable { address, reason };
        let stream = timeout(CONNECT_DEADLINE, TcpStream::connect(address))
            .await
            .map_err(|_elapsed| unreachable("no connection within 5 s".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        // A request is one small write; waiting to fill a packet would only delay it.
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        let (requests, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        // Ends by itself when `requests` is dropped or the node closes.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "connection to the node ended");
            }
        });
        Ok(Self { requests, address })
    }

    /// Posts one JSON document and returns the whole answer.
    pub(super) async fn post(
        &mut self,
        authorization: HeaderValue,
        body: Bytes,
        limit: Limit,
    ) -> Result<(StatusCode, Bytes), Broken> {
        let request = Request::post("/")
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.failed(error.to_string()))?;
        timeout(ANSWER_DEADLINE, self.exchange(request, limit))
            .await
            .unwrap_or_else(|_elapsed| Err(self.failed("no answer within 30 s".to_owned())))
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: Limit,
    ) -> Result<(StatusCode, Bytes), Broken> {
        let closed = |error: hyper::Error| Broken::Closed(error.to_string());
        self.requests.ready().await.map_err(closed)?;
        let (head, body) = self.requests.send_request(request).await.map_err(closed)?.into_parts();
        let body = Limited::new(body, limit.bytes()).collect().await.map_err(|error| match error
            .is::<LengthLimitError>(
        ) {
            true => self.failed(format!("its answer is longer than {} bytes", limit.bytes())),
            false => self.failed(error.to_string()),
        })?;
        Ok((head.status, body.to_bytes()))
    }

    fn failed(&self, reason: String) -> Broken {
        Broken::Failed(NodeError::Unreachable { address: self.address, reason })
    }
}
