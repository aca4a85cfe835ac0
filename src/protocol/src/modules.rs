//! What modules know of each other, and what the host hands from one to another.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;

/// The most methods a module offers.
pub const MAX_METHODS: usize = 64;
/// The most modules there are.
pub const MAX_MODULES: usize = 128;
/// The most bytes of a call's parameters or of its answer.
pub const MAX_CALL_BYTES: usize = 256 * 1024;
/// The most bytes of a mesh packet or of a published event.
pub const MAX_PACKET_BYTES: usize = 64 * 1024;
/// The longest name of a method, label of a timer or address of a peer, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The modules that are installed.
pub type ModuleInfos = BoundedVec<ModuleInfo, MAX_MODULES>;

/// What a module offers to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleApi {
    /// The version of what is offered, for callers to look at.
    pub version: String,
    /// The methods.
    pub methods: BoundedVec<ModuleMethod, MAX_METHODS>,
    /// Who may call them, by name. Nobody named: every module that was granted `call_module`.
    pub callers: BoundedVec<String, MAX_MODULES>,
}

/// One method that a module offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleMethod {
    /// Its name: up to 64 of the characters a-z, 0-9, '_' and '.'.
    pub name: String,
    /// What it does, in up to 256 characters.
    pub description: String,
}

/// A module as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// Its name, which is its id.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is doing.
    pub state: ModuleState,
    /// What it offers, if it registered anything and the asking module may call it.
    pub api: Option<ModuleApi>,
}

/// What a module is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModuleState {
    /// It waits for a module that it requires, or is being started.
    Starting,
    /// It is connected and can be called.
    Running,
    /// It ends.
    Stopping,
    /// It does not run, and is started again after a pause.
    Restarting,
    /// It does not run, and is not started again.
    Stopped,
}

/// Something the host asks of a module, or hands to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvocationMessage {
    /// Chosen by the host; the module's answer carries it.
    pub invocation_id: u64,
    /// How long the caller waits for an answer; 0 where none is expected.
    pub deadline_ms: u32,
    /// What it is.
    pub payload: InvocationPayload,
}

tagged_enum! {
    /// What the host asks of a module, or hands to it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum InvocationPayload {
        /// Another module calls a method that this one registered. To be answered.
        1 => ModuleCall {
            /// Who calls: the host's word, not the caller's. `host` is the host itself.
            caller: String,
            /// The method.
            method: String,
            /// Its parameters, as the two modules agreed.
            params: Bytes,
        },
        /// A caller of the operator's interface calls a JSON-RPC method that this module registered. To be
        /// answered with JSON.
        2 => RpcCall {
            /// The method, without the module's prefix.
            method: String,
            /// Its parameters: JSON, an array, an object or `null`.
            params: String,
        },
        /// A timer or a task is due. Not answered.
        3 => TimerFired {
            /// The timer's id.
            timer_id: u64,
            /// What the module called it.
            label: String,
            /// How many earlier ticks were not sent, because one was still on its way.
            missed: u64,
        },
        /// A packet of a mesh peer. Not answered.
        4 => MeshPacket {
            /// The module that handed it over: the host's word.
            from_module: String,
            /// The peer it came from, as that module says.
            peer_addr: String,
            /// The packet.
            packet: Bytes,
        },
    }
}

/// A module's answer to an invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerMessage {
    /// That of the invocation.
    pub invocation_id: u64,
    /// The result, or why there is none. For a JSON-RPC method the result is JSON.
    pub result: Result<Bytes, ModuleFault>,
}

/// Why a module does not answer with a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct ModuleFault {
    /// The module's own code; JSON-RPC callers see it as it is.
    pub code: i32,
    /// What is wrong, for people; up to 1024 bytes arrive.
    pub message: String,
}
