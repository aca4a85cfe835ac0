//! Clients that are slow, greedy or broken: each is cut off, and others are served meanwhile. And the end of it all.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cofferdam_rpc::Limits;

use crate::rig::{PATIENCE, Rig, SECRET, read_all};

const SHORT: Duration = Duration::from_millis(100);

fn impatient() -> Limits {
    Limits { head_deadline: SHORT, body_deadline: SHORT, reply_deadline: SHORT, ..Limits::default() }
}

/// Waits until `holds`, for as long as there is patience.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_silent_client_is_cut_off() {
    let rig = Rig::with(impatient());
    assert_eq!(read_all(&mut rig.connect()), "");
    assert!(rig.serves());
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let rig = Rig::with(impatient());
    let mut stream = rig.connect();
    let started = Instant::now();
    let endless = std::iter::repeat_n(b"X-Pad: 1\r\n", 10_000).flatten();
    let sent = endless.take_while(|byte| {
        std::thread::sleep(Duration::from_millis(1));
        stream.write_all(&[**byte]).is_ok()
    });
    let count = rig.head("POST /").len() + sent.count();
    assert!(count < 100_000, "{count} bytes were taken in {:?}", started.elapsed());
    assert!(rig.serves());
}

#[test]
fn a_body_that_does_not_come_is_answered_408() {
    let rig = Rig::with(impatient());
    let head = rig.head("POST /");
    let reply = rig.exchange(format!("{head}Content-Length: 100\r\n\r\n{{").as_bytes());
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
}

