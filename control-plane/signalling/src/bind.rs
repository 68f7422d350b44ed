//! Opening the listeners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::Context;
use carillon_model::{NodeId, SipListener, Transport};
use carillon_telemetry::Metrics;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{Config, Listen};
use crate::connections::Connections;
use crate::limits::{ACCEPT_BACKLOG, QUEUE_MESSAGES_MAX, UDP_BUFFER_OCTETS};
use crate::sockets::{Inbound, Sockets};
use crate::tls::Tls;
use crate::{accept, udp};

/// Open listeners that nobody serves yet.
pub struct Bound {
    pub(crate) listeners: Vec<SipListener>,
    pub(crate) udp: Vec<(SocketAddr, Arc<tokio::net::UdpSocket>)>,
    pub(crate) streams: Vec<(Transport, SocketAddr, TcpListener)>,
}

impl Bound {
    /// Opens all listeners of the configuration; needs a tokio runtime.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let mut bound = Self {
            listeners: Vec::new(),
            udp: Vec::new(),
            streams: Vec::new(),
        };
        for listen in &config.listen {
            bound
                .open(*listen, config)
                .with_context(|| format!("listen for SIP on {listen}"))?;
        }
        Ok(bound)
    }

    fn open(&mut self, listen: Listen, config: &Config) -> anyhow::Result<()> {
        let told = match listen.transport {
            Transport::Udp => self.open_udp(listen, config)?,
            Transport::Tcp | Transport::Tls => {
                let socket = stream_listener(listen.address)?;
                let told = advertised(socket.local_addr()?, config.advertise);
                self.streams.push((listen.transport, told, socket));
                told
            }
        };
        self.listeners.push(SipListener {
            transport: listen.transport,
            address: told,
        });
        Ok(())
    }

    fn open_udp(&mut self, listen: Listen, config: &Config) -> anyhow::Result<SocketAddr> {
        let shared = config.udp_sockets > 1;
        let first = datagram_socket(listen.address, shared, config.floats)?;
        let address = first.local_addr()?;
        let told = advertised(address, config.advertise);
        self.udp.push((told, Arc::new(first)));
        for _ in 1..config.udp_sockets {
            let socket = datagram_socket(address, shared, config.floats)?;
            self.udp.push((told, Arc::new(socket)));
        }
        Ok(told)
    }

    /// Where phones reach the listeners, in the order of the configuration.
    pub fn listeners(&self) -> &[SipListener] {
        &self.listeners
    }
}

/// Serves all listeners until the tasks are dropped. Returns what sends, and what was received.
pub(crate) fn serve(
    bound: Bound,
    setup: Setup,
) -> (Arc<Sockets>, mpsc::Receiver<Inbound>, JoinSet<()>) {
    let Setup {
        node,
        clock,
        metrics,
        tls,
        connections_max,
        first_connection,
        connections_per_source_max,
    } = setup;
    let connections = Connections::new(
        node,
        first_connection,
        connections_max,
        connections_per_source_max,
    );
    let (queue, received) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let Bound {
        listeners,
        udp,
        streams,
    } = bound;
    let sockets = Arc::new(Sockets::new(
        node,
        clock,
        metrics,
        tls,
        listeners,
        udp.clone(),
        connections,
        queue,
    ));
    let mut tasks = JoinSet::new();
    for (local, socket) in udp {
        tasks.spawn(udp::receive(Arc::clone(&sockets), socket, local));
    }
    for (transport, local, listener) in streams {
        tasks.spawn(accept::accept(
            Arc::clone(&sockets),
            listener,
            transport,
            local,
        ));
    }
    (sockets, received, tasks)
}

/// What listeners need besides their sockets.
pub(crate) struct Setup {
    pub(crate) node: NodeId,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) tls: Tls,
    pub(crate) connections_max: usize,
    pub(crate) first_connection: u64,
    pub(crate) connections_per_source_max: usize,
}

pub(crate) fn datagram_socket(
    address: SocketAddr,
    shared: bool,
    floats: bool,
) -> anyhow::Result<tokio::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    // A socket of a floating address stands beside one that is bound to all addresses.
    if floats {
        socket.set_reuse_address(true)?;
    }
    // The kernel gives what it is allowed to; less is no reason not to start.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER_OCTETS);
    let _ = socket.set_send_buffer_size(UDP_BUFFER_OCTETS);
    socket.bind(&address.into())?;
    Ok(tokio::net::UdpSocket::from_std(UdpSocket::from(socket))?)
}

pub(crate) fn stream_listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(TcpListener::from_std(std::net::TcpListener::from(socket))?)
}

/// The address that phones are told for a listener.
fn advertised(bound: SocketAddr, configured: Option<IpAddr>) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let same_family = configured.filter(|ip| ip.is_ipv4() == bound.is_ipv4());
    SocketAddr::new(
        same_family.unwrap_or_else(|| own_address(bound.is_ipv4())),
        bound.port(),
    )
}

/// The address from which this machine would reach others; loopback when it is alone.
pub fn own_address(ipv4: bool) -> IpAddr {
    // Addresses for documentation (RFC 5737, RFC 3849). Connecting a UDP socket sends nothing.
    let (any, far): (IpAddr, IpAddr) = match ipv4 {
        true => (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
        ),
        false => (
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    };
    let own = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((far, 9))?;
        socket.local_addr()
    });
    match own {
        Ok(address) if !address.ip().is_unspecified() => address.ip(),
        Ok(_) | Err(_) if ipv4 => Ipv4Addr::LOCALHOST.into(),
        Ok(_) | Err(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_told_an_address_that_they_can_reach() {
        let any: SocketAddr = "0.0.0.0:5060".parse().unwrap();
        let office: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(advertised(any, Some(office)).to_string(), "10.1.2.3:5060");
        let bound: SocketAddr = "127.0.1.1:5060".parse().unwrap();
        assert_eq!(advertised(bound, Some(office)), bound);
        assert!(!advertised(any, None).ip().is_unspecified());
        let any: SocketAddr = "[::]:5060".parse().unwrap();
        assert!(
            advertised(any, Some(office)).is_ipv6(),
            "an address of the other family is no use"
        );
    }
}
