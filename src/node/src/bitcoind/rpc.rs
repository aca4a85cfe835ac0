//! Calls the node: a few kept connections, each identified before its first use, credentials renewed when
//! they are refused, a call repeated only where the connection had died under it. Nearly every method called
//! here only reads; of those that do not, the second of two calls answers as the first or that it was
//! done before, and whoever makes them knows that.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use super::credentials::{Credentials, Secret};
use super::http::{Broken, Connection, Limit};
use super::identity::Question;
use super::queue::{Lane, Queue};
use super::reply::{Failure, Outcome, Reply};
use crate::error::NodeError;
use crate::types::Chain;

/// One for a connection that had died idle, one for a cookie that had changed with the same restart.
const MAX_ATTEMPTS: u32 = 3;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The node says so.
    Failure(Failure),
    Node(NodeError),
}

impl CallError {
    /// The error for a caller that expects none of the node's codes.
    pub(super) fn into_node_error(self, method: &'static str) -> NodeError {
        match self {
            Self::Failure(failure) => failure.into_error(method),
            Self::Node(error) => error,
        }
    }
}

impl From<NodeError> for CallError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

/// Why one attempt gave nothing, and whether another may.
#[derive(Debug)]
enum Attempt {
    Closed(String),
    Unauthorized(Secret),
    Final(CallError),
}

impl From<NodeError> for Attempt {
    fn from(error: NodeError) -> Self {
        Self::Final(error.into())
    }
}

/// A client of one node.
#[derive(Debug)]
pub(super) struct Rpc {
    address: SocketAddr,
    chain: Chain,
    credentials: Arc<dyn Credentials>,
    secret: Mutex<Option<Secret>>,
    idle: Mutex<Vec<Connection>>,
    queue: Queue,
    next_id: AtomicU64,
}

impl Rpc {
    pub(super) fn new(address: SocketAddr, chain: Chain, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            address,
            chain,
            credentials,
            secret: Mutex::default(),
            idle: Mutex::default(),
            queue: Queue::new(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Calls one method for whoever stands in `lane` and returns what the node answered.
    pub(super) async fn call(
        &self,
        lane: &Lane,
        method: &'static str,
        params: Value,
        limit: Limit,
    ) -> Result<Reply, CallError> {
        let turn = self.queue.turn(lane, limit).await;
        let _turn = turn.map_err(|closed| NodeError::not_ready(closed.to_string()))?;
        let mut closed = String::new();
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(method, &params, limit).await {
                Ok(reply) => return Ok(reply),
                Err(Attempt::Closed(reason)) => {
                    // The others are as old, and the node may be another one by now.
                    lock(&self.idle).clear();
                    closed = reason;
                }
                Err(Attempt::Unauthorized(refused)) => self.renew(refused).await?,
                Err(Attempt::Final(error)) => return Err(error),
            }
        }
        let reason = format!("it keeps closing the connection: {closed}");
        Err(NodeError::Unreachable { address: self.address, reason }.into())
    }

    /// As [`Rpc::call`], where none of the node's errors means anything special.
    pub(super) async fn ask(
        &self,
        lane: &Lane,
        method: &'static str,
        params: Value,
    ) -> Result<Reply, NodeError> {
        let reply = self.call(lane, method, params, Limit::Small).await;
        reply.map_err(|error| error.into_node_error(method))
    }

    async fn attempt(&self, method: &'static str, params: &Value, limit: Limit) -> Result<Reply, Attempt> {
        let kept = lock(&self.idle).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let outcome = self.exchange(&mut connection, method, params, limit).await;
        if matches!(outcome, Ok(_) | Err(Attempt::Final(CallError::Failure(_)))) {
            lock(&self.idle).push(connection);
        }
        outcome
    }

    /// Opens a connection and makes sure that the expected chain is at its other end.
    async fn connect(&self) -> Result<Connection, Attempt> {
        let mut connection = Connection::open(self.address).await?;
        for question in Question::ALL {
            let method = question.method();
            let reply = self.identify(&mut connection, method, &question.params()).await?;
            if let Some(tip) = question.check(&reply, self.chain)? {
                // A chain that changed its headers shows it in any header above the change.
                let header = self.identify(&mut connection, "getblockheader", &json!([tip, false])).await?;
                header.header(tip)?;
            }
        }
        Ok(connection)
    }

    /// One question about the node itself, whose errors say nothing about the call that is waiting.
    async fn identify(
        &self,
        connection: &mut Connection,
        method: &'static str,
        params: &Value,
    ) -> Result<Reply, Attempt> {
        let answer = self.exchange(connection, method, params, Limit::Identity).await;
        answer.map_err(|attempt| match attempt {
            Attempt::Final(error) => error.into_node_error(method).into(),
            Attempt::Closed(_) | Attempt::Unauthorized(_) => attempt,
        })
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        method: &'static str,
        params: &Value,
        limit: Limit,
    ) -> Result<Reply, Attempt> {
        let secret = self.secret().await?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let posted = connection.post(secret.header()?, Bytes::from(body.to_string()), limit).await;
        let (status, body) = posted.map_err(|broken| match broken {
            Broken::Closed(reason) => Attempt::Closed(reason),
            Broken::TooLong(limit_bytes) => NodeError::TooLarge { method, limit_bytes }.into(),
            Broken::Failed(error) => error.into(),
        })?;
        match Reply::sort(method, id, status, body)? {
            Outcome::Answered(reply) => Ok(reply),
            Outcome::Failed(failure) => Err(Attempt::Final(CallError::Failure(failure))),
            Outcome::Unauthorized => Err(Attempt::Unauthorized(secret)),
        }
    }

    async fn secret(&self) -> Result<Secret, NodeError> {
        let known = lock(&self.secret).clone();
        if let Some(secret) = known {
            return Ok(secret);
        }
        let secret = self.credentials.current().await?;
        *lock(&self.secret) = Some(secret.clone());
        Ok(secret)
    }

    /// Asks for fresh credentials after the node refused `refused`; the same again are an error.
    async fn renew(&self, refused: Secret) -> Result<(), NodeError> {
        let fresh = self.credentials.current().await?;
        if fresh == refused {
            *lock(&self.secret) = None;
            return Err(NodeError::Credentials {
                reason: format!(
                    "the node at {} refuses them (HTTP 401): compare user and password with its `rpcauth`, or \
                     the path of its cookie file with its `-datadir`",
                    self.address
                ),
            });
        }
        *lock(&self.secret) = Some(fresh);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
