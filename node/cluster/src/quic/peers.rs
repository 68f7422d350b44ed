//! Connections to the other nodes, made when needed and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::{
    Connection, Endpoint, FrameReceiver, FrameSender, LinkError, NodeId, Peer, Service,
};

use super::snapshot;
use crate::message::{Kind, Message};
use crate::transport::{CallError, Destination, SnapshotOffer, Transport};

/// Votes and heartbeats first, then entries, then what can wait.
const PRIORITY_APPEND: i32 = 10;

/// A node's connections to the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct QuicTransport {
    endpoint: Endpoint,
    slots: Arc<Mutex<BTreeMap<NodeId, Arc<Slot>>>>,
}

/// One at a time dials; the others wait for its connection.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Connection>>);

impl QuicTransport {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            slots: Arc::default(),
        }
    }

    pub(crate) async fn connection(&self, to: Destination) -> Result<Connection, LinkError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(to.node).or_default().clone()
        };
        let mut slot = slot.0.lock().await;
        if let Some(connection) = &*slot
            && connection.close_reason().is_none()
            && connection.remote_address() == to.address
        {
            return Ok(connection.clone());
        }
        *slot = None;
        let peer = Peer::Node(to.node);
        let connection = self
            .endpoint
            .connect(to.address, peer, Service::Cluster)
            .await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }
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
            .map_err(|_| CallError::NotReached("no connection in time".to_owned()))?
            .map_err(not_reached)?;
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
        let connection = self.connection(to).await.map_err(not_reached)?;
        snapshot::send(&connection, offer).await.map_err(no_answer)
    }

    async fn open_append(
        &self,
        to: Destination,
    ) -> Result<Option<(FrameSender, FrameReceiver)>, CallError> {
        let connection = self.connection(to).await.map_err(not_reached)?;
        let (mut sender, receiver) = connection.open().await.map_err(not_reached)?;
        sender.set_priority(PRIORITY_APPEND);
        let header = Message::new(Kind::AppendStream, Bytes::new());
        sender.send(header.to_frame()).await.map_err(not_reached)?;
        Ok(Some((sender, receiver)))
    }
}
