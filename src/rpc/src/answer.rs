//! What is done with a parsed body: built-in methods, calls to the backend, deadlines, batches. No HTTP but the
//! status that Bitcoin Core gives.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::backend::{Backend, CallError, RpcError, code};
use crate::help;
use crate::limits::Limits;
use crate::reply::{self, Outcome};
use crate::request::{Parsed, Refused, Request, Version, parse_body};
use crate::strict::clipped;

/// Answers bodies. One is shared by all connections.
pub(crate) struct Answerer<B> {
    backend: Arc<B>,
    limits: Limits,
    calls: Semaphore,
    started: Instant,
}

/// A status and the body that goes with it; none for 204.
pub(crate) type Answer = (StatusCode, Option<String>);

impl<B: Backend> Answerer<B> {
    pub(crate) fn new(backend: Arc<B>, limits: Limits) -> Self {
        Self { backend, limits, calls: Semaphore::new(limits.calls), started: Instant::now() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn metrics(&self) -> String {
        self.backend.metrics()
    }

    /// Carries out what `body` asks for.
    pub(crate) async fn answer(&self, body: &[u8]) -> Answer {
        let limit = self.limits.reply_bytes;
        match parse_body(body) {
            Parsed::Refused(error) => whole(reply::refusal(Version::Legacy, None, error)),
            Parsed::Single(Err(Refused { version, id, error })) => {
                whole(reply::refusal(version, id.as_deref(), error))
            }
            Parsed::Single(Ok(request)) => {
                let outcome = self.call(&request).await;
                if request.is_notification() {
                    return (StatusCode::NO_CONTENT, None);
                }
                whole(reply::reply(request.version, request.id.as_deref(), &outcome, limit))
            }
            Parsed::Batch(requests) => self.batch(requests).await,
        }
    }

    /// Answers in the order of the requests. All replies share the limit of one.
    async fn batch(&self, requests: Vec<Result<Request, Refused>>) -> Answer {
        let was_empty = requests.is_empty();
        let mut outcomes = stream::iter(requests.into_iter().map(|request| self.one_of_a_batch(request)))
            .buffered(self.limits.calls_of_a_batch.max(1));
        let mut replies = String::new();
        while let Some(answered) = outcomes.next().await {
            let Some((version, id, outcome)) = answered else { continue };
            let left = self.limits.reply_bytes.saturating_sub(replies.len());
            replies.push(if replies.is_empty() { '[' } else { ',' });
            let (_status, reply) = reply::reply(version, id.as_deref(), &outcome, left);
            replies.push_str(&reply);
        }
        match (replies.is_empty(), was_empty) {
            // Bitcoin Core says: old clients rely on it.
            (true, true) => whole((StatusCode::OK, "[]".to_owned())),
            (true, false) => (StatusCode::NO_CONTENT, None),
            (false, _) => whole((StatusCode::OK, replies + "]")),
        }
    }

    async fn one_of_a_batch(
        &self,
        request: Result<Request, Refused>,
    ) -> Option<(Version, Option<Box<RawValue>>, Outcome)> {
        match request {
            Err(Refused { version, id, error }) => Some((version, id, Err(error))),
            Ok(request) => {
                let outcome = self.call(&request).await;
                (!request.is_notification()).then_some((request.version, request.id, outcome))
            }
        }
    }

    async fn call(&self, request: &Request) -> Outcome {
        match request.method.as_str() {
            "help" => self.help(&request.params),
            "uptime" => self.uptime(&request.params),
            method => {
                match timeout(self.limits.call_deadline, self.call_module(method, &request.params)).await {
                    Ok(outcome) => outcome,
                    Err(_elapsed) => Err(self.too_late(method)),
                }
            }
        }
    }

    async fn call_module(&self, method: &str, params: &RawValue) -> Outcome {
        // It is never closed; if it were, nothing would be waited for.
        let _permit = self.calls.acquire().await.ok();
        let outcome = match self.backend.call(method, params.to_owned()).await {
            Ok(result) => Ok(result),
            Err(CallError::Rpc(error)) => Err(error),
            Err(CallError::NoSuchMethod) => return Err(self.not_found(method)),
        };
        reply::checked(outcome, method)
    }

    fn not_found(&self, method: &str) -> RpcError {
        let known = self.backend.describe();
        let close = help::close_names(method, &known);
        let hint = if close.is_empty() {
            "`help` lists all".to_owned()
        } else {
            format!("did you mean {}?", close.join(" or "))
        };
        let message = format!("Method not found: {}; {hint}", clipped(method));
        RpcError::new(code::METHOD_NOT_FOUND, message)
    }

    fn too_late(&self, method: &str) -> RpcError {
        let of = self.backend.describe().into_iter().find(|info| info.name == method);
        let module = of.map_or_else(|| "its module".to_owned(), |info| format!("module {}", info.module));
        let seconds = self.limits.call_deadline.as_secs_f32();
        let method = clipped(method);
        RpcError::new(code::DEADLINE, format!("{module} did not answer {method} within {seconds} s"))
    }

    fn help(&self, params: &RawValue) -> Outcome {
        let Some(name) = help::asked_for(params) else {
            return Err(RpcError::new(
                code::INVALID_PARAMS,
                "help takes no parameter or the name of one method",
            ));
        };
        let known = self.backend.describe();
        match name {
            None => json(&help::all(&known)),
            Some(name) => match help::all(&known).into_iter().find(|info| info.name == name) {
                Some(info) => json(&info),
                None => Err(RpcError { code: code::INVALID_PARAMS, ..self.not_found(&name) }),
            },
        }
    }

    fn uptime(&self, params: &RawValue) -> Outcome {
        if !help::is_empty(params) {
            return Err(RpcError::new(code::INVALID_PARAMS, "uptime takes no parameters"));
        }
        json(&self.started.elapsed().as_secs())
    }
}

fn json(value: &impl Serialize) -> Outcome {
    to_raw_value(value).map_err(|error| RpcError::new(code::INTERNAL_ERROR, error.to_string()))
}

/// A body that ends as Bitcoin Core's do.
fn whole((status, mut body): (StatusCode, String)) -> Answer {
    body.push('\n');
    (status, Some(body))
}

#[cfg(test)]
mod tests;
