//! Reaching the network, the host's Unix sockets and the kernel's socket families.

mod bind_socket;
mod connect_tcp;
mod connect_unix_abstract;
mod connect_unix_path;
mod datagram_pair;
mod every_socket_family;
mod send_urgent;
mod seqpacket_pair;
mod socket_alg;
mod socket_bluetooth;
mod socket_inet6_datagram;
mod socket_inet6_stream;
mod socket_inet_datagram;
mod socket_inet_raw;
mod socket_netlink;
mod socket_packet;
mod socket_vsock;

use crate::attempt::Attempt;

pub(super) const ATTEMPTS: &[Attempt] = &[
    connect_tcp::ATTEMPT,
    socket_inet_datagram::ATTEMPT,
    socket_inet_raw::ATTEMPT,
    socket_inet6_stream::ATTEMPT,
    socket_inet6_datagram::ATTEMPT,
    connect_unix_path::ATTEMPT,
    connect_unix_abstract::ATTEMPT,
    socket_netlink::ATTEMPT,
    socket_packet::ATTEMPT,
    socket_vsock::ATTEMPT,
    socket_alg::ATTEMPT,
    socket_bluetooth::ATTEMPT,
    every_socket_family::ATTEMPT,
    datagram_pair::ATTEMPT,
    seqpacket_pair::ATTEMPT,
    bind_socket::ATTEMPT,
    send_urgent::ATTEMPT,
];
