use std::os::fd::OwnedFd;

use cofferdam_control::{Ask, CoreSettings, End, Usage};
use cofferdam_manifest::Capability;
use cofferdam_protocol::BlockHash;
use cofferdam_protocol::calls::{GetBlock, GetBlockHeight, SubscribeEvents};
use cofferdam_protocol::{BoundedVec, EventPayload, EventType, ModuleMessage, ResponsePayload};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::control_link::fake::FakeLauncher;
use crate::session::tests::peer::{Peer, hello, limits};
use cofferdam_log::captured::Captured;

mod tools;

const MODULE: &str = "block-watch";

struct Core {
    launcher: FakeLauncher,
    running: JoinHandle<Result<(), CoreError>>,
    _state: TempDir,
}

fn no_settings() -> CoreSettings {
    CoreSettings { interface: None, lightning: None, redact_peers: false, watched: None }
}

fn entry() -> RosterEntry {
    RosterEntry {
        name: MODULE.parse().unwrap(),
        version: "1.0.0".to_owned(),
        granted: vec![Capability::ReadChainState, Capability::SubscribeEvents],
        requires: Vec::new(),
        publishes: Vec::new(),
        files: None,
        limits: limits(),
    }
}

/// A core that has its roster of one module and is ready.
async fn core(block_interval_ms: u64) -> Core {
    let core = core_of(entry(), no_settings(), None, block_interval_ms);
    assert_eq!(core.launcher.asked().await, Ask::Ready);
    core
}

/// A core that was sent its roster of one module.
fn core_of(
    module: RosterEntry,
    settings: CoreSettings,
    socket: Option<OwnedFd>,
    block_interval_ms: u64,
) -> Core {
    let state = tempfile::tempdir().unwrap();
    let (launcher, core_end) = FakeLauncher::new();
    let state_dir = state.path().to_owned();
    let running = tokio::spawn(async move { serve_launcher(core_end, &state_dir, Handle::current()).await });
    let node = NodeSettings::Embedded { block_interval_ms };
    let roster = Report::Roster { modules: vec![module], node, restart: Restart::OnFailure, settings };
    launcher.report(&roster, &socket.iter().collect::<Vec<_>>());
    Core { launcher, running, _state: state }
}

impl Core {
    /// Plays the start of the module; gives its end of the connection.
    async fn start_module(&self) -> Peer {
        assert_eq!(self.launcher.asked().await, Ask::Start { module: MODULE.parse().unwrap() });
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let started = Report::Started { module: MODULE.parse().unwrap() };
        self.launcher.report(&started, &[&OwnedFd::from(theirs)]);
        ours.set_nonblocking(true).unwrap();
        Peer::over(UnixStream::from_std(ours).unwrap())
    }

    async fn open_module(&self) -> Peer {
        let mut peer = self.start_module().await;
        peer.send_hello(hello()).await;
        assert!(matches!(peer.next().await, Some(ModuleMessage::Welcome(_))));
        peer
    }

    fn exited(&self, end: End) {
        self.launcher.report(&Report::Exited { module: MODULE.parse().unwrap(), end }, &[]);
    }

