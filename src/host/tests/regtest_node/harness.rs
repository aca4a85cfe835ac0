//! A private regtest node for one test: ports and directory of its own, stopped when dropped.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::BlockHash;
use cofferdam_host::node::bitcoind::CookieFile;
use cofferdam_host::node::{
    Bitcoind, BitcoindSettings, Chain, ChainEvent, Credentials, Following, Node, NodeStatus,
};
use tempfile::TempDir;

/// How long a test waits for what must happen; only a failing test takes it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Anyone may spend these; blocks that pay to different scripts differ even within a second.
pub const BRANCH_A: &str = "raw(51)";
pub const BRANCH_B: &str = "raw(52)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    Zmq,
    Polling,
}

pub struct RegtestNode {
    programs: PathBuf,
    dir: TempDir,
    rpc: SocketAddr,
    zmq: SocketAddr,
    extra: Vec<&'static str>,
    child: Option<Child>,
}

impl RegtestNode {
    pub fn start(extra: &[&'static str]) -> Self {
        let programs: OsString = std::env::var_os("COFFERDAM_REGTEST_NODE").expect(
            "COFFERDAM_REGTEST_NODE is not set: run scripts/install-regtest-node.sh and set it to the directory \
             the script names (it has bin/bitcoind)",
        );
        let programs = PathBuf::from(programs).join("bin");
        let [rpc, zmq] = free_addresses();
        let dir = tempfile::tempdir().unwrap();
        let mut node = Self { programs, dir, rpc, zmq, extra: extra.to_vec(), child: None };
        node.launch();
        node
    }

    /// Starts the node on its directory and waits until it answers.
    pub fn launch(&mut self) {
        let child = Command::new(self.programs.join("bitcoind"))
            .args(["-regtest", "-server=1", "-disablewallet=1", "-listen=0", "-connect=0", "-dnsseed=0"])
            .args(["-fixedseeds=0", "-discover=0", "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1"])
            .arg(format!("-datadir={}", self.dir.path().display()))
            .arg(format!("-rpcport={}", self.rpc.port()))
            .arg(format!("-zmqpubsequence=tcp://{}", self.zmq))
            .args(&self.extra)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.cli(&["-rpcwait", "-rpcwaittimeout=60", "getblockcount"]);
    }

    /// Stops the node in good order.
    pub fn stop(&mut self) {
        self.cli(&["stop"]);
        self.child.take().unwrap().wait().unwrap();
    }

    /// Ends the node as a crash would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Runs `bitcoin-cli`; gives what it prints.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new(self.programs.join("bitcoin-cli"))
            .arg("-regtest")
            .arg(format!("-datadir={}", self.dir.path().display()))
            .arg(format!("-rpcport={}", self.rpc.port()))
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn mine(&self, blocks: usize, branch: &str) -> Vec<BlockHash> {
        let hashes = self.cli(&["generatetodescriptor", &blocks.to_string(), branch]);
        serde_json::from_str(&hashes).unwrap()
    }

    pub fn cookie(&self) -> CookieFile {
        CookieFile(self.dir.path().join("regtest/.cookie"))
    }

    pub fn settings(&self, notify: Notify) -> BitcoindSettings {
        BitcoindSettings {
            rpc: self.rpc,
            zmq: (notify == Notify::Zmq).then_some(self.zmq),
            chain: Chain::Regtest,
            // Far apart where ZMQ tells of blocks: a test that passes cannot owe it to polling.
            poll_interval: Duration::from_millis(if notify == Notify::Zmq { 600_000 } else { 50 }),
        }
    }

    pub fn client(&self, notify: Notify) -> Node {
        self.client_with(self.settings(notify), Arc::new(self.cookie()))
    }

    pub fn client_with(&self, settings: BitcoindSettings, credentials: Arc<dyn Credentials>) -> Node {
        Node::Bitcoind(Bitcoind::new(settings, credentials))
    }
}

impl Drop for RegtestNode {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing in the directory outlives the test, so there is nothing to save.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Two addresses nobody listens at: held together while they are chosen, so they differ.
fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// Waits until the node has been heard.
pub async fn ready(following: &mut Following) {
    let ready = following.status.wait_for(|status| matches!(status, NodeStatus::Ready { .. }));
    let seen = tokio::time::timeout(PATIENCE, ready).await.map(|status| status.map(|_| ()));
    assert!(matches!(seen, Ok(Ok(()))), "the node did not get ready: {:?}", following.status.borrow());
}

/// The next events, as letters and hashes.
pub async fn events(following: &mut Following, count: usize) -> Vec<ChainEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, following.events.recv()).await;
        let event = next.unwrap_or_else(|_| panic!("only {events:?}; {:?}", following.status.borrow()));
        events.push(event.expect("the follower ended"));
    }
    events
}

/// The hashes of events that must all be `Connected`, each at the height after the one before.
pub fn connected(events: &[ChainEvent], first_height: u32) -> Vec<BlockHash> {
    let blocks = events.iter().zip(first_height..).map(|(event, expected)| match event {
        ChainEvent::Connected { hash, height, header }
            if *height == expected && header.block_hash() == *hash =>
        {
            *hash
        }
        other => panic!("expected a block connected at {expected}, got {other:?}"),
    });
    blocks.collect()
}
