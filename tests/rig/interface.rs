//! The operator's interface of a rig, as an operator's tools use it: over HTTP, by curl, with the cookie.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{As, Plan, Rig};

/// Below those that the kernel gives to clients: ip(7), ip_local_port_range.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that nobody listens on; another test begins its search elsewhere.
fn free_port() -> u16 {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let own = usize::try_from(std::process::id()).unwrap() * 37 + ASKED.fetch_add(1, Ordering::Relaxed) * 101;
    let mut ports = PORTS.cycle().skip(own % PORTS.len()).take(PORTS.len());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// An HTTP answer.
pub struct Answered {
    pub status: u16,
    pub body: String,
}

impl Plan {
    /// An installation whose interface is on.
    pub fn with_interface(who: As) -> Self {
        let port = free_port();
        Self::new(who).config(&format!("[interface]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n"))
    }

    /// Installs the probe under this name, to do what it is told, with these capabilities and others lines of TOML.
    pub fn obedient(self, name: &str, capabilities: &[&str], lines: &str) -> Self {
        let mut wanted = vec!["register_rpc_endpoint"];
        wanted.extend(capabilities);
        self.probe_as(name, "obey").manifest(
            name,
            "capabilities = [\"subscribe_events\"]",
            &format!("capabilities = {wanted:?}\n{lines}"),
        )
    }
}

impl Rig {
    /// Where the interface listens: `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        let line = self.wait_for(&["Z core ", "serves JSON-RPC and metrics on "]);
        line.rsplit(' ').next().unwrap().trim().to_owned()
    }

    /// `<user>:<password>`, as curl's `--user` takes it.
    pub fn cookie(&self) -> String {
        fs::read_to_string(self.path().join("state/interface.cookie")).unwrap()
    }

    /// Runs curl with these arguments, for a path of the interface.
    pub fn curl(&self, path: &str, arguments: &[&str]) -> Answered {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        command.args(arguments).arg(format!("http://{}{path}", self.address())).stdin(Stdio::null());
        let output = command.output().expect("curl is installed: on Debian, apt-get install curl");
        assert!(output.status.success(), "{output:?}\n{}", self.lines().join("\n"));
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        Answered { status: status.parse().unwrap(), body: body.to_owned() }
    }

    /// Calls a JSON-RPC method by curl; the error is `<code>: <message>`.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, String> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answered = self.curl("/", &["--user", &self.cookie(), "--data", &request]);
        let mut answer: Value = serde_json::from_str(&answered.body).unwrap_or_else(|error| {
            panic!("{method}: {}: {error}: {}", answered.status, answered.body);
        });
        match answer.get("error").filter(|error| !error.is_null()) {
            Some(error) => Err(format!("{}: {}", error["code"], error["message"].as_str().unwrap())),
            None => Ok(answer["result"].take()),
        }
    }

    /// Waits until a probe takes orders.
    pub fn wait_until_it_obeys(&self, name: &str, nth: usize) {
        self.wait_for_nth(&[&format!("Z {name} "), "obeys "], nth);
    }

    /// Gives an order to a probe; what went wrong is the host's error.
    pub fn order(&self, name: &str, order: &Value) -> Result<Value, String> {
        self.call(&format!("{}_do", name.replace('-', "_")), order)
    }
}
