//! One HTTP/1.1 connection to the node's RPC port. Every wait has a deadline and every body a limit; names
//! are never resolved, redirects never followed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::NodeError;
use crate::mempool::MAX_MEMPOOL_TXIDS;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Enough for a node that reads a large block from a slow disk while it validates another.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How much the node may answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// What a node says of itself on a new connection, which is below 20 KiB: 64 KiB.
    Identity,
    /// Everything else but bodies of blocks and transactions: 1 MiB.
    Small,
    /// What a node lists an entry of about 1000 bytes for, peers and bans: 4 MiB.
    List,
    /// The largest block in hexadecimal, 8 000 000 bytes, and what is around it.
    Block,
    /// A block in hexadecimal, and some 300 bytes about each of its 16 000 transactions at most: 16 MiB.
    Template,
    /// [`MAX_MEMPOOL_TXIDS`] in hexadecimal, with quotes and a comma each, and what is around them.
    Mempool,
}

impl Limit {
    fn bytes(self) -> usize {
        match self {
            Self::Identity => 64 << 10,
            Self::Small => 1 << 20,
            Self::List => 4 << 20,
            Self::Block => 8_000_000 + 4096,
            Self::Template => 16 << 20,
            Self::Mempool => MAX_MEMPOOL_TXIDS * 67 + 4096,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended before the answer began: nobody's fault if it had been idle.
    Closed(String),
    /// The answer is longer than this many bytes.
    TooLong(usize),
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
        let body = read_body(body, limit.bytes()).await.map_err(|unread| match unread {
            Unread::TooLong => Broken::TooLong(limit.bytes()),
            Unread::Broken(reason) => self.failed(reason),
        })?;
        Ok((head.status, body))
    }

    fn failed(&self, reason: String) -> Broken {
        Broken::Failed(NodeError::Unreachable { address: self.address, reason })
    }
}

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    TooLong,
    Broken(String),
}

/// Reads a body into one piece. Pieces are copied as they come: a node may send its answer byte by byte, and
/// each piece kept would cost many times what it holds.
async fn read_body<B>(mut body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // What is no data are trailers, in which nothing is said here.
        let Ok(piece) = frame.map_err(|error| Unread::Broken(error.to_string()))?.into_data() else {
            continue;
        };
        if piece.len() > limit.saturating_sub(whole.len()) {
            return Err(Unread::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// One byte, which counts how many of its kind are alive.
    struct Piece(#[expect(dead_code, reason = "only counted")] Arc<()>);

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    /// A body that comes byte by byte.
    struct Crumbs {
        left: usize,
        alive: Arc<()>,
        most_alive: usize,
    }

    impl Body for &mut Crumbs {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            let piece = Bytes::from_owner(Piece(Arc::clone(&self.alive)));
            self.most_alive = self.most_alive.max(Arc::strong_count(&self.alive) - 1);
            Poll::Ready(Some(Ok(Frame::data(piece))))
        }
    }

    fn crumbs(left: usize) -> Crumbs {
        Crumbs { left, alive: Arc::default(), most_alive: 0 }
    }

    #[tokio::test]
    async fn body_that_comes_byte_by_byte_is_kept_in_one_piece() {
        let mut body = crumbs(5000);
        assert_eq!(read_body(&mut body, 5000).await.unwrap(), "x".repeat(5000));
        assert_eq!(body.most_alive, 1, "pieces were kept");
    }

    #[tokio::test]
    async fn body_is_read_to_its_limit_and_no_further() {
        let mut body = crumbs(5000);
        assert_eq!(read_body(&mut body, 4999).await, Err(Unread::TooLong));
        let mut endless = crumbs(usize::MAX);
        assert!(read_body(&mut endless, 10).await.is_err());
        assert_eq!(endless.left, usize::MAX - 11);
    }
}
