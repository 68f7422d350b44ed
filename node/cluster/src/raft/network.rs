//! openraft's network on a `Transport`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::{FrameReceiver, FrameSender, LinkError, NodeId};
use carillon_telemetry::RaftMetrics;
use futures_util::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, VoteOf};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::acknowledged::Acknowledged;
use super::types::{Member, TypeConfig};
use crate::codec::{decode, encode};
use crate::message::{Kind, Message};
use crate::transport::{CallError, Destination, SnapshotOffer, Transport};
use crate::{LogStore, Runtime};

/// A follower that has acknowledged nothing for so long is asked anew.
const APPEND_STALL: Duration = Duration::from_secs(2);

/// The shortest time given to a call: a slow machine answers later than a heartbeat interval.
const SHORTEST_CALL: Duration = Duration::from_millis(40);

/// Who sends a snapshot, and what it covers.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct SnapshotHeader<R: Runtime> {
    pub(crate) vote: VoteOf<TypeConfig<R>>,
    pub(crate) meta: SnapshotMetaOf<TypeConfig<R>>,
}

/// Where the nodes are by the newest membership. openraft keeps a client for as long as its node is a member, with the
/// address that the node had when it became one.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<BTreeMap<NodeId, SocketAddr>>>);

impl Addresses {
    pub(crate) fn set(&self, addresses: BTreeMap<NodeId, SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    fn newest(&self, to: Destination) -> Destination {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = addresses.get(&to.node).copied().unwrap_or(to.address);
        Destination { address, ..to }
    }
}

pub(crate) struct Network<T> {
    pub(crate) local: NodeId,
    pub(crate) transport: T,
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) addresses: Addresses,
    pub(crate) metrics: RaftMetrics,
}

pub(crate) struct Client<T> {
    local: NodeId,
    to: Destination,
    transport: T,
    store: Arc<dyn LogStore>,
    addresses: Addresses,
    acknowledged: Acknowledged,
    /// Heartbeats go by calls of their own: entries in front of them must not delay them.
    streams: bool,
}

impl<T: Transport> Network<T> {
    fn client(&self, node: NodeId, member: &Member, streams: bool) -> Client<T> {
        let to = Destination {
            node,
            address: member.address,
        };
        Client {
            local: self.local,
            to,
            transport: self.transport.clone(),
            store: self.store.clone(),
            addresses: self.addresses.clone(),
            acknowledged: Acknowledged::nothing(node, self.metrics.clone()),
            streams,
        }
    }
}

impl<R: Runtime, T: Transport> RaftNetworkFactory<TypeConfig<R>> for Network<T> {
    type Network = Client<T>;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Client<T> {
        self.client(target, node, true)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Client<T> {
        self.client(target, node, false)
    }
}

impl<T: Transport> Client<T> {
    fn destination(&self) -> Destination {
        self.addresses.newest(self.to)
    }

