//! The table of stream connections: who is connected, how to write to them, whom to cut off.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use carillon_model::{Flow, NodeId, Transport};
use carillon_telemetry::metrics::Refusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits::{HALF_OPEN_MAX, WRITE_QUEUE_MESSAGES_MAX};

pub(crate) struct Connections {
    node: NodeId,
    total_max: usize,
    per_source_max: usize,
    next: u64,
    open: HashMap<u64, Entry>,
    by_peer: HashMap<(Transport, SocketAddr), u64>,
    per_source: HashMap<IpAddr, usize>,
    half_open: BTreeSet<u64>,
    encrypted: usize,
}

struct Entry {
    flow: Flow,
    writer: mpsc::Sender<Bytes>,
    cut: CancellationToken,
}

/// What a connection's task works with.
pub(crate) struct Admitted {
    pub(crate) flow: Flow,
    pub(crate) to_write: mpsc::Receiver<Bytes>,
    pub(crate) cut: CancellationToken,
}

/// Why a message could not be given to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// There is no such connection here.
    Gone,
    /// The peer does not read; the connection has been cut.
    SlowReader,
}

impl Connections {
    /// Connection ids begin at `first`, which must lie above all of earlier processes on this
    /// node: flows of theirs are still in the replicated bindings.
    pub(crate) fn new(node: NodeId, first: u64, total_max: usize, per_source_max: usize) -> Self {
        Self {
            node,
            total_max,
            per_source_max,
            next: first,
            open: HashMap::new(),
            by_peer: HashMap::new(),
            per_source: HashMap::new(),
            half_open: BTreeSet::new(),
            encrypted: 0,
        }
    }

    /// A peer connected, or we are about to connect to it.
    pub(crate) fn admit(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<Admitted, Refusal> {
        if self.open.len() >= self.total_max {
            return Err(Refusal::TooMany);
        }
        let of_source = self.per_source.entry(peer.ip()).or_default();
        if *of_source >= self.per_source_max {
            return Err(Refusal::TooManyOfSource);
        }
        *of_source += 1;
        if self.half_open.len() >= HALF_OPEN_MAX {
            self.cut_oldest_half_open();
        }
        self.next += 1;
        let flow = Flow {
            node: self.node,
            transport,
            local,
            peer,
            connection: self.next,
        };
        let (writer, to_write) = mpsc::channel(WRITE_QUEUE_MESSAGES_MAX);
        let cut = CancellationToken::new();
        let entry = Entry {
            flow,
            writer,
            cut: cut.clone(),
        };
        self.open.insert(flow.connection, entry);
        self.encrypted += usize::from(transport.is_secure());
        self.by_peer.insert((transport, peer), flow.connection);
        self.half_open.insert(flow.connection);
        Ok(Admitted {
            flow,
            to_write,
            cut,
        })
    }

    fn cut_oldest_half_open(&mut self) {
        if let Some(oldest) = self.half_open.pop_first()
            && let Some(entry) = self.open.get(&oldest)
        {
            entry.cut.cancel();
        }
    }

    /// The peer has sent a whole message: it is somebody.
    pub(crate) fn settle(&mut self, connection: u64) {
        self.half_open.remove(&connection);
    }

    /// The task of a connection has ended.
    pub(crate) fn remove(&mut self, connection: u64) {
        self.half_open.remove(&connection);
        let Some(entry) = self.open.remove(&connection) else {
            return;
        };
        self.encrypted -= usize::from(entry.flow.transport.is_secure());
        let key = (entry.flow.transport, entry.flow.peer);
        if self.by_peer.get(&key) == Some(&connection) {
            self.by_peer.remove(&key);
        }
        let source = entry.flow.peer.ip();
        if let Some(of_source) = self.per_source.get_mut(&source) {
            *of_source -= 1;
            if *of_source == 0 {
                self.per_source.remove(&source);
            }
        }
    }

    /// Puts a message into the queue of a connection; never waits.
    pub(crate) fn write(&self, connection: u64, message: Bytes) -> Result<(), WriteError> {
        let entry = self.open.get(&connection).ok_or(WriteError::Gone)?;
        match entry.writer.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(WriteError::Gone),
            Err(mpsc::error::TrySendError::Full(_)) => {
                entry.cut.cancel();
                Err(WriteError::SlowReader)
            }
        }
    }

