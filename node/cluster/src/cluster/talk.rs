//! Messages between control nodes, by channel.

use std::time::Duration;

use bytes::Bytes;
use carillon_link::NodeId;

use super::Cluster;
use crate::codec::{decode, encode};
use crate::message::{Ask, Kind, Message};
use crate::quic::TellError;
use crate::transport::{CallError, Transport};
use crate::{ChannelHandler, Replicated};

impl<M: Replicated> Cluster<M> {
    /// Handles what other nodes send and ask on `channel` from now on. Messages of one node that want no answer are
    /// handled one after the other, in the order in which they were sent; requests are handled as they come.
    pub fn register<F: Future<Output = Bytes> + Send + 'static>(
        &self,
        channel: &str,
        handle: impl Fn(NodeId, Bytes) -> F + Send + Sync + 'static,
    ) {
        self.replica.register(channel, ChannelHandler::new(handle));
    }

    /// Sends a message to `node` without waiting. It may be lost, like a datagram, when a connection breaks.
    pub fn send(&self, node: NodeId, channel: &str, body: Bytes) -> Result<(), TellError> {
        let to = self
            .replica
            .destination(node)
            .ok_or(TellError::UnknownNode)?;
        self.shared.teller.tell(to, channel, body)
    }

    /// Asks `node`, and waits for its answer no longer than `limit`.
    pub async fn request(
        &self,
        node: NodeId,
        channel: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let to = self.replica.destination(node);
        let to = to.ok_or_else(|| CallError::NotReached(format!("there is no node {node}")))?;
        let ask = Ask {
            channel: channel.to_owned(),
            body,
        };
        let message = Message::new(Kind::Ask, encode(&ask));
        let answer = self.shared.transport.call(to, message, limit).await?;
        let answer: Result<Bytes, String> =
            decode(&answer).map_err(|error| CallError::NoAnswer(error.to_string()))?;
        answer.map_err(CallError::NotReached)
    }
}
