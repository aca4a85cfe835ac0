//! The operator: asks the core something every millisecond over one HTTP connection, and notes how long each answer
//! takes. It asks for help, which the core answers by itself: no module and no node has a part in it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::figures::Timed;
use crate::rig::Rig;
use crate::scene::now_ns;

const PAUSE: Duration = Duration::from_millis(1);
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"help","params":[]}"#;
/// The core answers within it, or the measuring fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until it is told to stop.
pub(crate) struct Operator {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Timed>>,
}

impl Operator {
    pub(crate) fn start(rig: &Rig) -> Self {
        let mut connection = TcpStream::connect(rig.address()).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = request(&rig.address(), &rig.cookie());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let asking = std::thread::spawn(move || {
            go_first();
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
                let began_ns = now_ns();
                connection.write_all(request.as_bytes()).unwrap();
                read_answer(&mut connection);
                times.push(Timed { began_ns, took_ns: now_ns() - began_ns });
            }
            times
        });
        Self { stop, asking }
    }

    pub(crate) fn stop(self) -> Vec<Timed> {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().unwrap()
    }
}

/// The instrument must not wait for a processor itself, or its waiting would be taken for the core's. Only root may;
/// sched(7)
fn go_first() {
    let own = nix::unistd::gettid().to_string();
    let done = Command::new("chrt").args(["-f", "-p", "1", &own]).stderr(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("(who asks the core has no priority here: its own waiting is in the core's figures)");
    }
}

fn request(address: &str, cookie: &str) -> String {
    let cookie = base64(cookie.trim().as_bytes());
    format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {cookie}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}

/// RFC 4648
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |sum, at| sum << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let digit = if digit <= group.len() { DIGITS[number >> (18 - 6 * digit) & 63] } else { b'=' };
            text.push(char::from(digit));
        }
    }
    text
}

/// Head and body; the head says how long the body is.
fn read_answer(connection: &mut TcpStream) {
    let (mut answer, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let count = connection.read(&mut buffer).unwrap();
        assert!(count > 0, "the core closed the connection: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if length.is_some_and(|length| body.len() >= length) {
            return;
        }
    }
}