    async fn call<R: Runtime, A: DeserializeOwned>(
        &self,
        kind: Kind,
        action: RPCTypes,
        request: &impl Serialize,
        option: &RPCOption,
    ) -> Result<A, RPCError<TypeConfig<R>>> {
        let limit = option.soft_ttl().max(SHORTEST_CALL);
        let message = Message::new(kind, encode(request));
        let answer = self
            .transport
            .call(self.destination(), message, limit)
            .await;
        let answer = answer.map_err(|error| match error {
            CallError::NotReached(_) => RPCError::Unreachable(Unreachable::new(&error)),
            CallError::NoAnswer(_) => RPCError::Timeout(Timeout {
                action,
                id: self.local,
                target: self.to.node,
                timeout: limit,
            }),
        })?;
        let answer: Result<A, String> =
            decode(&answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        answer.map_err(|why| RPCError::Unreachable(Unreachable::from_string(why)))
    }
}

fn broken<R: Runtime>(error: &LinkError) -> RPCError<TypeConfig<R>> {
    RPCError::Network(NetworkError::from_string(error))
}

impl<R: Runtime, T: Transport> RaftNetworkV2<TypeConfig<R>> for Client<T> {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig<R>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig<R>>, RPCError<TypeConfig<R>>> {
        self.call(Kind::Append, RPCTypes::AppendEntries, &rpc, &option)
            .await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<
            BoxStream<'s, Result<StreamAppendResult<TypeConfig<R>>, RPCError<TypeConfig<R>>>>,
            RPCError<TypeConfig<R>>,
        >,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig<R>>> + OptionalSend + Unpin + 'static,
    {
        if !self.streams {
            return stream_append_sequential(self, input, option);
        }
        Box::pin(async move {
            let acknowledged = self.acknowledged.clone();
            let opened = self.transport.open_append(self.destination()).await;
            let answers =
                match opened.map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))? {
                    None => stream_append_sequential(self, input, option).await?,
                    Some((sender, receiver)) => pipelined::<R, S>(input, sender, receiver),
                };
            let noted = answers.inspect(move |answer| {
                if let Ok(answer) = answer {
                    acknowledged.note::<R>(answer);
                }
            });
            Ok(noted.boxed())
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<R>>, RPCError<TypeConfig<R>>> {
        self.call(Kind::Vote, RPCTypes::Vote, &rpc, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<R>>, RPCError<TypeConfig<R>>> {
        self.call(Kind::PreVote, RPCTypes::Vote, &rpc, &option)
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig<R>>,
        snapshot: SnapshotOf<TypeConfig<R>, Bytes>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig<R>>, StreamingError<TypeConfig<R>>> {
        let header = SnapshotHeader::<R> {
            vote,
            meta: snapshot.meta,
        };
        let offer = SnapshotOffer {
            header: encode(&header),
            state: snapshot.snapshot,
            store: self.store.clone(),
        };
        let sent = std::pin::pin!(self.transport.send_snapshot(self.destination(), offer));
        let cancel = std::pin::pin!(cancel);
        let answer = match R::select2(cancel, sent).await {
            openraft::async_runtime::Select2::First(closed) => {
                return Err(StreamingError::Closed(closed));
            }
            openraft::async_runtime::Select2::Second(answer) => answer,
        };
        let answer =
            answer.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
        let answer: Result<_, String> =
            decode(&answer).map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        answer.map_err(|why| StreamingError::Unreachable(Unreachable::from_string(why)))
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig<R>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig<R>>, RPCError<TypeConfig<R>>> {
        self.call(
            Kind::TransferLeader,
            RPCTypes::TransferLeader,
            &req,
            &option,
        )
        .await
    }
}

/// Sends requests as they come and yields answers as they come, on one stream.
#[expect(clippy::type_complexity, reason = "the type is openraft's")]
fn pipelined<'s, R: Runtime, S>(
    input: S,
    sender: FrameSender,
    receiver: FrameReceiver,
) -> BoxStream<'s, Result<StreamAppendResult<TypeConfig<R>>, RPCError<TypeConfig<R>>>>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig<R>>> + OptionalSend + Unpin + 'static,
{
    let unanswered = Arc::new(AtomicUsize::new(0));
    let sending = stream::once(send_all::<R, S>(input, sender, unanswered.clone()));
    let sending = sending
        .filter_map(|sent| std::future::ready(sent.err().map(|error| Err(broken::<R>(&error)))));
    let answers = stream::unfold(Some((receiver, unanswered)), |state| async move {
        let (mut receiver, unanswered) = state?;
        match next_answer::<R>(&mut receiver, &unanswered).await {
            Ok(Some(answer)) => {
                let more = answer.is_ok().then_some((receiver, unanswered));
                Some((Ok(answer), more))
            }
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    // No answers any more: nothing sent after that can count, whatever there is to send.
    let answers = answers
        .map(Some)
        .chain(stream::once(std::future::ready(None)));
    let both = stream::select(answers.boxed(), sending.map(Some).boxed());
    both.take_while(|item| std::future::ready(item.is_some()))
        .filter_map(std::future::ready)
        .boxed()
}

async fn send_all<R: Runtime, S>(
    mut input: S,
    mut sender: FrameSender,
    unanswered: Arc<AtomicUsize>,
) -> Result<(), LinkError>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig<R>>> + Unpin,
{
    while let Some(request) = input.next().await {
        unanswered.fetch_add(1, Ordering::Relaxed);
        sender.send(encode(&request)).await?;
    }
    // That the peer ends its side is the last answer.
    unanswered.fetch_add(1, Ordering::Relaxed);
    sender.finish();
    Ok(())
}

async fn next_answer<R: Runtime>(
    receiver: &mut FrameReceiver,
    unanswered: &AtomicUsize,
) -> Result<Option<StreamAppendResult<TypeConfig<R>>>, RPCError<TypeConfig<R>>> {
    loop {
        let waited_for = unanswered.load(Ordering::Relaxed);
        match R::within(APPEND_STALL, receiver.recv()).await {
            // What was sent meanwhile has not had its time yet.
            None if waited_for == 0 => {}
            None => return Err(broken::<R>(&LinkError::Timeout)),
            Some(Err(error)) => return Err(broken::<R>(&error)),
            Some(Ok(None)) => return Ok(None),
            Some(Ok(Some(frame))) => {
                unanswered.fetch_sub(1, Ordering::Relaxed);
                let answer =
                    decode(&frame).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
                return Ok(Some(answer));
            }
        }
    }
}
