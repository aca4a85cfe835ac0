//! The HTTP front for operators' tools, as its clients reach it: over a socket. A client without the credentials gets
//! nothing done; one with them gets JSON that any parser reads, whatever a module has answered.

use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_rpc::{Auth, Backend, CallError, Limits, MethodInfo, Parsed, RpcError, parse_body};
use serde_json::Value;
use serde_json::value::RawValue;

/// The token that opens the front. Inputs of [`rpc_http`] may have it; a fuzzer does not find it by chance.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The longest reply, besides its head.
const REPLY_BYTES: usize = 64 << 10;

/// Generous against hanging; no input should come near it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the modules of [`Said`] answer at present.
static ANSWER: Mutex<String> = Mutex::new(String::new());

static FRONT: LazyLock<SocketAddr> = LazyLock::new(start);

/// A request's body, and behind the first NUL what the module answers. The client has the credentials.
pub(crate) fn rpc(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let body = parts.next().unwrap_or_default();
    let answer = String::from_utf8_lossy(parts.next().unwrap_or_default());
    *ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = answer.into_owned();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let reply = exchange(&[head.as_bytes(), body].concat(), Sending::GoesOn);
    let reply = String::from_utf8(reply).expect("a reply is text");
    let (head, reply) = reply.split_once("\r\n\r\n").expect("there is a reply");
    assert!(reply.len() < REPLY_BYTES + body.len() + 1024, "a reply of {} bytes", reply.len());
    if head.starts_with("HTTP/1.1 204 ") {
        assert!(reply.is_empty(), "204 has no body");
    } else {
        let reply: Value = serde_json::from_str(reply).expect("a reply is JSON");
        answers(&parse_body(body), &reply);
    }
}

/// Whatever a client sends, as it is.
pub(crate) fn rpc_http(input: &[u8]) {
    "null".clone_into(&mut ANSWER.lock().unwrap_or_else(PoisonError::into_inner));
    let reply = exchange(input, Sending::Ends);
    assert!(reply.is_empty() || reply.starts_with(b"HTTP/1."), "a reply is HTTP");
    let has_token = input.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
    let is_served = reply.windows(7).any(|window| window == b"1.1 200" || window == b"1.0 200");
    assert!(has_token || !is_served, "served without credentials: {}", String::from_utf8_lossy(&reply));
}

/// The reply has the form and the ids of what was asked.
fn answers(asked: &Parsed, reply: &Value) {
    match asked {
        Parsed::Refused(_) => is_reply(reply),
        Parsed::Single(request) => {
            is_reply(reply);
            let id = match request {
                Ok(request) => &request.id,
                Err(refused) => &refused.id,
            };
            assert_eq!(reply.get("id"), Some(&id_value(id.as_deref())), "the id is that of the request");
        }
        Parsed::Batch(requests) => {
            let replies = reply.as_array().expect("a batch gets an array");
            replies.iter().for_each(is_reply);
            let wanted = requests.iter().filter_map(|request| match request {
                Ok(request) if request.is_notification() => None,
                Ok(request) => Some(id_value(request.id.as_deref())),
                Err(refused) => Some(id_value(refused.id.as_deref())),
            });
            let given = replies.iter().filter_map(|reply| reply.get("id").cloned());
            assert!(wanted.eq(given), "one reply for each request, in their order");
        }
    }
}

fn id_value(id: Option<&RawValue>) -> Value {
    id.map_or(Value::Null, |id| serde_json::from_str(id.get()).expect("an id is JSON"))
}

fn is_reply(reply: &Value) {
    let reply = reply.as_object().expect("a reply is an object");
    assert!(reply.contains_key("id"));
    let (result, error) = (reply.get("result"), reply.get("error"));
    if reply.contains_key("jsonrpc") {
        assert!(result.is_some() != error.is_some(), "version 2 has one of the two");
    } else {
        assert!(result.is_some() && error.is_some(), "older versions have both");
    }
    if let Some(error) = error.filter(|error| !error.is_null()) {
        assert!(
            error.get("code").is_some_and(Value::is_i64)
                && error.get("message").is_some_and(Value::is_string)
        );
    }
}

/// Whether the client closes its side when it has sent everything. One that has not sent all it announced must, or
/// it would be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Ends,
    GoesOn,
}

/// Sends all of it, and reads until the front closes.
fn exchange(request: &[u8], sending: Sending) -> Vec<u8> {
    let mut stream = TcpStream::connect(*FRONT).expect("the front listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline against hanging");
    stream.set_write_timeout(Some(PATIENCE)).expect("a deadline against hanging");
    // A front that has refused may close before it has read everything: what it said is read all the same.
    let _sent = stream.write_all(request);
    if sending == Sending::Ends {
        let _ended = stream.shutdown(Shutdown::Write);
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the front hangs"),
        // A reset: the front was done before the client was.
        Ok(_) | Err(_) => reply,
    }
}

/// Serves for as long as the process lives.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("an address");
    let limits = Limits {
        reply_bytes: REPLY_BYTES,
        // Nobody guesses here, and an input that is refused should not take a quarter of a second.
        wrong_credentials_delay: Duration::ZERO,
        ..Limits::default()
    };
    let auth = Auth::token(TOKEN).expect("the token is one");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(cofferdam_rpc::serve(listener, auth, Arc::new(Said), limits, pending()))
    });
    address
}

/// Modules that answer what the input says.
struct Said;

impl Backend for Said {
    async fn call(&self, method: &str, _params: Box<RawValue>) -> Result<Box<RawValue>, CallError> {
        let said = ANSWER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (code, message) = (-1, said.chars().take(1000).collect());
        let json = RawValue::from_string(said).ok();
        match (method, json) {
            ("a_result", Some(json)) => Ok(json),
            ("a_result" | "a_error", data) => Err(CallError::Rpc(RpcError { code, message, data })),
            _ => Err(CallError::NoSuchMethod),
        }
    }

    fn describe(&self) -> Vec<MethodInfo> {
        let method = |name: &str| MethodInfo {
            name: name.to_owned(),
            description: String::new(),
            module: "a".to_owned(),
        };
        vec![method("a_result"), method("a_error")]
    }

    fn metrics(&self) -> String {
        String::new()
    }
}
