//! SIP over datagrams.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use carillon_model::{Flow, Transport};
use carillon_telemetry::metrics::{Shed, Wire};
use tokio::net::UdpSocket;

use crate::limits::{DATAGRAM_OCTETS_MAX, DATAGRAMS_PER_TURN_MAX};
use crate::overload;
use crate::sockets::{Inbound, Sockets};
use crate::stun;

/// Receives until the task is dropped.
pub(crate) async fn receive(sockets: Arc<Sockets>, socket: Arc<UdpSocket>, local: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM_OCTETS_MAX];
    loop {
        if let Err(error) = socket.readable().await {
            tracing::error!(%error, "a UDP listener broke");
            return;
        }
        if take(&sockets, &socket, local, &mut buffer) {
            // Others have their turn as well. Who yields has the runtime look at all sockets anew: not to be done for each datagram.
            tokio::task::yield_now().await;
        }
    }
}

/// Takes what has come, a turn of it at most; says whether there may be more.
fn take(sockets: &Arc<Sockets>, socket: &UdpSocket, local: SocketAddr, buffer: &mut [u8]) -> bool {
    for _ in 0..DATAGRAMS_PER_TURN_MAX {
        match socket.try_recv_from(buffer) {
            Ok((octets, peer)) => {
                // Its own memory: a call keeps parts of its INVITE and must not hold on to others'.
                let bytes = Bytes::copy_from_slice(&buffer[..octets]);
                receive_one(sockets, socket, local, peer, bytes);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // The peer's ICMP answer to an earlier datagram of ours.
            Err(_) => return true,
        }
    }
    true
}

fn receive_one(
    sockets: &Arc<Sockets>,
    socket: &UdpSocket,
    local: SocketAddr,
    peer: SocketAddr,
    bytes: Bytes,
) {
    // Keep-alives of phones behind NAT: empty lines, or octets of zero.
    if bytes.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return;
    }
    if sockets.is_silenced(peer.ip()) {
        return;
    }
    if let Some(answer) = stun::answer(&bytes, peer) {
        // Like a loss on the way: the phone asks again.
        let _ = socket.try_send_to(&answer, peer);
        return;
    }
    sockets.metrics.sip.received(Wire::Udp).increment();
    let flow = Flow {
        node: sockets.node,
        transport: Transport::Udp,
        local,
        peer,
        connection: 0,
    };
    let Err(Inbound::Message { bytes, .. }) = sockets.try_deliver(Inbound::Message { flow, bytes })
    else {
        return;
    };
    match overload::refuse(&bytes, &flow) {
        Some(answer) if socket.try_send_to(&answer, peer).is_ok() => {
            sockets.metrics.sip.shed(Shed::Answered).increment();
        }
        Some(_) | None => sockets.metrics.sip.shed(Shed::Dropped).increment(),
    }
}
