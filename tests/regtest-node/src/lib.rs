//! For tests: a real Bitcoin node on a private regression-test chain, with ports and a directory of its own.
//!
//! It needs `COFFERDAM_REGTEST_NODE`, the directory that `scripts/install-regtest-node.sh` fills, and fails
//! without it. It never connects to a network, and nothing of it outlives its test.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bitcoin::BlockHash;
use tempfile::TempDir;

/// A descriptor that anyone may spend. Blocks that pay to different ones differ even within a second.
pub const BRANCH_A: &str = "raw(51)";
/// Another descriptor that anyone may spend.
pub const BRANCH_B: &str = "raw(52)";

/// A node that runs until it is dropped.
#[derive(Debug)]
pub struct RegtestNode {
    programs: PathBuf,
    dir: TempDir,
    rpc: SocketAddr,
    zmq: SocketAddr,
    extra: Vec<&'static str>,
    child: Option<Child>,
}

impl RegtestNode {
    /// Starts a node with these options beside its own, on an empty chain.
    #[must_use]
    pub fn start(extra: &[&'static str]) -> Self {
        let programs = std::env::var_os("COFFERDAM_REGTEST_NODE").expect(
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

    /// Mines blocks that pay to this descriptor; gives their hashes, lowest first.
    pub fn mine(&self, blocks: usize, branch: &str) -> Vec<BlockHash> {
        let hashes = self.cli(&["generatetodescriptor", &blocks.to_string(), branch]);
        serde_json::from_str(&hashes).unwrap()
    }

    /// Where the node writes its cookie, anew at every start.
    #[must_use]
    pub fn cookie_file(&self) -> PathBuf {
        self.dir.path().join("regtest/.cookie")
    }

    /// Where it answers calls.
    #[must_use]
    pub fn rpc(&self) -> SocketAddr {
        self.rpc
    }

    /// Where it publishes `sequence`.
    #[must_use]
    pub fn zmq(&self) -> SocketAddr {
        self.zmq
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
