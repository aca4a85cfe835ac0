use cofferdam_protocol::{EventMessage, EventPayload, ModuleMessage, RemovalReason};

use super::*;
use crate::api::tests::node::spend;
use crate::session::tests::peer::Stage;
use crate::storage::disk::Disk;

fn samplers(stage: &Stage, hub: &Arc<Hub>) -> Samplers {
    Samplers {
        node: Node::Embedded(stage.node.clone()),
        hub: Arc::clone(hub),
        tip: watch::Sender::new(None).subscribe(),
        status: watch::Sender::new(NodeStatus::Starting).subscribe(),
        modules: Arc::default(),
        state_dir: PathBuf::from("/"),
        addresses: Addresses::Redacted,
        broadcasts: Arc::default(),
        files: Arc::new(DataDirectories::new(&[], &Disk::new())),
        quotas: Arc::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sampled_is_looked_at_as_long_as_somebody_wants_it_and_no_longer() {
    let stage = Stage::new().await;
    let hub = Hub::new(0);
    let running = tokio::spawn(samplers(&stage, &hub).run());
    let published = || hub.publish(EventPayload::ModuleStarted { name: "a".to_owned() }).unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(published(), 1, "nobody wants anything, and nothing was published");

    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[EventType::HealthCheck], None).unwrap();
    for _ in 0..3 {
        module.mailbox().next().await;
    }
    drop(module);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let then = published();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(published(), then + 1, "it ended with the session");

    let again = hub.attach();
    hub.subscribe(again.mailbox(), &[EventType::HealthCheck], None).unwrap();
    again.mailbox().next().await;
    running.abort();
}

async fn heard(module: &crate::events::Attachment) -> EventMessage {
    let frame = module.mailbox().next().await;
    let decoded = cofferdam_protocol::decode(&frame[4..]).unwrap();
    let ModuleMessage::Event(event) = decoded else { panic!("{decoded:?}") };
    event
}

#[tokio::test]
async fn a_transaction_is_told_when_it_comes_and_when_a_block_takes_it() {
    let stage = Stage::new().await;
    stage.node.mine(150).await.unwrap();
    let hub = Hub::new(0);
    let running = tokio::spawn(samplers(&stage, &hub).run());
    let module = hub.attach();
    let types = [EventType::NewTransaction, EventType::MempoolTransactionRemoved];
    hub.subscribe(module.mailbox(), &types, None).unwrap();
    let node = Node::Embedded(stage.node.clone());
    // The feed begins some time after the subscription, and tells what comes after that.
    let mut told = None;
    for height in 1..50 {
        let transaction = spend(&stage.node, height).await;
        node.submit_transaction(&bitcoin::consensus::serialize(&transaction)).await.unwrap();
        let came = tokio::time::timeout(Duration::from_millis(200), heard(&module)).await;
        if let Ok(came) = came {
            told = Some((transaction.compute_txid(), came));
            break;
        }
    }
    let (txid, came) = told.unwrap();
    let EventPayload::NewTransaction { txid: told, fee_sats, .. } = came.payload else { panic!("{came:?}") };
    assert_eq!((told, fee_sats), (txid.into(), Some(1000)));
    let block = stage.node.mine(1).await.unwrap();
    let reason = RemovalReason::Confirmed { block: block.hash.into() };
    let removed = EventPayload::MempoolTransactionRemoved { txid: txid.into(), reason };
    while heard(&module).await.payload != removed {}
    running.abort();
}

#[tokio::test]
async fn files_that_a_module_writes_by_itself_are_counted_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    for name in 0..8 {
        std::fs::write(dir.path().join(name.to_string()), "x").unwrap();
    }
    let entry = cofferdam_control::RosterEntry {
        name: "wallet".parse().unwrap(),
        version: "1.0.0".to_owned(),
        granted: Vec::new(),
        requires: Vec::new(),
        publishes: Vec::new(),
        files: Some(dir.path().to_owned()),
        limits: cofferdam_control::CoreLimits { file_count: 10, ..crate::session::tests::peer::limits() },
    };
    let (hub, files, quotas) = (Hub::new(0), DataDirectories::new(&[entry], &Disk::new()), Quotas::default());
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[EventType::ResourceLimitWarning], None).unwrap();
    let frame = tokio::select! {
        () = files::look(&hub, &files, &quotas) => unreachable!("it looks for ever"),
        frame = module.mailbox().next() => frame,
    };
    let ModuleMessage::Event(EventMessage { payload, .. }) = cofferdam_protocol::decode(&frame[4..]).unwrap()
    else {
        panic!("no event")
    };
    let warning = EventPayload::ResourceLimitWarning {
        module: "wallet".to_owned(),
        resource: "file_count".to_owned(),
        used: 8,
        limit: 10,
    };
    assert_eq!(payload, warning);
}
