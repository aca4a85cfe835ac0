//! Listens to the node's ZMQ `sequence` topic.
//!
//! The `zeromq` crate reserves whatever length a frame claims and reconnects without telling, so a lost message
//! could go unnoticed; here every loss of the connection, every new subscription and every gap in the node's
//! counter is told to the listener. Each listener has a connection of its own: that of the mempool is there only
//! while somebody wants it, and costs the node a second copy of some 50 bytes for each change.

mod listeners;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use self::listeners::Hints;
use self::listeners::Listener;
use self::wire::{Counter, read_message};

/// From connecting to being subscribed.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Listens until the listener is gone.
pub(in crate::bitcoind) async fn listen<L: Listener>(address: SocketAddr, listener: L) {
    let mut retry = RETRY_FIRST;
    loop {
        let began = Instant::now();
        let mut counter = Counter::default();
        let ended = tokio::select! {
            ended = listen_once(address, &listener, &mut counter) => ended,
            () = listener.gone() => return,
        };
        listener.lost();
        if counter.has_counted() || retry == RETRY_FIRST {
            tracing::warn!(%address, of = L::OF, reason = ended, "zmq lost: polling the node");
        }
        if began.elapsed() > RETRY_LONGEST {
            retry = RETRY_FIRST;
        }
        tokio::select! {
            () = tokio::time::sleep(retry) => {}
            () = listener.gone() => return,
        }
        retry = retry.saturating_mul(2).min(RETRY_LONGEST);
    }
}

/// One connection from its beginning to its end; says why it ended.
async fn listen_once<L: Listener>(address: SocketAddr, listener: &L, counter: &mut Counter) -> String {
    let mut stream = match timeout(HANDSHAKE_DEADLINE, subscribe(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(reason)) => return reason,
        Err(_elapsed) => return "no handshake within 5 s".to_owned(),
    };
    tracing::info!(%address, of = L::OF, "zmq subscribed");
    let beside = async {
        listener.subscribed().await;
        std::future::pending().await
    };
    tokio::select! {
        // First, so that a listener knows of the subscription before it hears anything.
        biased;
        reason = beside => reason,
        reason = hear(&mut stream, listener, counter) => reason,
    }
}

/// Passes on what the node publishes, until it ends; says why.
async fn hear<L: Listener>(stream: &mut BufReader<TcpStream>, listener: &L, counter: &mut Counter) -> String {
    loop {
        match read_message(stream).await {
            Ok(message) => {
                let missing = message.follows_a_gap(counter);
                listener.heard(&message, missing);
            }
            Err(reason) => return reason,
        }
    }
}

async fn subscribe(address: SocketAddr) -> Result<BufReader<TcpStream>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    // Without it the subscription waits for the acknowledgement of the frame before, some 40 ms.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut stream = BufReader::new(stream);
    wire::subscribe(&mut stream).await?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
