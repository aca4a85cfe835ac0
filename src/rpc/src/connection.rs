//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::backend::Backend;
use crate::http::{Front, Peer};
use crate::socket::Socket;

/// A head with the longest token and what proxies add.
const MAX_HEAD_BYTES: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
/// What hyper reads ahead. It makes no further reply while more than this waits to be sent.
const READ_AHEAD_BYTES: usize = 16 << 10;
/// After a refusal the rest of what the client sends is thrown away for this long and this many bytes: if it were
/// left unread, the kernel would reset the connection and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 4 << 20;

/// Boxed, because `poll_without_shutdown` wants a future that can be moved.
type Reply = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Serves `stream` until either side closes it or `stopping` turns true; then the reply that is being made or sent
/// is the last.
pub(crate) async fn run<B: Backend>(
    stream: TcpStream,
    address: SocketAddr,
    proven: Arc<AtomicBool>,
    front: Arc<Front<B>>,
    mut stopping: watch::Receiver<bool>,
) {
    let limits = *front.answerer.limits();
    let socket = Socket::new(stream, limits.reply_deadline);
    let peer = Arc::new(Peer { address, proven });
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = Arc::clone(&front).serve(Arc::clone(&peer), request);
        let reply: Reply = Box::pin(async { Ok(reply.await) });
        reply
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_deadline)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(READ_AHEAD_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let served = tokio::select! {
        served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
        () = turned_true(&mut stopping) => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(peer = %address, %error, "JSON-RPC connection failed");
    }
    linger(connection.into_parts().io.into_inner()).await;
}

async fn turned_true(flag: &mut watch::Receiver<bool>) {
    // Its sender gone is a stop as well.
    let _gone = flag.wait_for(|flag| *flag).await.is_err();
}

/// Closes without cutting off the last answer.
async fn linger(mut socket: Socket) {
    let discard = async {
        socket.shutdown().await?;
        tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // However it ends, the connection is closed by dropping it.
    let _ended = timeout(LINGER, discard).await;
}
