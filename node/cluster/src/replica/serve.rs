//! Answers what other nodes ask.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::NodeId;
use futures_util::{Stream, StreamExt};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use openraft::storage::Snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Replica;
use crate::codec::{decode, encode};
use crate::message::{Ask, Kind, Message, Refusal};
use crate::raft::network::SnapshotHeader;
use crate::raft::types::{Proposal, TypeConfig};
use crate::transport::Transport;
use crate::{HistoryRow, Replicated, Runtime};

/// A command waits no longer at the leader for its commit.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

type Answering = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// Answers the requests on a channel; for messages that want no answer, what it returns is dropped.
#[derive(Clone)]
pub struct ChannelHandler(Arc<dyn Fn(NodeId, Bytes) -> Answering + Send + Sync>);

impl ChannelHandler {
    /// A handler of messages from other nodes.
    pub fn new<F: Future<Output = Bytes> + Send + 'static>(
        handle: impl Fn(NodeId, Bytes) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |from, body| Box::pin(handle(from, body))))
    }

    pub(crate) fn handle(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> impl Future<Output = Bytes> + Send + use<> {
        (self.0)(from, body)
    }
}

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    /// Answers one message of node `from`, whose identity the transport has verified. `None` for a message that has
    /// no single answer or does not decode.
    pub async fn serve(&self, from: NodeId, message: Message) -> Option<Bytes> {
        match message.kind {
            Kind::Append => {
                self.heard(from);
                self.raft_call(
                    &message.body,
                    async |request: AppendEntriesRequest<TypeConfig<R>>| {
                        self.inner.raft.append_entries(request).await
                    },
                )
                .await
            }
            Kind::Vote => {
                self.raft_call(
                    &message.body,
                    async |request: VoteRequest<TypeConfig<R>>| self.inner.raft.vote(request).await,
                )
                .await
            }
            Kind::PreVote => {
                self.raft_call(
                    &message.body,
                    async |request: VoteRequest<TypeConfig<R>>| {
                        self.inner.raft.pre_vote(request).await
                    },
                )
                .await
            }
            Kind::TransferLeader => {
                self.raft_call(
                    &message.body,
                    async |request: TransferLeaderRequest<TypeConfig<R>>| {
                        self.inner.raft.handle_transfer_leader(request).await
                    },
                )
                .await
            }
            Kind::Propose => Some(encode(
                &self.serve_proposal(decode(&message.body).ok()?).await,
            )),
            Kind::Change => Some(encode(
                &self.change_as_leader(decode(&message.body).ok()?).await,
            )),
            Kind::Read => Some(encode(&self.confirm_read().await)),
            Kind::Ask => Some(encode(
                &self.serve_ask(from, decode(&message.body).ok()?).await,
            )),
            Kind::AppendStream | Kind::Snapshot | Kind::Tell => None,
        }
    }

    async fn raft_call<Q: DeserializeOwned, A: Serialize, E: std::error::Error>(
        &self,
        body: &[u8],
        handle: impl AsyncFnOnce(Q) -> Result<A, E>,
    ) -> Option<Bytes> {
        let request = decode(body).ok()?;
        let answer = handle(request).await.map_err(|error| error.to_string());
        Some(encode(&answer))
    }

    async fn serve_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<crate::message::Committed, Refusal> {
        // What this version cannot read must not come into the log through it.
        if let Err(error) = decode::<crate::admin::Body<M::Command>>(&proposal.body) {
            return Err(Refusal::Failed(error.to_string()));
        }
        if !proposal.joined.is_empty() {
            return Err(Refusal::Failed(
                "only the leader joins proposals".to_owned(),
            ));
        }
        let written = R::within(WRITE_LIMIT, self.write(proposal)).await;
        written.unwrap_or(Err(Refusal::Unknown))
    }

    /// Takes a stream of entries from the leader; yields the answers in order.
    pub(crate) fn append_stream(
        &self,
        from: NodeId,
        frames: impl Stream<Item = Bytes> + Send + 'static,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let replica = self.clone();
        let requests = frames.filter_map(move |frame| {
            replica.heard(from);
            std::future::ready(decode::<AppendEntriesRequest<TypeConfig<R>>>(&frame).ok())
        });
        let answers = self.inner.raft.stream_append(requests);
        answers.filter_map(|answer| std::future::ready(answer.ok().map(|answer| encode(&answer))))
    }

    /// Keeps rows of history that come with a snapshot. They are committed: the snapshot need not be installed yet.
    pub fn take_history(&self, rows: Vec<HistoryRow>) -> io::Result<()> {
        self.inner.store.add_history(rows)
    }

    /// Installs a snapshot that has arrived whole.
    pub async fn install(&self, from: NodeId, header: &[u8], state: Bytes) -> io::Result<Bytes> {
        self.heard(from);
        let header: SnapshotHeader<R> = decode(header)?;
        let snapshot = Snapshot {
            meta: header.meta,
            snapshot: state,
        };
        let installed = self
            .inner
            .raft
            .install_full_snapshot(header.vote, snapshot)
            .await;
        Ok(encode(&installed.map_err(|error| error.to_string())))
    }

    /// Answers what other nodes ask and tell on `channel` from now on.
    pub fn register(&self, channel: &str, handler: ChannelHandler) {
        self.channels().insert(channel.to_owned(), handler);
    }

    pub(crate) fn handler(&self, channel: &str) -> Option<ChannelHandler> {
        self.channels().get(channel).cloned()
    }

    async fn serve_ask(&self, from: NodeId, ask: Ask) -> Result<Bytes, String> {
        match self.handler(&ask.channel) {
            Some(handler) => Ok(handler.handle(from, ask.body).await),
            None => Err(format!("nobody listens on channel {}", ask.channel)),
        }
    }

    fn channels(&self) -> MutexGuard<'_, std::collections::BTreeMap<String, ChannelHandler>> {
        self.inner
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self, from: NodeId) {
        if self.leader() == Some(from) {
            self.inner
                .heard_from_leader_ms
                .store(R::now_ms(), Ordering::Relaxed);
        }
    }
}
