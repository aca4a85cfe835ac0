//! The socket to the launcher: one task owns it, everybody else reaches it by bounded channels.
//!
//! One datagram is one message; a module's socket comes beside the message that speaks of it. The launcher is
//! trusted, but a datagram that was cut or makes no sense means that the two programs do not match, and the
//! core ends rather than guess. Sending never blocks receiving, so that the two can't wait for each other.

mod socket;

use std::os::fd::OwnedFd;
use std::time::Duration;

use cofferdam_control::{Ask, MAX_MESSAGE_BYTES, MAX_MODULES, Report, RpcCredentials, decode, encode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub(crate) use self::socket::ControlSocket;

/// Asks that may wait to be sent. At most one start, stop and usage per module waits, and a few others.
const ASK_QUEUE: usize = 4 * MAX_MODULES;

/// Reports that may wait to be looked at; beyond it they wait in the socket.
const REPORT_QUEUE: usize = 2 * MAX_MODULES;

/// Calls to the node that may wait for its credentials at once; they are all given the same answer.
const MAX_WAITING_FOR_CREDENTIALS: usize = 256;

/// How long the launcher may take to read the node's cookie.
const CREDENTIALS_DEADLINE: Duration = Duration::from_secs(10);

/// What ends the link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The launcher is gone: nobody is left to serve for.
    #[error("the launcher closed the control socket")]
    LauncherGone,
    /// The socket does not work.
    #[error("control socket: {doing}")]
    Socket {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// What came is not what this core understands.
    #[error("control socket: {what} (are cofferdam and cofferdam-launcher of one build?)")]
    Protocol {
        /// What came.
        what: String,
    },
    /// The launcher has not taken what it was asked for long enough to fill the queue.
    #[error("the launcher does not read what it is asked")]
    Stuck,
}

/// A report with the descriptor that came beside it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) report: Report,
    pub(crate) socket: Option<OwnedFd>,
}

/// Asks the launcher. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    requests: mpsc::Sender<Request>,
}

type CredentialsAnswer = Result<RpcCredentials, String>;

#[derive(Debug)]
enum Request {
    Ask(Ask),
    Credentials(oneshot::Sender<CredentialsAnswer>),
    /// Ends the task once everything asked before has been sent.
    Finish,
}

impl Launcher {
    /// Sends an ask that is answered by reports.
    ///
    /// # Errors
    /// [`LinkError::Stuck`] if the queue is full, [`LinkError::LauncherGone`] if the link has ended.
    pub(crate) fn ask(&self, ask: Ask) -> Result<(), LinkError> {
        self.requests.try_send(Request::Ask(ask)).map_err(not_taken)
    }

    /// The last message of this core: the link ends when it is sent.
    ///
    /// # Errors
    /// As [`Launcher::ask`].
    pub(crate) fn finish(&self, ask: Ask) -> Result<(), LinkError> {
        self.ask(ask)?;
        self.requests.try_send(Request::Finish).map_err(not_taken)
    }

    /// The node's credentials as the launcher has them now.
    ///
    /// # Errors
    /// Why they can't be had, for the operator.
    pub(crate) async fn credentials(&self) -> CredentialsAnswer {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request::Credentials(answer)).map_err(|error| not_taken(error).to_string())?;
        match timeout(CREDENTIALS_DEADLINE, answered).await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(_dropped)) => Err("the launcher cannot be asked for them now".to_owned()),
            Err(_elapsed) => Err(format!("the launcher did not answer within {CREDENTIALS_DEADLINE:?}")),
        }
    }
}

fn not_taken(error: mpsc::error::TrySendError<Request>) -> LinkError {
    match error {
        mpsc::error::TrySendError::Full(_) => LinkError::Stuck,
        mpsc::error::TrySendError::Closed(_) => LinkError::LauncherGone,
    }
}

/// The task's own half of the link.
#[derive(Debug)]
pub(crate) struct Link {
    socket: ControlSocket,
    buffer: Vec<u8>,
    requests: mpsc::Receiver<Request>,
    reports: mpsc::Sender<Received>,
    /// The datagram that is being sent.
    outgoing: Option<Vec<u8>>,
    waiting_for_credentials: Vec<oneshot::Sender<CredentialsAnswer>>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Finishing,
}

