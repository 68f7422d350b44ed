//! All sockets of a node towards SIP peers, as the brain sees them: a way to send.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use carillon_model::{Flow, NodeId, SipListener, Transport};
use carillon_telemetry::Metrics;
use carillon_telemetry::metrics::{Shed, Wire};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::connections::{Connections, WriteError};
use crate::offences::Offences;
use crate::tls::Tls;

/// What sockets tell the brain.
#[derive(Debug)]
pub(crate) enum Inbound {
    Message { flow: Flow, bytes: Bytes },
    Closed { flow: Flow },
    SendFailed { flow: Flow },
}

/// Shared by the tasks of all listeners and connections.
pub(crate) struct Sockets {
    pub(crate) node: NodeId,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) tls: Tls,
    /// Where listeners are reached, in the order of the configuration.
    pub(crate) listeners: Vec<SipListener>,
    udp: Vec<(SocketAddr, Arc<UdpSocket>)>,
    /// By the floating addresses that this machine has.
    floating: Mutex<Vec<(SocketAddr, Arc<UdpSocket>)>>,
    connections: Mutex<Connections>,
    offences: Mutex<Offences>,
    queue: mpsc::Sender<Inbound>,
}

/// A message that did not get on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSent;

impl Sockets {
    #[allow(clippy::too_many_arguments, reason = "made in one place")]
    pub(crate) fn new(
        node: NodeId,
        clock: Clock,
        metrics: Metrics,
        tls: Tls,
        listeners: Vec<SipListener>,
        udp: Vec<(SocketAddr, Arc<UdpSocket>)>,
        connections: Connections,
        queue: mpsc::Sender<Inbound>,
    ) -> Self {
        Self {
            node,
            clock,
            metrics,
            tls,
            listeners,
            udp,
            floating: Mutex::new(Vec::new()),
            connections: Mutex::new(connections),
            offences: Mutex::new(Offences::default()),
            queue,
        }
    }

    /// Sends on a flow of this node. Connection 0 of a stream means: the connection to that
    /// peer if there is one, else a new one.
    pub(crate) fn send(self: &Arc<Self>, flow: &Flow, bytes: Bytes) -> Result<(), NotSent> {
        match flow.transport {
            Transport::Udp => self.send_datagram(flow, &bytes)?,
            Transport::Tcp | Transport::Tls => self.send_on_stream(flow, bytes)?,
        }
        self.metrics.sip.sent(wire(flow.transport)).increment();
        Ok(())
    }

    fn send_datagram(&self, flow: &Flow, bytes: &[u8]) -> Result<(), NotSent> {
        let socket = self.socket_for(flow).ok_or(NotSent)?;
        match socket.try_send_to(bytes, flow.peer) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                // Like a loss on the way: whoever sent it repeats it (RFC 3261 §17).
                self.metrics.sip.shed(Shed::Dropped).increment();
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, peer = %flow.peer, "a datagram could not be sent");
                Err(NotSent)
            }
        }
    }

    /// The socket that a flow names; where a floating address has left this machine, another one.
    fn socket_for(&self, flow: &Flow) -> Option<Arc<UdpSocket>> {
        let of = |sockets: &[(SocketAddr, Arc<UdpSocket>)]| {
            let named = sockets.iter().find(|(local, _)| *local == flow.local);
            named.map(|(_, socket)| Arc::clone(socket))
        };
        let same_family = |(local, _): &&(SocketAddr, _)| local.is_ipv4() == flow.peer.is_ipv4();
        of(&self.udp).or_else(|| of(&self.floating())).or_else(|| {
            let any = self.udp.iter().find(same_family);
            any.map(|(_, socket)| Arc::clone(socket))
        })
    }

    fn floating(&self) -> MutexGuard<'_, Vec<(SocketAddr, Arc<UdpSocket>)>> {
        self.floating.lock().expect("no holder of this lock panics")
    }

    /// This machine has a floating address, and listens there.
    pub(crate) fn open_at(&self, sockets: Vec<(SocketAddr, Arc<UdpSocket>)>) {
        self.floating().extend(sockets);
    }

    /// It has it no more.
    pub(crate) fn close_at(&self, address: IpAddr) {
        self.floating().retain(|(local, _)| local.ip() != address);
        self.connections().cut_at(address);
    }

    fn send_on_stream(self: &Arc<Self>, flow: &Flow, bytes: Bytes) -> Result<(), NotSent> {
        let known = match flow.connection {
            0 => self.connections().to_peer(flow.transport, flow.peer),
            connection => Some(connection),
        };
        if let Some(connection) = known {
            let written = self.connections().write(connection, bytes.clone());
            match written {
                Ok(()) => return Ok(()),
                Err(WriteError::Gone) if flow.connection == 0 => {}
                Err(WriteError::Gone | WriteError::SlowReader) => return Err(NotSent),
            }
        }
        crate::dial::dial(self, *flow, bytes)
    }

    pub(crate) fn close(&self, flow: &Flow) {
        self.connections().cut(flow.connection);
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .expect("no holder of this lock panics")
    }

    /// The listener that requests over `transport` name in their Via.
    pub(crate) fn listener(
        &self,
        transport: Transport,
        family_of: SocketAddr,
    ) -> Option<SocketAddr> {
        self.listeners
            .iter()
            .filter(|listener| listener.transport == transport)
            .find(|listener| listener.address.is_ipv4() == family_of.is_ipv4())
            .map(|listener| listener.address)
    }

    /// `source` sent what makes no sense.
    pub(crate) fn offended(&self, transport: Transport, source: IpAddr) {
        self.metrics.sip.malformed(wire(transport)).increment();
        self.offences().record(self.clock.now_ms(), source);
    }

    pub(crate) fn is_silenced(&self, source: IpAddr) -> bool {
        let silenced = self.offences().is_silenced(self.clock.now_ms(), source);
        if silenced {
            self.metrics.sip.shed(Shed::Flood).increment();
        }
        silenced
    }

    fn offences(&self) -> MutexGuard<'_, Offences> {
        self.offences.lock().expect("no holder of this lock panics")
    }

    /// A message for the brain; waits while its queue is full.
    pub(crate) async fn deliver(&self, inbound: Inbound) {
        // Fails only when the brain has stopped, and then nobody is interested.
        let _ = self.queue.send(inbound).await;
    }

    /// As `deliver`, for senders that cannot wait.
    pub(crate) fn try_deliver(&self, inbound: Inbound) -> Result<(), Inbound> {
        self.queue
            .try_send(inbound)
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(inbound)
                | mpsc::error::TrySendError::Closed(inbound) => inbound,
            })
    }

    /// Messages that wait for the brain.
    pub(crate) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    pub(crate) fn count_connections(&self, transport: Transport) {
        let count = self.connections().count(transport);
        self.metrics
            .sip
            .connections(wire(transport))
            .set(count as u64);
    }
}

pub(crate) fn wire(transport: Transport) -> Wire {
    match transport {
        Transport::Udp => Wire::Udp,
        Transport::Tcp => Wire::Tcp,
        Transport::Tls => Wire::Tls,
    }
}
