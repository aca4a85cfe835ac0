//! One HTTP request: who asks, what for, and the body within its limits. A request's body is not touched before
//! its head has passed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, ORIGIN,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::timeout;

use crate::answer::Answerer;
use crate::auth::Auth;
use crate::backend::Backend;
use crate::failures::Failures;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Prometheus's text format.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What all connections share.
pub(crate) struct Front<B> {
    pub(crate) auth: Auth,
    pub(crate) answerer: Answerer<B>,
    pub(crate) failures: Failures,
}

/// What is known of one connection.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Set once it has shown the right credentials.
    pub(crate) proven: Arc<AtomicBool>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Call,
    Metrics,
}

/// A refusal: everything that is not an answer.
#[derive(Debug)]
struct Refusal(StatusCode, &'static str);

impl<B: Backend> Front<B> {
    /// Answers one request.
    pub(crate) async fn serve(
        self: Arc<Self>,
        peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let mut response = match self.admit(&peer, &head).await {
            Ok(Asked::Metrics) => self.metrics(),
            Ok(Asked::Call) => self.call(body).await,
            Err(refusal) => self.refuse(&refusal),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// The checks, the cheapest first; nothing is said about paths and methods before the credentials are right.
    async fn admit(&self, peer: &Peer, head: &Parts) -> Result<Asked, Refusal> {
        check_caller(head)?;
        let Some(credentials) = head.headers.get(AUTHORIZATION) else {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                "credentials are missing: use the cookie file or the token",
            ));
        };
        if !self.auth.accepts(credentials.as_bytes()) {
            self.failures.one(peer.address).await;
            return Err(Refusal(StatusCode::UNAUTHORIZED, "the credentials are wrong"));
        }
        peer.proven.store(true, Ordering::Relaxed);
        asked(head)
    }

    async fn call(&self, body: Incoming) -> Response<Full<Bytes>> {
        let limits = self.answerer.limits();
        let whole = timeout(limits.body_deadline, read_body(body, limits.body_bytes)).await;
        let late = Refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
        match whole.unwrap_or(Err(late)) {
            Ok(body) => {
                let (status, reply) = self.answerer.answer(&body).await;
                with_body(status, JSON, reply.unwrap_or_default())
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let text = self.answerer.metrics();
        if text.len() > self.answerer.limits().reply_bytes {
            return self
                .refuse(&Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the metrics are too long for a reply"));
        }
        with_body(StatusCode::OK, METRICS, text)
    }

    /// Says no and closes: what is left of the request is not read.
    fn refuse(&self, Refusal(status, reason): &Refusal) -> Response<Full<Bytes>> {
        let mut response = with_body(*status, TEXT, format!("{reason}\n"));
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if *status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.auth.challenge()));
        }
        if *status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// Keeps web pages out; see the crate's documentation.
fn check_caller(head: &Parts) -> Result<(), Refusal> {
    if head.headers.contains_key(ORIGIN) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "web pages may not ask: the request has an Origin header",
        ));
    }
    if !host_is_literal(head) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "the Host header must be an IP address or localhost: call the core by its address",
        ));
    }
    Ok(())
}

/// Whether the request was addressed to an IP address or to localhost. Only HTTP/1.0 may leave it out.
fn host_is_literal(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => head.version == Version::HTTP_10,
        (Some(host), None) => host.to_str().is_ok_and(is_literal),
        (Some(_), Some(_)) => false,
    }
}

fn is_literal(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn asked(head: &Parts) -> Result<Asked, Refusal> {
    match (head.uri.path(), &head.method) {
        ("/", &Method::POST) => Ok(Asked::Call),
        ("/metrics", &Method::GET) => Ok(Asked::Metrics),
        ("/", _) => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "JSON-RPC is POST / only")),
        ("/metrics", _) => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "metrics are GET /metrics only")),
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there are only POST / and GET /metrics")),
    }
}

/// Reads a body into one piece; see `read_body` of the node's connection for why pieces are copied.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let too_long = || Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    let limit_u64 = u64::try_from(limit).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit_u64 {
        return Err(too_long());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken =
            |_error| Refusal(StatusCode::BAD_REQUEST, "the body ended early or is not framed as HTTP says");
        // What is no data are trailers, in which nothing is said here.
        let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
        if piece.len() > limit.saturating_sub(whole.len()) {
            return Err(too_long());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_no_names_that_a_page_could_have() {
        let literal =
            ["127.0.0.1", "127.0.0.1:8332", "[::1]", "[::1]:80", "localhost", "LocalHost:1", "10.0.0.7"];
        assert_eq!(literal.map(is_literal), [true; 7]);
        let names = [
            "",
            ":80",
            "example.org",
            "127.0.0.1.example.org",
            "localhost.",
            "localhost.example.org",
            "a@127.0.0.1",
        ];
        assert_eq!(names.map(is_literal), [false; 7]);
        let broken =
            ["127.1", "0x7f000001", "2130706433", "[::1", "::1", "127.0.0.1:80:80", "127.0.0.1/", "a b"];
        assert_eq!(broken.map(is_literal), [false; 8]);
    }
}
