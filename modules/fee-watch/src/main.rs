//! Watches the mempool: keeps the fee rates of the latest transactions, answers two JSON-RPC methods, reports metrics.
//!
//! It never stops because of one event or one call: what goes wrong is logged and the next thing is done. It ends
//! when the node shuts down or the connection to the host is gone. It keeps at most `window` numbers.

mod report;
mod settings;
mod statistics;

use std::process::ExitCode;

use cofferdam_sdk::{
    Args, EventPayload, EventType, INVALID_PARAMS, Invocation, InvocationPayload, LogLevel, METHOD_NOT_FOUND,
    ModuleIntegration, ModuleMessage, NodeApi, SdkError,
};
use serde_json::{Value, json};

use report::Reporter;
use settings::Settings;
use statistics::Statistics;

const NAME: &str = "fee-watch";
/// The label of the timer.
const REFRESH: &str = "refresh";
/// The estimate that is given to a caller who names no target, in blocks.
const DEFAULT_TARGET: u32 = 6;

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
    let module_id = args.module_id.unwrap_or_else(|| NAME.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut integration =
        ModuleIntegration::connect(args.socket_path, module_id, NAME.to_owned(), version).await?;
    let node = integration.node_api();
    let (settings, complaints) = Settings::from(&cofferdam_sdk::module_config());
    for complaint in complaints {
        node.log(LogLevel::Error, complaint).await?;
    }

    let wanted = vec![EventType::MempoolTransactionAdded, EventType::NewBlock];
    integration.subscribe_events(wanted).await?;
    let estimate = "The node's fee estimate and what recent transactions pay; takes [target_blocks]";
    node.register_rpc_endpoint("estimate".to_owned(), estimate.to_owned()).await?;
    let summary = "The mempool's size and the fee rates of recent transactions; takes nothing";
    node.register_rpc_endpoint("summary".to_owned(), summary.to_owned()).await?;
    node.register_timer(settings.refresh_ms(), REFRESH.to_owned()).await?;

    let watch = Watch { node, statistics: Statistics::new(settings.window), reporter: Reporter::default() };
    watch.follow(&integration).await
}

/// The node on one side, the numbers on the other.
struct Watch {
    node: NodeApi,
    statistics: Statistics,
    reporter: Reporter,
}

impl Watch {
    /// Takes events and invocations until the host ends either.
    async fn follow(mut self, integration: &ModuleIntegration) -> Result<(), SdkError> {
        let mut events = integration.event_receiver();
        let mut invocations = integration.invocation_receiver();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(ModuleMessage::Event(event)) => {
                        if let EventPayload::NodeShutdown { .. } = event.payload {
                            return Ok(());
                        }
                        self.take(&event.payload);
                    }
                    _ => return Ok(()),
                },
                invocation = invocations.recv() => match invocation {
                    Some(invocation) => self.serve(invocation).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn take(&mut self, event: &EventPayload) {
        if let EventPayload::MempoolTransactionAdded { fee_sats, virtual_bytes, .. } = event {
            self.statistics.add(*fee_sats, *virtual_bytes);
        } else if let EventPayload::NewBlock { height, .. } = event {
            self.statistics.connected(*height);
        } else if let EventPayload::EventsDropped { count, .. } = event {
            self.statistics.missed(*count);
        }
    }

    /// Answers an invocation.
    ///
    /// # Errors
    /// Only what ends the module: that the connection is gone.
    async fn serve(&mut self, invocation: Invocation) -> Result<(), SdkError> {
        if let InvocationPayload::TimerFired { .. } = invocation.payload() {
            return self.refresh().await;
        }
        let InvocationPayload::RpcCall { method, params } = invocation.payload() else { return Ok(()) };
        match self.answer(method, params).await {
            Ok(answer) => invocation.answer(answer.to_string()),
            Err((code, message)) => invocation.fail(code, message),
        }
    }

    async fn answer(&self, method: &str, params: &str) -> Result<Value, (i32, String)> {
        match method {
            "estimate" => Ok(self.estimate(target(params)?).await),
            "summary" => Ok(self.summary().await),
            _ => Err((METHOD_NOT_FOUND, format!("there is no {method}, only estimate and summary"))),
        }
    }

    /// The node's estimate, or why it has none, beside what is paid at present.
    async fn estimate(&self, target_blocks: u32) -> Value {
        let node = match self.node.get_fee_estimate(target_blocks).await {
            Ok(estimate) => json!({
                "msats_per_vbyte": estimate.msats_per_vbyte,
                "target_blocks": estimate.target_blocks,
                "simulated": estimate.simulated,
            }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        json!({ "node": node, "recent": self.statistics.to_json() })
    }

    async fn summary(&self) -> Value {
        let mempool = match self.node.get_mempool_size().await {
            Ok(size) => json!({
                "transactions": size.transactions,
                "virtual_bytes": size.virtual_bytes,
                "total_fee_sats": size.total_fee_sats,
                "min_fee_msats_per_vbyte": size.min_fee_msats_per_vbyte,
            }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        json!({ "mempool": mempool, "recent": self.statistics.to_json(), "height": self.statistics.height() })
    }

    async fn refresh(&mut self) -> Result<(), SdkError> {
        match self.reporter.report(&self.node, &mut self.statistics).await {
            Err(error @ SdkError::Closed { .. }) => Err(error),
            Err(error) => self.node.log(LogLevel::Warn, format!("metrics were not reported: {error}")).await,
            Ok(()) => Ok(()),
        }
    }
}

/// The target of an estimate: `[6]`, `{"target_blocks": 6}`, or nothing.
fn target(params: &str) -> Result<u32, (i32, String)> {
    let wrong =
        |problem: &str| (INVALID_PARAMS, format!("{problem}; give [target_blocks], a number from 1 to 1008"));
    let params: Value = serde_json::from_str(params).map_err(|_| wrong("the parameters are not JSON"))?;
    let Some(given) = params.get(0).or_else(|| params.get("target_blocks")) else {
        let nothing = params.is_null() || params.as_array().is_some_and(Vec::is_empty);
        return if nothing { Ok(DEFAULT_TARGET) } else { Err(wrong("there is no target_blocks")) };
    };
    let target = given.as_u64().and_then(|target| u32::try_from(target).ok());
    target.filter(|target| (1..=1008).contains(target)).ok_or_else(|| wrong("target_blocks cannot be used"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_by_place_or_by_name_and_has_a_default() {
        for (params, expected) in
            [("[3]", 3), (r#"{"target_blocks":144}"#, 144), ("null", DEFAULT_TARGET), ("[]", DEFAULT_TARGET)]
        {
            assert_eq!(target(params), Ok(expected), "{params}");
        }
    }

    #[test]
    fn any_other_target_is_an_error_that_says_what_to_give() {
        for params in ["", "[0]", "[1009]", "[-1]", "[1.5]", "[\"6\"]", "{\"blocks\":6}", "7"] {
            let (code, message) = target(params).expect_err(params);
            assert_eq!(code, INVALID_PARAMS);
            assert!(message.contains("1 to 1008"), "{message}");
        }
    }
}