    async fn end(self) -> Result<(), CoreError> {
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn a_module_is_served_from_its_start_to_a_clean_shutdown() {
    let (log, _guard) = Captured::start();
    let core = core(0).await;
    let mut peer = core.open_module().await;
    peer.call(1, GetBlockHeight {}).await;
    assert_eq!(peer.response().await, (1, Ok(ResponsePayload::GetBlockHeight(0))));
    core.launcher.report(&Report::Shutdown { grace_ms: 600_000 }, &[]);
    assert_eq!(peer.event().await.payload, EventPayload::NodeShutdown { grace_ms: 600_000 });
    drop(peer);
    core.exited(End::Exited { status: 0 });
    assert_eq!(core.launcher.asked().await, Ask::Stopped);
    core.end().await.unwrap();
    for line in [
        "ready; modules: 1; node: development chain, not Bitcoin (development)\n",
        "block-watch: connected\n",
        "shutting down: modules have 600000 ms to end\n",
    ] {
        assert!(log.text().contains(line), "{line} is not in\n{}", log.text());
    }
}

#[tokio::test]
async fn new_blocks_reach_who_subscribed_and_the_operators_log() {
    let (log, _guard) = Captured::start();
    let core = core(5).await;
    let mut peer = core.open_module().await;
    let event_types = BoundedVec::new(vec![EventType::NewBlock]).unwrap();
    peer.call(1, SubscribeEvents { event_types, resume_after: None }).await;
    assert!(peer.response().await.1.is_ok());
    let first = peer.event().await;
    let second = peer.event().await;
    let (EventPayload::NewBlock { height, .. }, EventPayload::NewBlock { height: next, hash, .. }) =
        (first.payload, second.payload)
    else {
        panic!("no blocks")
    };
    assert_eq!(next, height + 1);
    assert!(log.text().contains(&format!("new block {hash} at height {next}\n")), "{}", log.text());
}

#[tokio::test]
async fn a_module_that_does_not_end_is_waited_for_no_longer_than_the_grace_period() {
    let core = core(0).await;
    let _peer = core.open_module().await;
    core.launcher.report(&Report::Shutdown { grace_ms: 20 }, &[]);
    assert_eq!(core.launcher.asked().await, Ask::Stopped);
    core.end().await.unwrap();
}

#[tokio::test]
async fn a_module_that_breaks_the_protocol_is_stopped_and_the_core_goes_on() {
    let core = core(0).await;
    let mut peer = core.open_module().await;
    peer.write(&u32::MAX.to_be_bytes()).await;
    assert_eq!(core.launcher.asked().await, Ask::Stop { module: MODULE.parse().unwrap() });
    core.exited(End::Stopped);
    let mut again = core.open_module().await;
    again.call(1, GetBlockHeight {}).await;
    assert!(again.response().await.1.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_outlive_its_process_whoever_holds_the_connection() {
    let core = core(0).await;
    let mut held = core.open_module().await;
    core.exited(End::Signaled { signal: 9 });
    let end = tokio::time::timeout(std::time::Duration::from_secs(60), held.next()).await;
    assert_eq!(end.unwrap(), None);
    let mut again = core.open_module().await;
    again.call(1, GetBlockHeight {}).await;
    assert!(again.response().await.1.is_ok());
}

#[tokio::test]
async fn use_of_limits_is_logged_under_the_modules_name() {
    let (log, _guard) = Captured::start();
    let core = core(0).await;
    let peer = core.open_module().await;
    let usage = Some(Usage {
        memory_bytes: 2 << 20,
        cpu_us: 3000,
        tasks: 4,
        memory_limit_hits: 0,
        task_limit_hits: 0,
        throttled_us: 0,
    });
    core.launcher.report(&Report::Usage { module: MODULE.parse().unwrap(), usage }, &[]);
    core.launcher.report(&Report::Shutdown { grace_ms: 600_000 }, &[]);
    drop(peer);
    core.exited(End::Exited { status: 0 });
    core.end().await.unwrap();
    let line = "block-watch: uses 2048 KiB of memory, 3 ms of processor time so far, 4 threads\n";
    assert!(log.text().contains(line), "{line} is not in\n{}", log.text());
}

#[tokio::test]
async fn the_core_ends_when_the_launcher_is_gone() {
    let core = core(0).await;
    let Core { launcher, running, _state } = core;
    drop(launcher);
    assert!(matches!(running.await.unwrap(), Err(CoreError::Link(LinkError::LauncherGone))));
}

#[tokio::test]
async fn whatever_comes_before_the_roster_ends_the_core() {
    let (launcher, socket) = FakeLauncher::new();
    let state = tempfile::tempdir().unwrap();
    launcher.report(&Report::Shutdown { grace_ms: 1 }, &[]);
    assert!(matches!(
        serve_launcher(socket, state.path(), Handle::current()).await,
        Err(CoreError::NoRoster)
    ));
}

#[tokio::test]
async fn a_damaged_chain_is_told_once_and_with_its_place_outside_the_sandbox() {
    let (log, _guard) = Captured::start();
    let (launcher, socket) = FakeLauncher::new();
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(state.path().join("chain")).unwrap();
    std::fs::write(state.path().join("chain/blocks.dat"), "these are the notes of somebody else").unwrap();
    let node = NodeSettings::Embedded { block_interval_ms: 0 };
    launcher.report(
        &Report::Roster { modules: Vec::new(), node, restart: Restart::OnFailure, settings: no_settings() },
        &[],
    );
    tell(&serve_launcher(socket, state.path(), Handle::current()).await.unwrap_err());
    assert_eq!(log.text().matches("no block file").count(), 1, "{}", log.text());
    assert!(log.text().contains("<state_dir>/core/chain/blocks.dat"), "{}", log.text());
}

#[tokio::test]
async fn a_refused_call_is_told_to_the_launcher_for_the_audit_log() {
    let core = core(0).await;
    let mut peer = core.open_module().await;
    peer.call(1, GetBlock { hash: BlockHash::from_bytes([1; 32]) }).await;
    assert!(peer.response().await.1.is_err());
    let denied = Ask::Denied {
        module: MODULE.parse().unwrap(),
        call: "get_block".to_owned(),
        needs: "read_blockchain".to_owned(),
        more: 0,
    };
    assert_eq!(core.launcher.asked().await, denied);
}

#[tokio::test]
async fn a_module_whose_grants_make_no_sense_is_not_started_and_the_log_says_why() {
    for (event, why) in
        [("NoSuchEvent", "`NoSuchEvent` is not an event type"), ("NewBlock", "comes from the host")]
    {
        let (log, _guard) = Captured::start();
        let module = RosterEntry { publishes: vec![event.to_owned()], ..entry() };
        let core = core_of(module, no_settings(), None, 0);
        assert_eq!(core.launcher.asked().await, Ask::Ready);
        // Had it been started, the core would have asked for that first.
        core.launcher.report(&Report::Shutdown { grace_ms: 600_000 }, &[]);
        assert_eq!(core.launcher.asked().await, Ask::Stopped);
        core.end().await.unwrap();
        let line = log.text();
        assert!(line.contains("block-watch: not started: publish_events: ") && line.contains(why), "{line}");
    }
}

#[tokio::test]
async fn modules_are_told_what_others_do() {
    let core = core(0).await;
    let mut peer = core.open_module().await;
    let event_types = BoundedVec::new(vec![EventType::ModuleStateChanged, EventType::ModuleStopped]).unwrap();
    peer.call(1, SubscribeEvents { event_types, resume_after: None }).await;
    assert!(peer.response().await.1.is_ok());
    core.exited(End::Signaled { signal: 9 });
    let stopped = EventPayload::ModuleStopped { name: MODULE.to_owned() };
    loop {
        if peer.event().await.payload == stopped {
            break;
        }
    }
    let state = cofferdam_protocol::modules::ModuleState::Restarting;
    assert_eq!(
        peer.event().await.payload,
        EventPayload::ModuleStateChanged { name: MODULE.to_owned(), state }
    );
}

#[tokio::test]
async fn a_module_that_met_its_limit_is_told_of_to_who_subscribed() {
    let core = core(0).await;
    let mut peer = core.open_module().await;
    let event_types = BoundedVec::new(vec![EventType::ResourceLimitWarning]).unwrap();
    peer.call(1, SubscribeEvents { event_types, resume_after: None }).await;
    assert!(peer.response().await.1.is_ok());
    for memory_limit_hits in [0, 0, 2] {
        let usage = Some(Usage {
            memory_bytes: 1,
            cpu_us: 1,
            tasks: 1,
            memory_limit_hits,
            task_limit_hits: 0,
            throttled_us: 0,
        });
        core.launcher.report(&Report::Usage { module: MODULE.parse().unwrap(), usage }, &[]);
    }
    let warning = peer.event().await.payload;
    assert!(matches!(warning, EventPayload::ResourceLimitWarning { used: 2, .. }), "{warning:?}");
}

#[tokio::test]
async fn a_module_whose_name_is_that_of_the_host_is_not_started() {
    for name in ["host", "Host"] {
        let (log, _guard) = Captured::start();
        let module = RosterEntry { name: name.parse().unwrap(), ..entry() };
        let core = core_of(module, no_settings(), None, 0);
        assert_eq!(core.launcher.asked().await, Ask::Ready);
        core.launcher.report(&Report::Shutdown { grace_ms: 1000 }, &[]);
        assert_eq!(core.launcher.asked().await, Ask::Stopped);
        core.end().await.unwrap();
        let line = format!("{name}: not started: modules are told that the host itself is `host`");
        assert!(log.text().contains(&line), "{}", log.text());
    }
}
