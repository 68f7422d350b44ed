//! Connections to the other nodes, made when needed and kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::{
    Connection, Endpoint, FrameReceiver, FrameSender, LinkError, NodeId, Peer, Service,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::snapshot;
use crate::message::{Kind, Message};
use crate::transport::{CallError, Destination, SnapshotOffer, Transport};

/// Votes and heartbeats first, then entries, then what can wait.
const PRIORITY_APPEND: i32 = 10;
/// Handshakes slow down with each packet that is lost: after so long a fresh one is sooner there.
const DIAL_LIMIT: Duration = Duration::from_secs(1);
/// A peer that lets no stream begin for so long does not take any.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// A dial under way, for all who wait for it.
type Dial = Shared<BoxFuture<'static, Result<Connection, CallError>>>;

/// A node's connections to the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct QuicTransport {
    endpoint: Endpoint,
    ways: Arc<Mutex<BTreeMap<NodeId, Way>>>,
}

/// How a node is reached.
enum Way {
    Open(Connection),
    Dialling(SocketAddr, Dial),
}

impl QuicTransport {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            ways: Arc::default(),
        }
    }

    /// The connection to a node. A dial goes on when who asked for it gives up: a vote has less time than a handshake may
    /// take on a busy machine, and nodes that gave up each time would never reach each other.
    pub(crate) async fn connection(&self, to: Destination) -> Result<Connection, CallError> {
        let dial = {
            let mut ways = self.ways();
            match ways.get(&to.node) {
                Some(Way::Open(connection))
                    if connection.close_reason().is_none()
                        && connection.remote_address() == to.address =>
                {
                    return Ok(connection.clone());
                }
                Some(Way::Dialling(address, dial)) if *address == to.address => dial.clone(),
                Some(Way::Open(_) | Way::Dialling(..)) | None => {
                    let dial = dial(self.endpoint.clone(), to).boxed().shared();
                    ways.insert(to.node, Way::Dialling(to.address, dial.clone()));
                    tokio::spawn(self.clone().settle(to.node, dial.clone()));
                    dial
                }
            }
        };
        dial.await
    }

    /// Keeps what a dial led to, unless the node has meanwhile been looked for elsewhere.
    async fn settle(self, node: NodeId, dial: Dial) {
        let dialled = dial.clone().await;
        let mut ways = self.ways();
        if matches!(ways.get(&node), Some(Way::Dialling(_, newest)) if newest.ptr_eq(&dial)) {
            match dialled {
                Ok(connection) => ways.insert(node, Way::Open(connection)),
                Err(_) => ways.remove(&node),
            };
        }
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<NodeId, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn dial(endpoint: Endpoint, to: Destination) -> Result<Connection, CallError> {
    let connection = endpoint.connect(to.address, Peer::Node(to.node), Service::Cluster);
    match tokio::time::timeout(DIAL_LIMIT, connection).await {
        Ok(connection) => connection.map_err(not_reached),
        Err(_) => Err(not_reached("no handshake in time")),
    }
}

/// Opens a stream for more than one message each way.
pub(super) async fn open(
    connection: &Connection,
    priority: i32,
    header: &Message,
) -> Result<(FrameSender, FrameReceiver), LinkError> {
    let opening = async {
        let (mut sender, receiver) = connection.open().await?;
        sender.set_priority(priority);
        sender.send(header.to_frame()).await?;
        Ok((sender, receiver))
    };
    let opened = tokio::time::timeout(OPEN_LIMIT, opening).await;
    opened.unwrap_or(Err(LinkError::Timeout))
}

pub(super) fn not_reached(error: impl std::fmt::Display) -> CallError {
    CallError::NotReached(error.to_string())
}

pub(super) fn no_answer(error: impl std::fmt::Display) -> CallError {
    CallError::NoAnswer(error.to_string())
}

impl Transport for QuicTransport {
    async fn call(
        &self,
        to: Destination,
        message: Message,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let began = tokio::time::Instant::now();
        let connection = tokio::time::timeout(limit, self.connection(to))
            .await
            .map_err(|_| not_reached("no connection in time"))??;
        let left = limit.saturating_sub(began.elapsed());
        connection
            .request(message.to_frame(), left)
            .await
            .map_err(no_answer)
    }

    async fn send_snapshot(
        &self,
        to: Destination,
        offer: SnapshotOffer,
    ) -> Result<Bytes, CallError> {
        let connection = self.connection(to).await?;
        snapshot::send(&connection, offer).await.map_err(no_answer)
    }

    async fn open_append(
        &self,
        to: Destination,
    ) -> Result<Option<(FrameSender, FrameReceiver)>, CallError> {
        let connection = self.connection(to).await?;
        let header = Message::new(Kind::AppendStream, Bytes::new());
        let opened = open(&connection, PRIORITY_APPEND, &header);
        Ok(Some(opened.await.map_err(not_reached)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use carillon_link::Authority;

    use super::*;

    fn endpoint(authority: &Authority, node: u64) -> Endpoint {
        let credentials = authority.credentials(Peer::Node(NodeId(node))).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        Endpoint::bind(address, Arc::new(credentials), &[Service::Cluster]).unwrap()
    }

    #[tokio::test]
    async fn a_dial_goes_on_when_who_asked_for_it_gives_up() {
        let authority = Authority::generate("test").unwrap();
        let (here, there) = (endpoint(&authority, 1), endpoint(&authority, 2));
        let to = Destination {
            node: NodeId(2),
            address: there.local_address().unwrap(),
        };
        let transport = QuicTransport::new(here);
        let ask = || transport.call(to, Message::new(Kind::Read, Bytes::new()), Duration::ZERO);
        // The other side has not got round to the handshake yet.
        for _ in 0..3 {
            assert!(matches!(ask().await, Err(CallError::NotReached(_))));
        }
        let accepted = there.accept().await.unwrap().establish().await.unwrap();
        let connection = transport.connection(to).await.unwrap();
        assert!(connection.close_reason().is_none());
        assert!(
            accepted.close_reason().is_none(),
            "it is the one that was dialled first"
        );
        let another = tokio::time::timeout(Duration::from_millis(50), there.accept());
        assert!(another.await.is_err(), "and there is no other");
    }

    #[tokio::test]
    async fn a_peer_that_lets_no_stream_begin_is_not_waited_for() {
        let authority = Authority::generate("test").unwrap();
        let (here, there) = (endpoint(&authority, 1), endpoint(&authority, 2));
        let to = Destination {
            node: NodeId(2),
            address: there.local_address().unwrap(),
        };
        let accepted = tokio::spawn(async move { there.accept().await.unwrap().establish().await });
        let transport = QuicTransport::new(here);
        let connection = transport.connection(to).await.unwrap();
        let _accepted = accepted.await.unwrap().unwrap();
        let mut streams = Vec::new();
        while let Some(stream) = connection.open().now_or_never() {
            streams.push(stream.unwrap());
        }
        assert!(!streams.is_empty());
        let opened = transport.open_append(to).await;
        assert!(matches!(opened, Err(CallError::NotReached(_))));
    }

    #[tokio::test]
    async fn a_node_that_comes_late_is_dialled_anew() {
        let authority = Authority::generate("test").unwrap();
        let here = endpoint(&authority, 1);
        let nobody = endpoint(&authority, 3);
        let wrong = Destination {
            node: NodeId(2),
            address: nobody.local_address().unwrap(),
        };
        let transport = QuicTransport::new(here);
        tokio::spawn(async move { nobody.accept().await.unwrap().establish().await });
        let refused = transport.connection(wrong).await;
        assert!(
            matches!(refused, Err(CallError::NotReached(_))),
            "it is somebody else"
        );
        let there = endpoint(&authority, 2);
        let to = Destination {
            address: there.local_address().unwrap(),
            ..wrong
        };
        tokio::spawn(async move { there.accept().await.unwrap().establish().await });
        transport.connection(to).await.unwrap();
    }
}
