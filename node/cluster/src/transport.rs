//! How messages travel: QUIC in production, a seeded network in the simulation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_link::{FrameReceiver, FrameSender, NodeId};

use crate::LogStore;
use crate::message::Message;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer was not reached: it did nothing.
    #[error("not reached: {0}")]
    NotReached(String),
    /// The peer may have done what it was asked.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// A node and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Who has to answer there.
    pub node: NodeId,
    /// Its cluster address.
    pub address: SocketAddr,
}

/// A snapshot on its way to a node that lacks it.
pub struct SnapshotOffer {
    /// Who sends it, and what it covers.
    pub header: Bytes,
    /// The state.
    pub state: Bytes,
    /// Where the history is read from while it is sent.
    pub store: Arc<dyn LogStore>,
}

/// Carries messages between nodes and names the sender truly.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Asks `to`, and waits for its answer no longer than `limit`.
    fn call(
        &self,
        to: Destination,
        message: Message,
        limit: Duration,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;

    /// Sends a snapshot with the history, however long that takes, and waits for the answer.
    fn send_snapshot(
        &self,
        to: Destination,
        offer: SnapshotOffer,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;

    /// Opens a stream for entries and their answers; `None` where each append is a call.
    fn open_append(
        &self,
        to: Destination,
    ) -> impl Future<Output = Result<Option<(FrameSender, FrameReceiver)>, CallError>> + Send {
        let _ = to;
        std::future::ready(Ok(None))
    }
}
