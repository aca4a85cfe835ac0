//! A core that has fallen to an attacker, for tests. What it does is the name of the only module on its roster. It never
//! does anything useful.

use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockaddrIn, connect, getsockname, recvmsg,
    sendmsg, sendto, shutdown,
};

fn main() {
    let mut roster = vec![0; 128 * 1024];
    let (length, listener) = receive(&mut roster);
    let roster = String::from_utf8_lossy(roster.get(..length).unwrap_or_default()).into_owned();
    let does = |name: &str| roster.contains(&format!("\"{name}\""));
    if does("ready-flood") {
        repeat(&[br#"{"ask":"ready"}"#], None);
    } else if does("start-flood") {
        repeat(&[br#"{"ask":"start","module":"nobody"}"#], None);
    } else if does("start-stop") {
        let (start, stop) =
            (br#"{"ask":"start","module":"start-stop"}"#, br#"{"ask":"stop","module":"start-stop"}"#);
        repeat(&[start, stop], Some(Duration::from_millis(20)));
    } else if does("stopped-flood") {
        repeat(&[br#"{"ask":"stopped"}"#], Some(Duration::from_millis(200)));
    } else if does("garbage") {
        send(b"{\"ask\":\"start\",\"module\":\"../../bin/sh\"}", 0);
    } else if does("looser") {
        send(br#"{"ask":"start","module":"looser","program":"/bin/sh","memory_bytes":9999999999}"#, 0);
    } else if does("descriptors") {
        send(br#"{"ask":"ready"}"#, 8);
    } else if does("shuts-listener") {
        // Once: the next core is to find the socket as it was left.
        if let Some(listener) = listener
            && std::fs::create_dir("/state/did-it").is_ok()
        {
            println!("shut down: {:?}", shutdown(listener, Shutdown::Both));
            std::process::exit(1);
        }
    } else if does("uses-listener") {
        listener.into_iter().for_each(reach_out);
    } else if does("accuses-others") {
        for number in 0..100_000 {
            let claim = format!(r#"{{"ask":"denied","module":"m{number}","call":"x","needs":"y","more":1}}"#);
            send(claim.as_bytes(), 0);
        }
    } else if does("tells-of-nobody") {
        send(br#"{"ask":"watched","module":"tells-of-nobody","watched":{"sessions":1,"calls":{},"published":{},"subscribed":[]}}"#, 0);
    } else if does("fills-disk") {
        fill("/state/fill");
        claim_and_start("fills-disk");
    } else if does("fills-log") {
        claim_and_start("fills-log");
    } else if does("deaf") {
        repeat(&[br#"{"ask":"usage","module":"deaf"}"#], Some(Duration::from_millis(1)));
    }
    std::thread::sleep(Duration::from_secs(3600));
}

/// Takes all the room that there is where the core may write.
fn fill(path: &str) {
    let Ok(mut file) = std::fs::File::create(path) else { return };
    while file.write_all(&[0; 4096]).is_ok() {}
    println!("there is no room any more");
}

/// Makes the launcher write as much as it writes of one module, and then start it.
fn claim_and_start(module: &str) {
    let long = r"\\".repeat(120);
    for number in 0..500 {
        let claim = format!(
            r#"{{"ask":"denied","module":"{module}","call":"{number}{long}","needs":"{long}","more":0}}"#
        );
        send(claim.as_bytes(), 0);
    }
    send(format!(r#"{{"ask":"start","module":"{module}"}}"#).as_bytes(), 0);
}

/// The first message: its length, and the descriptor beside it.
fn receive(buffer: &mut [u8]) -> (usize, Option<RawFd>) {
    let mut space = nix::cmsg_space!(RawFd);
    let stdin = std::io::stdin();
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let Ok(message) = recvmsg::<()>(stdin.as_raw_fd(), &mut parts, Some(&mut space), flags) else {
        return (0, None);
    };
    let rights = message.cmsgs().ok().and_then(|mut all| all.next());
    let Some(ControlMessageOwned::ScmRights(descriptors)) = rights else { return (message.bytes, None) };
    (message.bytes, descriptors.first().copied())
}

/// Linux's MSG_FASTOPEN: connect while sending.
const FASTOPEN: MsgFlags = MsgFlags::from_bits_retain(0x2000_0000);

/// Closes the listening socket, which belongs to the host's network, and tries to reach by it whoever listens on the
/// next port.
fn reach_out(socket: RawFd) {
    println!("tried shutdown: {:?}", shutdown(socket, Shutdown::Both));
    let Ok(own) = getsockname::<SockaddrIn>(socket) else { return };
    let target = SockaddrIn::new(127, 0, 0, 1, own.port().wrapping_add(1));
    let quiet = MsgFlags::MSG_NOSIGNAL;
    let message = |flags| sendmsg(socket, &[IoSlice::new(b"x")], &[], flags, Some(&target)).map(drop);
    let tried: [(&str, Result<(), Errno>); 5] = [
        ("connect", connect(socket, &target)),
        ("sendto", sendto(socket, b"x", &target, quiet).map(drop)),
        ("sendto fastopen", sendto(socket, b"x", &target, quiet | FASTOPEN).map(drop)),
        ("sendmsg", message(quiet)),
        ("sendmsg fastopen", message(quiet | FASTOPEN)),
    ];
    for (name, outcome) in tried {
        println!("tried {name}: {outcome:?}");
    }
    println!("tried all");
}

fn repeat(messages: &[&[u8]], pause: Option<Duration>) {
    loop {
        for message in messages {
            send(message, 0);
        }
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
    }
}

/// Sends a message with `count` copies of its standard error beside it.
fn send(message: &[u8], count: usize) {
    let stdin = std::io::stdin();
    let error = std::io::stderr();
    let descriptors = vec![error.as_fd().as_raw_fd(); count];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control = if count == 0 { rights.get(..0) } else { Some(rights.as_slice()) };
    // A launcher that does not listen any more is what the test wants to see.
    let _refused = sendmsg::<()>(
        stdin.as_raw_fd(),
        &[IoSlice::new(message)],
        control.unwrap_or_default(),
        MsgFlags::empty(),
        None,
    );
}
