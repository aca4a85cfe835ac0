//! Two modules in sessions with a real host: whatever they send, each session ends with a reason, nothing that sessions
//! share stays taken, and all that the host says is messages.

use std::time::Duration;

use cofferdam_host::fuzzing::{Opened, Stage};
use cofferdam_protocol::message::PROTOCOL;
use cofferdam_protocol::{
    AnswerMessage, FrameDecoder, Hello, HostMessage, ModuleMessage, decode, encode_frame,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The modules.
const NAMES: [&str; 2] = ["friend", "other"];

/// The most steps of one input, each of which may be a call that writes to the disk.
const MAX_STEPS: usize = 64;

/// How long an answer waits for an invocation to be one of.
const FOR_AN_INVOCATION: Duration = Duration::from_millis(20);

/// Generous against hanging; no input should come near it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One module: what it writes with, what it was asked, and how its session ends.
struct Played {
    output: OwnedWriteHalf,
    invocations: UnboundedReceiver<u64>,
    reader: JoinHandle<()>,
    ended: JoinHandle<String>,
}

/// The first byte says which of the modules shake hands as they should before all else. Then steps: a byte that says which
/// module does what, two with a length, and so many bytes.
pub(crate) fn sessions(input: &[u8]) {
    let Some((first, steps)) = input.split_first() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = runtime.block_on(async { timeout(PATIENCE, play(dir.path(), *first, steps)).await });
    played.expect("every session ends in time");
    // Work on the disk runs to its end, before its directory goes.
    runtime.shutdown_timeout(PATIENCE);
}

async fn play(dir: &std::path::Path, first: u8, mut steps: &[u8]) {
    let stage = Stage::open(dir, &NAMES).await.expect("a host");
    let mut modules = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let opened = stage.connect(number).expect("sockets").expect("there is such a module");
        let mut module = Played::new(opened);
        if first >> number & 1 == 1 {
            module.write(&encode_frame(&HostMessage::Hello(hello(name))).expect("a frame")).await;
        }
        modules.push(module);
    }
    for _ in 0..MAX_STEPS {
        let Some((step, rest)) = Step::read(steps) else { break };
        steps = rest;
        if let Some(module) = modules.get_mut(step.module) {
            step.play(module).await;
        }
        // The sessions have their turn.
        tokio::task::yield_now().await;
    }
    for module in modules {
        module.end().await;
    }
    while !stage.held().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What one module does once.
struct Step<'i> {
    module: usize,
    act: u8,
    bytes: &'i [u8],
}

impl<'i> Step<'i> {
    fn read(input: &'i [u8]) -> Option<(Self, &'i [u8])> {
        let ([head, high, low], rest) = input.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        Some((Self { module: usize::from(head & 1), act: head >> 1 & 3, bytes }, rest))
    }

    async fn play(self, module: &mut Played) {
        match self.act {
            // A message of the length that it has.
            0 => {
                let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
                module.write(&[&length, self.bytes].concat()).await;
            }
            // Anything.
            1 => module.write(self.bytes).await,
            // An answer to what it was asked, if it was.
            2 => {
                if let Ok(Some(invocation_id)) = timeout(FOR_AN_INVOCATION, module.invocations.recv()).await {
                    let answer = AnswerMessage { invocation_id, result: Ok(self.bytes.to_vec().into()) };
                    module.write(&encode_frame(&HostMessage::Answer(answer)).expect("a frame")).await;
                }
            }
            // It says no more, and reads on.
            _ => drop(module.output.shutdown().await),
        }
    }
}

impl Played {
    fn new(opened: Opened) -> Self {
        let (input, output) = opened.stream.into_split();
        let (asked, invocations) = unbounded_channel();
        Self { output, invocations, reader: tokio::spawn(read(input, asked)), ended: opened.ended }
    }

    /// Writes, unless the session has ended.
    async fn write(&mut self, bytes: &[u8]) {
        let _ended = self.output.write_all(bytes).await;
    }

    async fn end(mut self) {
        let _ended = self.output.shutdown().await;
        let reason = self.ended.await.expect("a session does not panic");
        assert!(reason.len() > 10 && reason.len() < 4096, "a session ends with a reason: {reason}");
        self.reader.await.expect("the host says messages, and its end");
    }
}

/// Reads what the host says until its end, and passes on what asks for an answer.
async fn read(mut input: OwnedReadHalf, asked: UnboundedSender<u64>) {
    let (mut decoder, mut buffer) = (FrameDecoder::for_messages::<ModuleMessage>(), vec![0; 16 * 1024]);
    // A host that ends while something is unread resets the connection.
    while let Ok(bytes @ 1..) = input.read(&mut buffer).await {
        let mut unread = buffer.get(..bytes).unwrap_or_default();
        while let Some(body) = decoder.next_frame(&mut unread).expect("a frame") {
            let message = decode::<ModuleMessage>(&body).expect("a message");
            if let ModuleMessage::Invocation(invocation) = message
                && invocation.deadline_ms > 0
            {
                let _nobody_answers = asked.send(invocation.invocation_id);
            }
        }
    }
}

fn hello(name: &str) -> Hello {
    Hello {
        protocol_min: PROTOCOL.min,
        protocol_max: PROTOCOL.max,
        module_id: name.to_owned(),
        module_name: name.to_owned(),
        module_version: "1.0.0".to_owned(),
        sdk: "fuzz".to_owned(),
    }
}
