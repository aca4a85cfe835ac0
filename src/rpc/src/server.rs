//! Accepts connections and keeps their number within its limit.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::answer::Answerer;
use crate::auth::Auth;
use crate::backend::Backend;
use crate::connection;
use crate::failures::{Failures, sparse_log};
use crate::http::Front;
use crate::limits::Limits;

/// What a client is told for whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\ntoo many connections\n";
/// After an error of accept, which is lack of descriptors or memory: they may be there later.
const PAUSE: Duration = Duration::from_millis(100);
/// How long replies that are being made may take when the core stops.
const GRACE: Duration = Duration::from_secs(2);

/// Why the front cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is not one that the runtime can wait for.
    #[error("the JSON-RPC listener cannot be used")]
    Listener(#[source] io::Error),
}

/// Serves JSON-RPC and metrics on `listener` until `stop` is ready, or until the future is dropped, which cuts all
/// connections. After `stop`, replies that are being made have two seconds to be sent.
///
/// # Errors
/// [`ServeError::Listener`]; nothing that a client does ends it.
pub async fn serve<B: Backend>(
    listener: std::net::TcpListener,
    auth: Auth,
    backend: Arc<B>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    listener.set_nonblocking(true).map_err(ServeError::Listener)?;
    let listener = TcpListener::from_std(listener).map_err(ServeError::Listener)?;
    let failures = Failures::new(limits.wrong_credentials_delay);
    let front = Arc::new(Front { auth, answerer: Answerer::new(backend, limits), failures });
    let mut connections = Connections::new(front, limits.connections);
    let mut log = sparse_log();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.add(stream, peer),
                Err(error) => {
                    if let Some(swallowed) = log.pass() {
                        tracing::warn!(%error, others_not_logged = swallowed, "JSON-RPC: no connection accepted");
                    }
                    sleep(PAUSE).await;
                }
            },
            Some(ended) = connections.tasks.join_next() => log_panic(ended),
        }
    }
    drop(listener);
    connections.finish().await;
    Ok(())
}

/// All connections.
struct Connections<B> {
    front: Arc<Front<B>>,
    limit: usize,
    tasks: JoinSet<()>,
    /// Those that have shown no credentials when last looked at, the oldest first.
    unproven: VecDeque<Unproven>,
    stopping: watch::Sender<bool>,
}

struct Unproven {
    task: AbortHandle,
    proven: Arc<AtomicBool>,
}

impl<B: Backend> Connections<B> {
    fn new(front: Arc<Front<B>>, limit: usize) -> Self {
        let stopping = watch::Sender::new(false);
        Self { front, limit, tasks: JoinSet::new(), unproven: VecDeque::new(), stopping }
    }

    /// Serves `stream`, in the place of another if need be.
    fn add(&mut self, stream: TcpStream, peer: SocketAddr) {
        while let Some(ended) = self.tasks.try_join_next() {
            log_panic(ended);
        }
        self.unproven.retain(|one| !one.task.is_finished() && !one.proven.load(Ordering::Relaxed));
        if self.tasks.len() >= self.limit && !self.make_room() {
            // As much of it as the kernel takes at once, which is all of it.
            let _sent = stream.try_write(FULL);
            return;
        }
        let proven = Arc::new(AtomicBool::new(false));
        let (front, stopping) = (Arc::clone(&self.front), self.stopping.subscribe());
        let task = self.tasks.spawn(connection::run(stream, peer, Arc::clone(&proven), front, stopping));
        self.unproven.push_back(Unproven { task, proven });
    }

    /// Cuts the oldest connection that has shown no credentials.
    fn make_room(&mut self) -> bool {
        let oldest = self.unproven.pop_front();
        oldest.inspect(|oldest| oldest.task.abort()).is_some()
    }

    async fn finish(mut self) {
        self.stopping.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that are left are cut when the set is dropped.
        let _elapsed = timeout(GRACE, all).await;
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a JSON-RPC connection panicked: this is a bug");
    }
}
