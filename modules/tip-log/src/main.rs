//! Logs the height and the hash of every new block: the smallest module that does something.

use std::process::ExitCode;

use cofferdam_sdk::{Args, EventPayload, EventType, LogLevel, ModuleIntegration, ModuleMessage, SdkError};

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

async fn run(args: Args) -> Result<(), SdkError> {
    let name = "tip-log".to_string();
    let module_id = args.module_id.unwrap_or_else(|| name.clone());
    let version = env!("CARGO_PKG_VERSION").to_string();
    let mut integration = ModuleIntegration::connect(args.socket_path, module_id, name, version).await?;

    integration.subscribe_events(vec![EventType::NewBlock]).await?;
    let node_api = integration.node_api();
    let mut events = integration.event_receiver();
    while let Some(ModuleMessage::Event(event)) = events.recv().await {
        if let EventPayload::NewBlock { hash, height, .. } = event.payload {
            node_api.log(LogLevel::Info, format!("block {height} {hash}")).await?;
        } else if let EventPayload::NodeShutdown { .. } = event.payload {
            break;
        }
    }
    Ok(())
}
