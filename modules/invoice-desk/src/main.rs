//! Keeps invoices: each names a script to pay to, which output-watch watches for it, and is settled when that module
//! tells of enough. It also answers for the state of payments, where the operator names it in `modules.lightning`.
//!
//! It never holds a key and never looks at the chain itself: what is paid is output-watch's word, by the host's stamp
//! on the event or by that module's answer to a call. What another module publishes settles nothing.

mod answers;
mod desk;
mod error;
mod invoice;
mod watcher;

use std::collections::BTreeMap;
use std::process::ExitCode;

use cofferdam_sdk::modules::{ModuleApi, ModuleMethod};
use cofferdam_sdk::{
    Args, BoundedVec, EventPayload, EventType, Invocation, InvocationPayload, LogLevel, ModuleIntegration,
    ModuleMessage, NodeApi, lightning,
};

use desk::Desk;
use error::DeskError;

const NAME: &str = "invoice-desk";

/// The label of the timer.
const RECONCILE: &str = "reconcile";

/// For callers of the operator's interface.
const RPC_METHODS: [(&str, &str); 3] = [
    ("create", "Makes an invoice; takes [address or script, satoshis, memo]"),
    ("get", "One invoice; takes [id]"),
    ("list", "Invoices in the order of their ids, 50 at a time; takes [after id]"),
];

/// For other modules and the host.
const MODULE_METHODS: [(&str, &str); 2] = [
    (
        "describe",
        "What a script in hexadecimal is for: an invoice's id, memo and amount, or null; takes [script]",
    ),
    (lightning::PAYMENT_STATE_METHOD, "The state of an invoice, for the host; takes its id as a JSON string"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), DeskError> {
    let module_id = args.module_id.unwrap_or_else(|| NAME.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut integration =
        ModuleIntegration::connect(args.socket_path, module_id, NAME.to_owned(), version).await?;
    let node = integration.node_api();
    let interval_ms = reconcile_ms(&cofferdam_sdk::module_config())?;
    // What is verified from here on is heard; what was before is asked for.
    integration.subscribe_events(vec![EventType::PaymentVerified]).await?;
    let mut desk = Desk::open(node.clone()).await?;
    desk.reconcile().await?;
    node.register_timer(interval_ms, RECONCILE.to_owned()).await?;
    offer(&node).await?;
    node.log(LogLevel::Info, format!("open, with {} invoices", desk.len())).await?;

    let mut events = integration.event_receiver();
    let mut invocations = integration.invocation_receiver();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(ModuleMessage::Event(event)) => {
                    if let EventPayload::NodeShutdown { .. } = event.payload {
                        return Ok(());
                    } else if let EventPayload::PaymentVerified(published) = event.payload {
                        desk.hear(&published).await?;
                    } else if let EventPayload::EventsDropped { .. } = event.payload {
                        desk.reconcile().await?;
                    }
                }
                _ => return Ok(()),
            },
            invocation = invocations.recv() => match invocation {
                Some(invocation) => take(&mut desk, invocation).await?,
                None => return Ok(()),
            },
        }
    }
}

async fn take(desk: &mut Desk, invocation: Invocation) -> Result<(), DeskError> {
    if let InvocationPayload::TimerFired { .. } = invocation.payload() {
        return desk.reconcile().await;
    }
    answers::serve(desk, invocation).await
}

/// The interval of the timer, in milliseconds.
fn reconcile_ms(config: &BTreeMap<String, String>) -> Result<u64, DeskError> {
    let text = config.get("reconcile_seconds").map_or("60", String::as_str);
    let seconds = text.parse::<u64>().ok().filter(|seconds| (1..=3600).contains(seconds));
    let wrong = || DeskError::Setting { key: "reconcile_seconds", value: text.to_owned() };
    Ok(seconds.ok_or_else(wrong)?.saturating_mul(1000))
}

async fn offer(node: &NodeApi) -> Result<(), DeskError> {
    for (name, description) in RPC_METHODS {
        node.register_rpc_endpoint(name.to_owned(), description.to_owned()).await?;
    }
    let method = |(name, description): (&str, &str)| ModuleMethod {
        name: name.to_owned(),
        description: description.to_owned(),
    };
    let api = ModuleApi {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        methods: BoundedVec::truncated(MODULE_METHODS.map(method)),
        callers: BoundedVec::default(),
    };
    Ok(node.register_module_api(api).await?)
}