#[test]
fn an_idle_connection_is_closed_after_its_reply() {
    let rig = Rig::with(impatient());
    let reply = rig.exchange(rig.post(r#"{"id":1,"method":"demo_echo"}"#).as_bytes());
    assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
}

#[test]
fn a_head_beyond_the_limit_is_answered_431() {
    let rig = Rig::start();
    let head = rig.head("POST /");
    let long = format!("{head}X-Pad: {}\r\n\r\n", "x".repeat(64 << 10));
    assert!(rig.exchange(long.as_bytes()).starts_with("HTTP/1.1 431 "));
    let many = format!("{head}{}\r\n", "X-Pad: 1\r\n".repeat(100));
    assert!(rig.exchange(many.as_bytes()).starts_with("HTTP/1.1 431 "));
    assert!(rig.serves());
}

#[test]
fn garbage_is_answered_400_and_closed() {
    let rig = Rig::start();
    assert!(rig.exchange(b"\x16\x03\x01\x02\x00\x01\xff\xff\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(rig.exchange(b"GET\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(rig.exchange(&[0; 100_000]).starts_with("HTTP/1.1 4"));
    let smuggled = rig.head("POST /") + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]";
    assert!(rig.exchange(smuggled.as_bytes()).starts_with("HTTP/1.1 400 "));
    assert!(rig.serves());
}

#[test]
fn two_hosts_or_none_are_refused() {
    let rig = Rig::start();
    let host = format!("Host: {}\r\n", rig.address);
    let head = rig.head("GET /metrics");
    assert!(rig.exchange(format!("{head}{host}\r\n").as_bytes()).starts_with("HTTP/1.1 403 "));
    assert!(rig.exchange(format!("{}\r\n", head.replace(&host, "")).as_bytes()).starts_with("HTTP/1.1 403 "));
    assert!(rig.exchange(format!("{head}Connection: close\r\n\r\n").as_bytes()).starts_with("HTTP/1.1 200 "));
}

#[test]
fn chunks_without_end_are_cut_off_at_the_limit() {
    let rig = Rig::start();
    let mut stream = rig.connect();
    stream.write_all((rig.head("POST /") + "Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        stream.write_all(chunk.as_bytes()).unwrap();
    }
    let reply = read_all(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    let bombs = [
        "FFFFFFFFFFFFFFFFFF\r\n".to_owned(),
        format!("1;{}\r\nx\r\n", "x".repeat(1 << 20)),
        format!("0\r\n{}\r\n", "X-Trailer: 1\r\n".repeat(100_000)),
    ];
    for bomb in bombs {
        let head = rig.head("POST /") + "Transfer-Encoding: chunked\r\n\r\n";
        let reply = rig.exchange((head + &bomb).as_bytes());
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    }
    assert!(rig.serves());
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let rig = Rig::start();
    let mut stream = rig.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 2000000\r\n\r\n", rig.address);
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..20 {
        // A closed connection would be reset by this and fail the next.
        stream.write_all(&[b'x'; 100_000]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let reply = read_all(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 401 "), "{reply}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rig = Rig::with(impatient());
    let requests: String =
        (0..200).map(|id| rig.post(&format!(r#"{{"id":{id},"method":"demo_echo"}}"#))).collect();
    let replies = rig.exchange(requests.as_bytes());
    let ids: Vec<_> =
        replies.lines().filter_map(|line| line.split_once(r#""id":"#)).map(|(_, id)| id).collect();
    assert_eq!(ids, (0..200).map(|id| format!("{id}}}")).collect::<Vec<_>>());
}

#[test]
fn a_client_that_reads_nothing_is_cut_off_and_its_replies_do_not_pile_up() {
    let rig = Rig::with(Limits { reply_deadline: Duration::from_secs(1), ..Limits::default() });
    let mut stream = rig.connect_narrow();
    let requests = rig.post(r#"{"id":1,"method":"demo_page"}"#).repeat(100);
    let cut_off = (0..10_000).any(|_| stream.write_all(requests.as_bytes()).is_err());
    assert!(cut_off);
    // Each reply is of 64 KiB, and the kernel takes 4 MiB of them; the rest was read ahead with the last.
    let calls = rig.backend.counted.load(Ordering::SeqCst);
    assert!((1..200).contains(&calls), "{calls} replies were made");
    assert!(rig.serves());
}

#[test]
fn a_last_reply_that_nobody_reads_does_not_keep_the_connection() {
    let limits = Limits { head_deadline: PATIENCE, connections: 1, reply_bytes: 16 << 20, ..impatient() };
    let rig = Rig::with(limits);
    let mut stream = rig.connect_narrow();
    let four = r#"{"id":1,"method":"demo_big"},"#.repeat(4);
    let request = rig.post(&format!(r#"[{four}{{"id":2,"method":"demo_count"}}]"#));
    stream.write_all(request.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).unwrap();
    wait_until("the call is made", || rig.backend.counted.load(Ordering::SeqCst) == 1);
    // It has shown its credentials, so there is no room until it is cut.
    wait_until("another is served", || {
        let mut other = rig.connect();
        let sent = other.write_all(rig.post(r#"{"id":1,"method":"uptime"}"#).as_bytes());
        let mut beginning = [0; 12];
        sent.is_ok() && other.read_exact(&mut beginning).is_ok() && beginning == *b"HTTP/1.1 200"
    });
}

#[test]
fn a_call_ends_with_its_client() {
    let rig = Rig::start();
    let mut gone = rig.connect();
    let mut half_closed = rig.connect();
    for stream in [&mut gone, &mut half_closed] {
        stream.write_all(rig.post(r#"{"id":1,"method":"demo_hang"}"#).as_bytes()).unwrap();
    }
    wait_until("both calls are made", || rig.backend.hanging.load(Ordering::SeqCst) == 2);
    drop(gone);
    half_closed.shutdown(Shutdown::Write).unwrap();
    wait_until("both calls have ended", || rig.backend.hanging.load(Ordering::SeqCst) == 0);
    assert!(rig.serves());
}

#[test]
fn a_stop_lets_a_call_end_but_not_an_idle_or_endless_one() {
    let rig = Rig::start();
    let address = rig.address;
    let mut idle = rig.connect();
    let [mut waiting, mut hanging] = ["demo_wait", "demo_hang"].map(|method| {
        let mut stream = rig.connect();
        let body = format!(r#"{{"id":1,"method":"{method}"}}"#);
        stream.write_all(rig.post(&body).as_bytes()).unwrap();
        stream
    });
    wait_until("both calls are made", || rig.backend.hanging.load(Ordering::SeqCst) == 2);
    rig.stop(|backend| {
        assert_eq!(read_all(&mut idle), "");
        backend.release.notify_one();
        let reply = read_all(&mut waiting);
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    });
    assert_eq!(read_all(&mut hanging), "");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn connections_without_credentials_never_keep_others_out() {
    let rig = Rig::with(Limits { connections: 4, ..Limits::default() });
    let mut silent: Vec<TcpStream> = (0..50).map(|_| rig.connect()).collect();
    assert!(rig.serves());
    assert_eq!(read_all(&mut silent[0]), "", "the oldest was kept");
}

#[test]
fn one_connection_more_than_may_be_is_answered_503() {
    let rig = Rig::with(Limits { connections: 2, ..Limits::default() });
    let mut held = [rig.connect(), rig.connect()];
    for stream in &mut held {
        stream.write_all(rig.post(r#"{"id":1,"method":"demo_hang"}"#).as_bytes()).unwrap();
    }
    wait_until("both calls are made", || rig.backend.hanging.load(Ordering::SeqCst) == 2);
    let reply = read_all(&mut rig.connect());
    assert!(reply.starts_with("HTTP/1.1 503 ") && reply.ends_with("too many connections\n"), "{reply}");
    drop(held);
    wait_until("both calls have ended", || rig.backend.hanging.load(Ordering::SeqCst) == 0);
    assert!(rig.serves());
}

#[test]
fn calls_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { calls: 1, call_deadline: Duration::from_millis(300), ..Limits::default() };
    let rig = Rig::with(limits);
    let hang = rig.post(r#"{"id":1,"method":"demo_hang"}"#);
    let mut first = rig.connect();
    first.write_all(hang.as_bytes()).unwrap();
    wait_until("the first is made", || rig.backend.hanging.load(Ordering::SeqCst) == 1);
    let mut second = rig.connect();
    second.write_all(hang.as_bytes()).unwrap();
    let mut reply = [0; 12];
    first.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 500");
    assert!(rig.serves());
}

#[test]
fn wrong_credentials_by_the_hundred_keep_nobody_out() {
    let rig = Rig::with(Limits { wrong_credentials_delay: PATIENCE, ..Limits::default() });
    let wrong = rig.post("{}").replace(SECRET, &"0".repeat(32));
    let waiting: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = rig.connect();
            stream.write_all(wrong.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert!(rig.serves());
    drop(waiting);
}
