//! Does what callers tell it, by its JSON-RPC method `do` and its module method of the same name: `[verb, ...]` is one
//! call of the node API, or one act in its own sandbox. It never tries again and never hides an error.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_sdk::modules::{ModuleApi, ModuleMethod};
use cofferdam_sdk::{
    BoundedVec, EventMessage, EventTypes, Invocation, InvocationPayload, ModuleMessage, NodeApi, SdkError,
};
use cofferdam_sdk::{EventPayload, EventType, ModuleIntegration};
use serde_json::{Value, json};

use crate::{connect, failed};

/// The code of every fault.
const FAULT: i32 = 1;

/// The one method.
const DO: &str = "do";

/// What came without being asked for.
#[derive(Debug, Default)]
struct Arrived {
    events: Mutex<Vec<Value>>,
    /// How often each timer and task fired, by its label.
    fired: Mutex<BTreeMap<String, u64>>,
}

/// Why an order was not carried out: the host's error as it is, so that a test can tell one from the other.
struct Fault(String);

impl From<SdkError> for Fault {
    fn from(error: SdkError) -> Self {
        Self(error.api().map_or_else(|| error.to_string(), |api| format!("{api:?}")))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(format!("{:?}", error.kind()))
    }
}

/// Obeys until the node shuts down.
pub(crate) async fn callers() -> ExitCode {
    let integration = match connect().await {
        Ok(integration) => integration,
        Err(code) => return code,
    };
    match obey(&integration).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

async fn obey(integration: &ModuleIntegration) -> Result<(), SdkError> {
    let node = integration.node_api();
    let (mut events, mut invocations) = (integration.event_receiver(), integration.invocation_receiver());
    let full_name = node.register_rpc_endpoint(DO.to_owned(), "Does [verb, ...]".to_owned()).await?;
    if let Err(error) = node.register_module_api(api()).await {
        println!("offers nothing to modules: {error}");
    }
    println!("obeys {full_name}");
    let arrived = Arc::new(Arrived::default());
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(ModuleMessage::Event(event)) => {
                    if let EventPayload::NodeShutdown { .. } = event.payload {
                        return Ok(());
                    }
                    arrived.take(&event);
                }
                _ => return Ok(()),
            },
            invocation = invocations.recv() => {
                let Some(invocation) = invocation else { return Ok(()) };
                // Each in a task of its own: an order may wait for a call that comes back here.
                tokio::spawn(answer(Arc::clone(&arrived), node.clone(), invocation));
            },
        }
    }
}

fn api() -> ModuleApi {
    let method = ModuleMethod { name: DO.to_owned(), description: "Does [verb, ...]".to_owned() };
    ModuleApi {
        version: "1".to_owned(),
        methods: BoundedVec::truncated([method]),
        callers: BoundedVec::default(),
    }
}

impl Arrived {
    fn take(&self, event: &EventMessage) {
        let told = json!({ "cursor": event.cursor, "what": format!("{:?}", event.payload) });
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn fire(&self, label: &str) {
        let mut fired = self.fired.lock().unwrap_or_else(PoisonError::into_inner);
        *fired.entry(label.to_owned()).or_default() += 1;
    }

    fn events(&self) -> Value {
        json!(*self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fired(&self) -> Value {
        json!(*self.fired.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(arrived: Arc<Arrived>, node: NodeApi, invocation: Invocation) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
    let (caller, params) = match invocation.payload() {
        InvocationPayload::TimerFired { label, .. } => return arrived.fire(label),
        InvocationPayload::RpcCall { params, .. } => ("the operator".to_owned(), params.clone().into_bytes()),
        InvocationPayload::ModuleCall { caller, params, .. } => (caller.clone(), params.to_vec()),
        _ => return,
    };
    // What it calls is called for this caller, as a well-behaved module does.
    let node = invocation.node_api().unwrap_or(node);
    let order: Value = serde_json::from_slice(&params).unwrap_or_default();
    let told = match carry_out(&node, &arrived, &caller, &order).await {
        Ok(answer) => invocation.answer(answer.to_string()),
        Err(Fault(message)) => invocation.fail(FAULT, message),
    };
    if let Err(error) = told {
        println!("not answered: {error}");
    }
}

/// One order. What it names that does not exist is a fault.
async fn carry_out(node: &NodeApi, arrived: &Arrived, caller: &str, order: &Value) -> Result<Value, Fault> {
    let text = |at: usize| {
        let given = order.get(at).and_then(Value::as_str);
        given.map(str::to_owned).ok_or_else(|| Fault(format!("argument {at} of {order} is not a text")))
    };
    let number = |at: usize| {
        let given = order.get(at).and_then(Value::as_u64);
        given.ok_or_else(|| Fault(format!("argument {at} of {order} is not a number")))
    };
    let shown = |bytes: &[u8]| json!(String::from_utf8_lossy(bytes));
    match text(0)?.as_str() {
        "caller" => Ok(json!(caller)),
        "events" => Ok(arrived.events()),
        "fired" => Ok(arrived.fired()),
        "insert" => {
            let tree = node.storage_open_tree(text(1)?).await?;
            Ok(json!(node.storage_insert(tree, text(2)?.into(), text(3)?.into()).await?))
        }
        "get" => {
            let tree = node.storage_open_tree(text(1)?).await?;
            Ok(json!(node.storage_get(tree, text(2)?.into()).await?.map(|value| shown(&value))))
        }
        "write_file" => Ok(json!(node.write_file(text(1)?, text(2)?.into()).await?)),
        "read_file" => Ok(shown(&node.read_file(text(1)?).await?)),
        "delete_file" => Ok(json!(node.delete_file(text(1)?).await?)),
        "create_directory" => Ok(json!(node.create_directory(text(1)?).await?)),
        "list_directory" => {
            let page = node.list_directory(text(1)?, None).await?;
            Ok(page.entries.iter().map(|entry| entry.name.clone()).collect())
        }
        "write_itself" => Ok(json!(std::fs::write(text(1)?, text(2)?)?)),
        "read_itself" => Ok(shown(&std::fs::read(text(1)?)?)),
        "register_timer" => Ok(json!(node.register_timer(number(1)?, text(2)?).await?)),
        "cancel_timer" => Ok(json!(node.cancel_timer(number(1)?).await?)),
        "schedule_task" => Ok(json!(node.schedule_task(number(1)?, text(2)?).await?)),
        "call_module" => {
            let params = order.get(3).map(Value::to_string).unwrap_or_default();
            let answer = node.call_module(text(1)?, text(2)?, params.into()).await?;
            serde_json::from_slice(&answer).map_err(|error| Fault(error.to_string()))
        }
        "publish_event" => Ok(json!(node.publish_event(event_type(&text(1)?)?, text(2)?.into()).await?)),
        "subscribe_events" => {
            let types = EventTypes::truncated([event_type(&text(1)?)?]);
            Ok(json!(node.subscribe_events(types, number(2).ok()).await?.cursor))
        }
        "get_payment_state" => Ok(json!(node.get_payment_state(text(1)?).await?)),
        other => Err(Fault(format!("there is no {other}"))),
    }
}

fn event_type(name: &str) -> Result<EventType, Fault> {
    let found = EventType::ALL.iter().find(|event| event.as_str() == name);
    found.copied().ok_or_else(|| Fault(format!("there is no event {name}")))
}
