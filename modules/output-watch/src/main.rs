//! Watches scripts on the chain: keeps an index of the outputs that pay to them, undoes it exactly when blocks leave
//! the best chain, goes on after a restart where it stopped, and tells of payments that are confirmed.
//!
//! An event is only a reason to look: what is scanned is the chain as the node has it, so that lost events cost
//! nothing. It ends when its index cannot be kept, because an index with holes is worse than none.

mod answers;
mod book;
mod error;
mod follow;
mod index;
mod script;
mod settings;

use std::process::ExitCode;

use cofferdam_sdk::modules::{ModuleApi, ModuleMethod};
use cofferdam_sdk::{
    Args, BoundedVec, EventPayload, EventType, LogLevel, ModuleIntegration, ModuleMessage, NodeApi,
};

use error::WatchError;
use follow::Follower;
use settings::Settings;

const NAME: &str = "output-watch";

/// The methods, for callers of the operator's interface and for other modules.
const METHODS: [(&str, &str); 3] = [
    ("watch", "Watches an address, or a script in hexadecimal, from the next block on; takes [address]"),
    ("balance", "What is unspent of an address or a script, in satoshis; takes [address]"),
    ("outputs", "Outputs that pay to an address or a script, 500 at a time; takes [address, after]"),
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

async fn run(args: Args) -> Result<(), WatchError> {
    let module_id = args.module_id.unwrap_or_else(|| NAME.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut integration =
        ModuleIntegration::connect(args.socket_path, module_id, NAME.to_owned(), version).await?;
    let node = integration.node_api();
    let chain = node.get_chain_info().await?.chain;
    let settings = Settings::from(&cofferdam_sdk::module_config(), &chain)?;
    let wanted = [EventType::NewBlock, EventType::BlockDisconnected];
    integration.subscribe_events(wanted.to_vec()).await?;
    let mut follower = Follower::open(node.clone(), settings).await?;
    follower.catch_up().await?;
    offer(&node).await?;
    node.log(LogLevel::Info, format!("the index is at block {}", follower.height())).await?;

    let mut events = integration.event_receiver();
    let mut invocations = integration.invocation_receiver();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(ModuleMessage::Event(event)) => {
                    if let EventPayload::NodeShutdown { .. } = event.payload {
                        return Ok(());
                    }
                    follower.catch_up().await?;
                }
                _ => return Ok(()),
            },
            invocation = invocations.recv() => match invocation {
                Some(invocation) => answers::serve(&mut follower, invocation).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Offers the methods; the index has caught up by then.
async fn offer(node: &NodeApi) -> Result<(), WatchError> {
    for (name, description) in METHODS {
        node.register_rpc_endpoint(name.to_owned(), description.to_owned()).await?;
    }
    let method = |(name, description): (&str, &str)| ModuleMethod {
        name: name.to_owned(),
        description: description.to_owned(),
    };
    let api = ModuleApi {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        methods: BoundedVec::truncated(METHODS.map(method)),
        callers: BoundedVec::default(),
    };
    Ok(node.register_module_api(api).await?)
}