/// Prepares a link over `socket`: the task, a handle to ask with, and the reports.
pub(crate) fn link(socket: ControlSocket) -> (Link, Launcher, mpsc::Receiver<Received>) {
    let (requests, requests_out) = mpsc::channel(ASK_QUEUE);
    let (reports, reports_out) = mpsc::channel(REPORT_QUEUE);
    let link = Link {
        socket,
        buffer: vec![0; MAX_MESSAGE_BYTES],
        requests: requests_out,
        reports,
        outgoing: None,
        waiting_for_credentials: Vec::new(),
        stage: Stage::Open,
    };
    (link, Launcher { requests }, reports_out)
}

impl Link {
    /// Carries messages until the launcher is gone, or until the last message is sent.
    ///
    /// # Errors
    /// [`LinkError`], unless this side finished.
    pub(crate) async fn run(mut self) -> Result<(), LinkError> {
        while self.outgoing.is_some() || self.stage == Stage::Open {
            tokio::select! {
                answer = receive(&self.socket, &mut self.buffer, &self.reports) => self.answer(answer?),
                sent = send(&self.socket, self.outgoing.as_deref()) => {
                    sent?;
                    self.outgoing = None;
                }
                Some(request) = self.requests.recv(), if self.outgoing.is_none() => self.take(request)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, request: Request) -> Result<(), LinkError> {
        match request {
            Request::Ask(ask) => self.outgoing = Some(datagram(&ask)?),
            Request::Finish => self.stage = Stage::Finishing,
            Request::Credentials(waiting) => {
                self.waiting_for_credentials.retain(|earlier| !earlier.is_closed());
                if self.waiting_for_credentials.is_empty() {
                    self.outgoing = Some(datagram(&Ask::Credentials)?);
                }
                // Beyond the bound the sender is dropped, which tells its caller.
                if self.waiting_for_credentials.len() < MAX_WAITING_FOR_CREDENTIALS {
                    self.waiting_for_credentials.push(waiting);
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, credentials: Option<CredentialsAnswer>) {
        let Some(credentials) = credentials else { return };
        for waiting in self.waiting_for_credentials.drain(..) {
            // Whoever gave up waiting does not need it.
            let _ = waiting.send(credentials.clone());
        }
    }
}

/// Receives one datagram once there is room for its report, and passes the report on; credentials are
/// returned. Dropping the future loses nothing.
async fn receive(
    socket: &ControlSocket,
    buffer: &mut [u8],
    reports: &mpsc::Sender<Received>,
) -> Result<Option<CredentialsAnswer>, LinkError> {
    // Fails when nobody wants reports any more; that the launcher is gone is still to be noticed.
    let room = reports.reserve().await.ok();
    let (length, socket) = socket.receive(buffer).await?;
    let message = buffer.get(..length).unwrap_or_default();
    let report = decode(message).map_err(|error| protocol(describe(&error)))?;
    if brings_socket(&report) != socket.is_some() {
        return Err(protocol(
            "a socket is missing beside a message that speaks of one, or came beside another",
        ));
    }
    if let Report::Credentials { credentials } = report {
        return Ok(Some(credentials));
    }
    if let Some(room) = room {
        room.send(Received { report, socket });
    }
    Ok(None)
}

/// Whether a socket travels beside this report: a module's, or the one that listens for the operator's tools.
fn brings_socket(report: &Report) -> bool {
    match report {
        Report::Started { .. } => true,
        Report::Roster { settings, .. } => settings.interface.is_some(),
        Report::StartFailed { .. }
        | Report::Exited { .. }
        | Report::Usage { .. }
        | Report::Credentials { .. }
        | Report::Shutdown { .. } => false,
    }
}

async fn send(socket: &ControlSocket, datagram: Option<&[u8]>) -> Result<(), LinkError> {
    match datagram {
        Some(datagram) => socket.send(datagram).await,
        None => std::future::pending().await,
    }
}

fn datagram(ask: &Ask) -> Result<Vec<u8>, LinkError> {
    encode(ask).map_err(|error| protocol(describe(&error)))
}

fn protocol(what: impl Into<String>) -> LinkError {
    LinkError::Protocol { what: what.into() }
}

/// The error with its cause, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
