//! What a small call costs: the round trip of `get_block_height` from a confined module, with its real filter, to the
//! real confined core, against a bare ping-pong of two tokio processes over a Unix socket, framed as the protocol is.
//!
//! Given with idle cores and with cores kept awake: on a virtual machine waking an idle core costs more than the call.
//! `cargo bench --bench calls` as root. Figures are ratios within this run; nothing here fails for being slow.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod awake;
mod stage;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use awake::Spinners;
use stage::{Samples, Stage, head, lines_of, now_ns, row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const COUNT: usize = 3000;
const ROUNDS: usize = 5;
/// As long as the request and the reply of the call that is measured, with their lengths.
const FRAME_BYTES: usize = 60;

fn main() {
    awake::spin_if_told();
    match std::env::args().nth(1).as_deref() {
        Some("floor-server") => serve(),
        Some("floor-client") => ping(),
        _ => compare(),
    }
}

fn compare() {
    let mut stage = Stage::new();
    let names: Vec<String> = (0..2 * ROUNDS).map(|number| format!("calls-{number}")).collect();
    let settings = [("act", "calls"), ("count", &COUNT.to_string())];
    let modules: Vec<_> = names.iter().map(|name| stage.module(name, "bench-program", &settings)).collect();
    let core = stage.core(&names);
    for awake in [Awake::No, Awake::Yes] {
        let spinners = awake.spinners();
        let (mut floor, mut call) = (Samples::default(), Samples::default());
        for _ in 0..ROUNDS {
            floor_round(&mut floor);
            let name = core.next_start();
            let index = names.iter().position(|other| other == name.as_str()).unwrap();
            let prepared = stage.prepare(&modules[index]);
            let running = stage.launcher.launch(prepared).unwrap();
            core.started(&name, &running);
            let [times] = lines_of(&running, ["times"]);
            times.split(' ').for_each(|time| call.push_ns(time.parse().unwrap()));
            running.kill().unwrap();
        }
        drop(spinners);
        head(&format!(
            "round trip of a small call, {}, {ROUNDS} rounds of {COUNT}, interleaved",
            awake.title()
        ));
        row("tokio framed ping-pong of 60 bytes", &floor, &floor);
        row("get_block_height, confined to confined", &call, &floor);
    }
    core.end();
}

/// Whether idle programs keep every core from sleeping.
#[derive(Clone, Copy)]
enum Awake {
    No,
    Yes,
}

impl Awake {
    fn title(self) -> &'static str {
        match self {
            Self::No => "idle cores",
            Self::Yes => "cores kept awake",
        }
    }

    fn spinners(self) -> Option<Spinners> {
        match self {
            Self::No => None,
            Self::Yes => Some(Spinners::start()),
        }
    }
}

fn floor_round(samples: &mut Samples) {
    let (client, server) = UnixStream::pair().unwrap();
    let own = std::env::current_exe().unwrap();
    let start = |role: &str, end: UnixStream| {
        let mut command = Command::new(&own);
        command.arg(role).stdin(Stdio::from(OwnedFd::from(end))).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut serving = start("floor-server", server);
    let output = start("floor-client", client).wait_with_output().unwrap();
    serving.wait().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().for_each(|time| samples.push_ns(time.parse().unwrap()));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn standard_input() -> tokio::net::UnixStream {
    use std::os::fd::AsFd;
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    stream.set_nonblocking(true).unwrap();
    tokio::net::UnixStream::from_std(stream).unwrap()
}

async fn exchange(stream: &mut tokio::net::UnixStream, frame: &mut Vec<u8>) -> std::io::Result<()> {
    let length = stream.read_u32().await?;
    frame.resize(length as usize, 0);
    stream.read_exact(frame).await.map(drop)
}

fn framed() -> Vec<u8> {
    let body = FRAME_BYTES - 4;
    let mut framed = (body as u32).to_be_bytes().to_vec();
    framed.resize(FRAME_BYTES, 7);
    framed
}

fn serve() {
    runtime().block_on(async {
        let (mut stream, mut frame, reply) = (standard_input(), Vec::new(), framed());
        while exchange(&mut stream, &mut frame).await.is_ok() {
            stream.write_all(&reply).await.unwrap();
        }
    });
}

fn ping() {
    runtime().block_on(async {
        let (mut stream, mut frame, request) = (standard_input(), Vec::new(), framed());
        let mut times = Vec::new();
        for _ in 0..COUNT {
            let before = now_ns();
            stream.write_all(&request).await.unwrap();
            exchange(&mut stream, &mut frame).await.unwrap();
            times.push((now_ns() - before).to_string());
        }
        println!("{}", times.join(" "));
    });
}
