//! The connection of a module to its host, under the names of the module system's specification.

use std::path::Path;
use std::sync::Arc;

use cofferdam_protocol::calls::EventTypes;
use cofferdam_protocol::message::PROTOCOL;
use cofferdam_protocol::{EventType, Hello, HostMessage, Subscribed, Welcome};
use tokio::net::UnixStream;

use crate::connection::Handle;
use crate::error::SdkError;
use crate::event_queue::EventReceiver;
use crate::inherit::take_inherited_socket;
use crate::invocation::InvocationReceiver;
use crate::node_api::NodeApi;

/// What the operator sees this library as.
const SDK: &str = concat!("cofferdam-sdk ", env!("CARGO_PKG_VERSION"));

/// How `--socket-path` names an inherited descriptor.
const DESCRIPTOR_PREFIX: &str = "fd:";

/// A module's connection to the host.
///
/// It stays open as long as this, a [`NodeApi`] or an [`EventReceiver`] of it exists.
#[derive(Debug)]
pub struct ModuleIntegration {
    handle: Arc<Handle>,
}

impl ModuleIntegration {
    /// Connects to the host and says who this module is.
    ///
    /// `socket_path` is what `--socket-path` says: `fd:3` in the sandbox, where the socket is inherited and can
    /// be taken over once; or the path of a Unix socket, in tests. `name` and `version` must be those of
    /// `module.toml`. It must be called within a tokio runtime, of either kind, that has I/O and time enabled.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cofferdam_sdk::SdkError> {
    /// use cofferdam_sdk::{Args, ModuleIntegration};
    ///
    /// let args = Args::parse();
    /// let integration = ModuleIntegration::connect(
    ///     &args.socket_path,
    ///     args.module_id.unwrap_or_else(|| "my-module".to_string()),
    ///     "my-module".to_string(),
    ///     env!("CARGO_PKG_VERSION").to_string(),
    /// )
    /// .await?;
    /// println!("connected to {}", integration.welcome().node);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SdkError`] if the socket is not there or not right, or if the host refuses the session.
    pub async fn connect(
        socket_path: impl AsRef<Path>,
        module_id: String,
        name: String,
        version: String,
    ) -> Result<Self, SdkError> {
        let stream = open_socket(socket_path.as_ref()).await?;
        Ok(Self { handle: Handle::open(stream, hello(module_id, name, version)).await? })
    }

    /// A connection that is open already.
    #[cfg(feature = "testing")]
    pub(crate) fn of(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// What the host said at the start: granted capabilities, limits, and which node answers.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        self.handle.welcome()
    }

    /// Asks for events of these types from now on, besides those asked for before. The answer says of each type
    /// where its events come from, or that none will come and why.
    ///
    /// ```no_run
    /// # async fn example(integration: &mut cofferdam_sdk::ModuleIntegration) -> Result<(), cofferdam_sdk::SdkError> {
    /// use cofferdam_sdk::{Availability, EventType};
    ///
    /// let subscribed = integration.subscribe_events(vec![EventType::NewBlock]).await?;
    /// for event in subscribed.events {
    ///     if let Availability::Unavailable { reason } = event.availability {
    ///         eprintln!("no {} events: {reason}", event.event_type);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SdkError`], for instance because the capability `subscribe_events` was not granted.
    pub async fn subscribe_events(&mut self, event_types: Vec<EventType>) -> Result<Subscribed, SdkError> {
        self.subscribe(event_types, None).await
    }

    /// Like [`subscribe_events`](Self::subscribe_events), but the host first sends again what came after the
    /// event with this cursor, as far as it still has it, and says what it has not.
    ///
    /// # Errors
    /// [`SdkError`], as for `subscribe_events`.
    pub async fn resume_events(
        &mut self,
        event_types: Vec<EventType>,
        after_cursor: u64,
    ) -> Result<Subscribed, SdkError> {
        self.subscribe(event_types, Some(after_cursor)).await
    }

    async fn subscribe(
        &self,
        event_types: Vec<EventType>,
        resume_after: Option<u64>,
    ) -> Result<Subscribed, SdkError> {
        let event_types = EventTypes::new(event_types)
            .map_err(|error| SdkError::Unsendable { call: "subscribe_events", problem: error.to_string() })?;
        self.node_api().subscribe_events(event_types, resume_after).await
    }

    /// The calls to the node.
    #[must_use]
    pub fn node_api(&self) -> NodeApi {
        NodeApi::new(Arc::clone(&self.handle))
    }

    /// Where calls of other modules, JSON-RPC calls, timers and packets arrive.
    #[must_use]
    pub fn invocation_receiver(&self) -> InvocationReceiver {
        InvocationReceiver::new(Arc::clone(&self.handle))
    }

    /// Where events arrive. Events that came before the first receiver was made wait for it.
    #[must_use]
    pub fn event_receiver(&self) -> EventReceiver {
        EventReceiver::new(Arc::clone(&self.handle))
    }
}

/// Who speaks, and which versions.
pub(crate) fn hello(module_id: String, name: String, version: String) -> HostMessage {
    HostMessage::Hello(Hello {
        protocol_min: PROTOCOL.min,
        protocol_max: PROTOCOL.max,
        module_id,
        module_name: name,
        module_version: version,
        sdk: SDK.to_owned(),
    })
}

async fn open_socket(socket_path: &Path) -> Result<UnixStream, SdkError> {
    let Some(descriptor) = socket_path.to_str().and_then(|text| text.strip_prefix(DESCRIPTOR_PREFIX)) else {
        return UnixStream::connect(socket_path)
            .await
            .map_err(|source| SdkError::Connect { path: socket_path.to_owned(), source });
    };
    if descriptor != "3" {
        return Err(SdkError::SocketPath { path: socket_path.display().to_string() });
    }
    let socket = take_inherited_socket()?;
    UnixStream::from_std(socket).map_err(|error| SdkError::Inherit { problem: error.to_string() })
}
