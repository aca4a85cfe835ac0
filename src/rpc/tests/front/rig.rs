//! A front with a backend of tests behind it, on a port of the kernel's choice.

use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cofferdam_rpc::{Auth, Backend, CallError, Limits, MethodInfo, RpcError, serve};
use serde_json::value::{RawValue, to_raw_value};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// The secret of the cookie, and the token.
pub(crate) const SECRET: &str = "00112233445566778899aabbccddeeff";
pub(crate) const METRICS: &str = "# TYPE up gauge\nup 1\n";
/// Against hanging only.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running front.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Fake>,
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// What the tests call.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) counted: AtomicUsize,
    /// Calls of `demo_hang` that are going on.
    pub(crate) hanging: AtomicUsize,
    /// Lets a call of `demo_wait` answer.
    pub(crate) release: Notify,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let auth = Auth::cookie(&format!("__cookie__:{SECRET}")).unwrap().or_token(SECRET).unwrap();
        let backend = Arc::new(Fake::default());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let served = Arc::clone(&backend);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { stopped.await.unwrap() };
        let served =
            runtime.spawn(async move { serve(listener, auth, served, limits, stopped).await.unwrap() });
        Self { address, backend, runtime, stop, served }
    }

    /// Tells the front to stop, and what to do meanwhile; returns when it has stopped.
    pub(crate) fn stop(self, meanwhile: impl FnOnce(&Fake)) {
        self.stop.send(()).unwrap();
        meanwhile(&self.backend);
        self.runtime.block_on(self.served).unwrap();
    }

    /// The head of a request that is let in, but for the last empty line.
    pub(crate) fn head(&self, request: &str) -> String {
        format!("{request} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET}\r\n", self.address)
    }

    pub(crate) fn post(&self, body: &str) -> String {
        format!("{}Content-Length: {}\r\n\r\n{body}", self.head("POST /"), body.len())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection whose client's kernel takes no more than some 64 KiB unread.
    pub(crate) fn connect_narrow(&self) -> TcpStream {
        let stream = self.connect();
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::RcvBuf, &(32 << 10)).unwrap();
        stream
    }

    /// Sends `bytes` and returns all that comes until the front closes.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The front may have closed before all is sent.
        let _sent = stream.write_all(bytes);
        read_all(&mut stream)
    }

    /// Whether a well-behaved client is served.
    pub(crate) fn serves(&self) -> bool {
        let mut stream = self.connect();
        stream
            .write_all(self.post(r#"{"id":1,"method":"demo_echo","params":["served"]}"#).as_bytes())
            .unwrap();
        let mut reply = [0; 4096];
        let count = stream.read(&mut reply).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        String::from_utf8_lossy(&reply[..count]).contains(r#""result":["served"]"#)
    }
}

/// What comes until the other side closes, however it closes.
pub(crate) fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 65536];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no end of the connection within {PATIENCE:?}: {error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

impl Backend for Fake {
    async fn call(&self, method: &str, params: Box<RawValue>) -> Result<Box<RawValue>, CallError> {
        match method {
            "demo_echo" => Ok(params),
            "demo_count" => Ok(to_raw_value(&self.counted.fetch_add(1, Ordering::SeqCst)).unwrap()),
            "demo_big" => Ok(to_raw_value(&"x".repeat(3 << 20)).unwrap()),
            "demo_page" => {
                self.counted.fetch_add(1, Ordering::SeqCst);
                Ok(to_raw_value(&"x".repeat(64 << 10)).unwrap())
            }
            "demo_twice" => Ok(RawValue::from_string(r#"{"a":1,"a":2}"#.to_owned()).unwrap()),
            "demo_fail" => Err(RpcError {
                data: Some(RawValue::from_string(r#"{"height":7}"#.to_owned()).unwrap()),
                ..RpcError::new(-8, "Block height out of range")
            }
            .into()),
            "demo_wait" => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                self.release.notified().await;
                Ok(RawValue::TRUE.to_owned())
            }
            "demo_hang" => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                let _going_on = Leave(&self.hanging);
                pending().await
            }
            _ => Err(CallError::NoSuchMethod),
        }
    }

    fn describe(&self) -> Vec<MethodInfo> {
        ["echo", "count", "big", "twice", "fail", "hang"]
            .map(|method| MethodInfo {
                name: format!("demo_{method}"),
                description: format!("The method {method}."),
                module: "demo".to_owned(),
            })
            .to_vec()
    }

    fn metrics(&self) -> String {
        METRICS.to_owned()
    }
}

struct Leave<'c>(&'c AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
