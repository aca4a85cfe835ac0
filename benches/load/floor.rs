//! The same work done bare: two processes and a socket, tokio, framed as the protocol is, and nothing else.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::now_ns;

/// As long as the request and the reply of a small call, with their lengths.
const FRAME_BYTES: usize = 60;

/// As long as an event with its length.
const EVENT_BYTES: usize = 120;

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Plays a part in a process of its own, if `role` is one.
pub(crate) fn play(role: &str) -> bool {
    let words: Vec<&str> = role.split(':').collect();
    let number = |index: usize| words[index].parse::<usize>().unwrap();
    match words[0] {
        "echo-server" => runtime().block_on(serve_echo()),
        "echo-client" => runtime().block_on(call_echo(number(1), number(2), number(3))),
        "copy-server" => runtime().block_on(serve_copies(number(1))),
        "copy-client" => runtime().block_on(fetch_copies(number(1))),
        "hear" => runtime().block_on(hear(number(1))),
        _ => return false,
    }
    true
}

/// Time per echo, with so many of `count` under way at once.
pub(crate) fn echo(count: usize, at_once: usize, rounds: usize) -> Vec<i64> {
    pair("echo-server", &format!("echo-client:{count}:{at_once}:{rounds}"))
}

/// Time per copy of so many bytes.
pub(crate) fn copies(bytes: usize, count: usize) -> Vec<i64> {
    pair(&format!("copy-server:{bytes}"), &format!("copy-client:{count}"))
}

/// When each of `events` was sent to `listeners` sockets, and when each listener heard each.
pub(crate) fn writes(listeners: usize, events: usize) -> (Vec<i64>, Vec<Vec<i64>>) {
    let mut ours = Vec::new();
    let mut processes = Vec::new();
    for _ in 0..listeners {
        let (one, other) = UnixStream::pair().unwrap();
        ours.push(one);
        processes.push(start(&format!("hear:{events}"), other));
    }
    std::thread::sleep(Duration::from_secs(2));
    let event = framed(EVENT_BYTES);
    let mut sent = Vec::new();
    for _ in 0..events {
        std::thread::sleep(Duration::from_millis(20));
        sent.push(now_ns());
        ours.iter_mut().for_each(|socket| socket.write_all(&event).unwrap());
    }
    (sent, processes.into_iter().map(told).collect())
}

fn pair(server: &str, client: &str) -> Vec<i64> {
    let (one, other) = UnixStream::pair().unwrap();
    let mut serving = start(server, one);
    let times = told(start(client, other));
    serving.wait().unwrap();
    times
}

fn start(role: &str, end: UnixStream) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(role).stdin(Stdio::from(OwnedFd::from(end))).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn told(mut process: Child) -> Vec<i64> {
    let mut text = String::new();
    process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    process.wait().unwrap();
    text.split_whitespace().map(|time| time.parse().unwrap()).collect()
}

fn tell(times: &[i64]) {
    let text: Vec<_> = times.iter().map(i64::to_string).collect();
    println!("{}", text.join(" "));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn standard_input() -> tokio::net::UnixStream {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    stream.set_nonblocking(true).unwrap();
    tokio::net::UnixStream::from_std(stream).unwrap()
}

fn framed(bytes: usize) -> Vec<u8> {
    let body = bytes - 4;
    let mut framed = (body as u32).to_be_bytes().to_vec();
    framed.resize(bytes, 7);
    framed
}

/// Reads in large pieces, and writes each frame by itself, as a program does that has no more to do than this.
async fn serve_echo() {
    let (read, mut write) = standard_input().into_split();
    let mut read = tokio::io::BufReader::with_capacity(READ_BYTES, read);
    let mut frame = [0; FRAME_BYTES];
    while read.read_exact(&mut frame).await.is_ok() {
        write.write_all(&frame).await.unwrap();
    }
}

/// Each answer makes room for one more request.
async fn call_echo(count: usize, at_once: usize, rounds: usize) {
    let (read, mut write) = standard_input().into_split();
    let mut read = tokio::io::BufReader::with_capacity(READ_BYTES, read);
    let (request, mut answer) = (framed(FRAME_BYTES), [0; FRAME_BYTES]);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let before = now_ns();
        for _ in 0..at_once {
            write.write_all(&request).await.unwrap();
        }
        for answered in 0..count {
            read.read_exact(&mut answer).await.unwrap();
            if answered + at_once < count {
                write.write_all(&request).await.unwrap();
            }
        }
        times.push((now_ns() - before) / count as i64);
    }
    tell(&times);
}

async fn read_frame(stream: &mut tokio::net::UnixStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn serve_copies(bytes: usize) {
    let mut stream = standard_input();
    let content = framed(bytes);
    while read_frame(&mut stream).await.is_some() {
        // The bytes are copied into a frame of their own, as a reply is.
        let frame = content.clone();
        stream.write_all(&frame).await.unwrap();
    }
}

async fn fetch_copies(count: usize) {
    let (mut stream, request) = (standard_input(), framed(FRAME_BYTES));
    let mut times = Vec::new();
    for round in 0..count + 3 {
        let before = now_ns();
        stream.write_all(&request).await.unwrap();
        let body = read_frame(&mut stream).await.unwrap();
        std::hint::black_box(&body);
        if round >= 3 {
            times.push(now_ns() - before);
        }
    }
    tell(&times);
}

async fn hear(events: usize) {
    let (mut stream, mut times) = (standard_input(), Vec::new());
    let mut event = vec![0; EVENT_BYTES];
    while times.len() < events {
        stream.read_exact(&mut event).await.unwrap();
        times.push(now_ns());
    }
    tell(&times);
}
