//! Reaching the network, the host's Unix sockets and the kernel's socket families; passing descriptors.

use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, send, sendmsg};
use rustix::net::{
    AddressFamily, Protocol, SocketAddrUnix, SocketFlags, SocketType, bind, connect, ipproto, socket_with,
    socketpair,
};

use crate::attempt::{Attempt, Refused, Tried, succeeded};
use crate::context::Context;

/// What a machine without a network says, which programs understand.
const NO_FAMILY: Errno = Errno::EAFNOSUPPORT;
/// AF_ALG, which rustix does not name on Linux.
const CIPHERS: AddressFamily = AddressFamily::from_raw(38);

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("connect-tcp", "connect to a TCP port of the host", NO_FAMILY, connect_tcp),
    Attempt::refused("socket-inet-datagram", "make an IPv4 datagram socket", NO_FAMILY, |_| {
        make(AddressFamily::INET, SocketType::DGRAM, None)
    }),
    Attempt::refused("socket-inet-raw", "make an IPv4 raw socket", NO_FAMILY, |_| {
        make(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))
    }),
    Attempt::refused("socket-inet6-stream", "make an IPv6 stream socket", NO_FAMILY, |_| {
        make(AddressFamily::INET6, SocketType::STREAM, None)
    }),
    Attempt::refused("socket-inet6-datagram", "make an IPv6 datagram socket", NO_FAMILY, |_| {
        make(AddressFamily::INET6, SocketType::DGRAM, None)
    }),
    Attempt::refused("connect-unix-path", "connect to a Unix socket of the host", NO_FAMILY, connect_path),
    Attempt::refused(
        "connect-unix-abstract",
        "connect to an abstract Unix socket of the host",
        NO_FAMILY,
        connect_abstract,
    ),
    Attempt::refused("socket-netlink", "make a netlink socket", NO_FAMILY, |_| {
        make(AddressFamily::NETLINK, SocketType::RAW, None)
    }),
    Attempt::refused("socket-packet", "make a packet socket", NO_FAMILY, |_| {
        make(AddressFamily::PACKET, SocketType::RAW, None)
    }),
    Attempt::refused("socket-vsock", "make a socket to the hypervisor", NO_FAMILY, |_| {
        make(AddressFamily::VSOCK, SocketType::STREAM, None)
    }),
    Attempt::refused("socket-alg", "make a socket to the kernel's ciphers", NO_FAMILY, |_| {
        make(CIPHERS, SocketType::SEQPACKET, None)
    }),
    Attempt::refused("socket-bluetooth", "make a Bluetooth socket", NO_FAMILY, |_| {
        make(AddressFamily::BLUETOOTH, SocketType::SEQPACKET, None)
    }),
    Attempt::refused("datagram-pair", "make a pair of datagram sockets", Errno::EPERM, datagram_pair),
    Attempt::refused("bind-socket", "give a socket a name that others can reach", Errno::EPERM, bind_socket),
    Attempt::refused(
        "pass-descriptor",
        "pass a descriptor over its connection",
        Errno::EPERM,
        pass_descriptor,
    ),
    Attempt::refused("receive-descriptor", "receive a descriptor", Errno::EPERM, receive_descriptor),
    Attempt::refused("send-urgent", "send urgent data", Errno::EPERM, send_urgent),
];

fn open(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Result<OwnedFd, Refused> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?)
}

fn make(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Tried {
    open(family, kind, protocol)?;
    succeeded("made the socket")
}

fn connect_tcp(context: &Context) -> Tried {
    connect(open(AddressFamily::INET, SocketType::STREAM, None)?, &context.tcp_address)?;
    succeeded(format!("connected to {}", context.tcp_address))
}

fn connect_path(context: &Context) -> Tried {
    let socket = open(AddressFamily::UNIX, SocketType::STREAM, None)?;
    connect(socket, &SocketAddrUnix::new(&context.socket_path)?)?;
    succeeded(format!("connected to {}", context.socket_path.display()))
}

fn connect_abstract(context: &Context) -> Tried {
    let socket = open(AddressFamily::UNIX, SocketType::STREAM, None)?;
    connect(socket, &SocketAddrUnix::new_abstract_name(context.abstract_socket.as_bytes())?)?;
    succeeded(format!("connected to @{}", context.abstract_socket))
}

fn datagram_pair(_: &Context) -> Tried {
    socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    succeeded("a datagram socket can send to any address")
}

fn bind_socket(context: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    bind(&end, &SocketAddrUnix::new(context.data_dir.join("socket"))?)?;
    succeeded("bound a socket in its directory")
}

/// In the sandbox it is the real connection; unconfined, where there is none, a pair.
fn pass_descriptor(context: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    let passed = [end.as_raw_fd()];
    let to = context.connection.unwrap_or(end.as_raw_fd());
    let rights = [ControlMessage::ScmRights(&passed)];
    sendmsg::<()>(to, &[IoSlice::new(b"!")], &rights, MsgFlags::empty(), None)?;
    succeeded("passed a socket")
}

fn receive_descriptor(_: &Context) -> Tried {
    let (end, mut other) = UnixStream::pair()?;
    other.write_all(b"!")?;
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    recvmsg::<()>(end.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    succeeded("received a message that could have carried one")
}

fn send_urgent(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    send(end.as_raw_fd(), b"!", MsgFlags::MSG_OOB)?;
    succeeded("sent urgent data")
}