    /// The connection to a peer, whoever opened it.
    pub(crate) fn to_peer(&self, transport: Transport, peer: SocketAddr) -> Option<u64> {
        self.by_peer.get(&(transport, peer)).copied()
    }

    pub(crate) fn cut(&self, connection: u64) {
        if let Some(entry) = self.open.get(&connection) {
            entry.cut.cancel();
        }
    }

    /// An address leaves this machine, and with it the connections that end there.
    pub(crate) fn cut_at(&self, address: IpAddr) {
        let ends_there = |entry: &&Entry| entry.flow.local.ip() == address;
        for entry in self.open.values().filter(ends_there) {
            entry.cut.cancel();
        }
    }

    pub(crate) fn count(&self, transport: Transport) -> usize {
        match transport {
            Transport::Udp => 0,
            Transport::Tcp => self.open.len() - self.encrypted,
            Transport::Tls => self.encrypted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(total_max: usize, per_source_max: usize) -> Connections {
        Connections::new(NodeId(1), 1_000, total_max, per_source_max)
    }

    fn local() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 5060))
    }

    fn phone(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    #[test]
    fn a_crowd_from_one_address_leaves_room_for_others() {
        let mut table = table(10, 2);
        let mut kept = Vec::new();
        for port in 1..=2 {
            kept.push(
                table
                    .admit(Transport::Tcp, local(), phone(1, port))
                    .ok()
                    .unwrap(),
            );
        }
        let refused = table.admit(Transport::Tcp, local(), phone(1, 3)).err();
        assert_eq!(refused, Some(Refusal::TooManyOfSource));
        assert!(table.admit(Transport::Tcp, local(), phone(2, 1)).is_ok());

        table.remove(kept[0].flow.connection);
        assert!(table.admit(Transport::Tcp, local(), phone(1, 4)).is_ok());
    }

    #[test]
    fn half_open_connections_give_way_the_oldest_first() {
        let mut table = table(usize::MAX, usize::MAX);
        let phone_with_a_call = table
            .admit(Transport::Tcp, local(), phone(9, 9))
            .ok()
            .unwrap();
        table.settle(phone_with_a_call.flow.connection);
        let mut idlers = Vec::new();
        for port in 0..2 * HALF_OPEN_MAX as u16 {
            idlers.push(
                table
                    .admit(Transport::Tcp, local(), phone(1, port))
                    .ok()
                    .unwrap(),
            );
        }
        assert_eq!(table.half_open.len(), HALF_OPEN_MAX);
        assert!(!phone_with_a_call.cut.is_cancelled());
        let cut = idlers
            .iter()
            .take_while(|idler| idler.cut.is_cancelled())
            .count();
        assert_eq!(cut, HALF_OPEN_MAX);
    }

    #[test]
    fn a_peer_that_does_not_read_is_cut_off() {
        let mut table = table(10, 10);
        let slow = table
            .admit(Transport::Tcp, local(), phone(1, 1))
            .ok()
            .unwrap();
        let connection = slow.flow.connection;
        for _ in 0..WRITE_QUEUE_MESSAGES_MAX {
            table.write(connection, Bytes::from_static(b"x")).unwrap();
        }
        let refused = table.write(connection, Bytes::from_static(b"x"));
        assert_eq!(refused, Err(WriteError::SlowReader));
        assert!(slow.cut.is_cancelled());
        table.remove(connection);
        assert_eq!(table.write(connection, Bytes::new()), Err(WriteError::Gone));
        assert_eq!(table.to_peer(Transport::Tcp, phone(1, 1)), None);
        assert!(table.per_source.is_empty());
    }
}
