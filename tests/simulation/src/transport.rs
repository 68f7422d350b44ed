//! Messages between replicas, over the simulated network.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_cluster::{
    CallError, Destination, HistoryRow, Message, NodeId, Replica, Runtime, SnapshotOffer, Transport,
};
use carillon_telephony::Telephony;
use futures_util::future::BoxFuture;
use openraft_rt_sim::SimRuntime;
use tokio::sync::oneshot;

use crate::clock;
use crate::common::{Commons, Listener};
use crate::media::IDLE_LIMIT_US;
use crate::network::Host;
use crate::process::ProcessRuntime;

/// Rows of history that travel together with a snapshot.
const HISTORY_ROWS: usize = 100_000;
/// A snapshot that has not been installed by then is sent again.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(30);

/// The replica of a simulated control node.
pub(crate) type SimReplica = Replica<Telephony, ProcessRuntime, SimTransport>;

/// What one life of one node sends by.
#[derive(Clone)]
pub(crate) struct SimTransport {
    pub(crate) commons: Commons,
    pub(crate) node: u8,
    pub(crate) life: u64,
}

/// What is asked of another node.
enum Question {
    Message(Message),
    Snapshot {
        header: Bytes,
        state: Bytes,
        history: Vec<HistoryRow>,
    },
}

pub(crate) fn raft_id(node: u8) -> NodeId {
    NodeId(u64::from(node))
}

fn number(node: NodeId) -> u8 {
    u8::try_from(node.0).unwrap_or(u8::MAX)
}

impl SimTransport {
    /// Goes there and back in a task of its own: who asks may stop listening, what was asked is done all the same.
    async fn ask(
        &self,
        to: NodeId,
        question: Question,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let (done, answered) = oneshot::channel();
        let trip = trip(self.clone(), number(to), question);
        SimRuntime::detach(async move {
            // Nobody listens any more: the answer came too late.
            drop(done.send(trip.await));
        });
        match SimRuntime::within(limit, answered).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) | None => Err(CallError::NoAnswer("it takes too long".to_owned())),
        }
    }

    fn lives(&self) -> bool {
        self.commons.lock().lives(self.node, self.life)
    }

    /// Whether something gets through to `to` in the end, which takes its time.
    async fn travel(&self, from: u8, to: u8) -> bool {
        let (from, to) = (Host::Node(from), Host::Node(to));
        let delay_us = {
            let mut common = self.commons.lock();
            if common.network.is_cut(from, to) {
                return false;
            }
            common.network.delivery_us()
        };
        clock::pass_us(delay_us).await;
        !self.commons.lock().network.is_cut(from, to)
    }
}

/// Silence, until the connection is taken for broken.
async fn silence() -> Result<Bytes, CallError> {
    clock::pass_us(IDLE_LIMIT_US).await;
    Err(CallError::NoAnswer("the connection is lost".to_owned()))
}

async fn trip(from: SimTransport, to: u8, question: Question) -> Result<Bytes, CallError> {
    if !from.lives() || !from.travel(from.node, to).await {
        return silence().await;
    }
    let Some(process) = from.commons.lock().processes.get(&to).cloned() else {
        if from.commons.lock().network.flip() {
            return Err(CallError::NotReached("nobody is there".to_owned()));
        }
        return silence().await;
    };
    {
        let mut common = from.commons.lock();
        let length = question.len();
        common.note(format_args!("raft {} {to} {length}", from.node));
    }
    let asker = raft_id(from.node);
    let again = from.commons.lock().network.doubles_requests();
    let answer = match question {
        Question::Message(message) => {
            if again {
                let served = serve(process.listener.clone(), asker, message.clone());
                SimRuntime::detach(process.gate.within(served));
            }
            let served = process.listener.serve(asker, message);
            process.gate.within(served).await
        }
        Question::Snapshot {
            header,
            state,
            history,
        } => {
            let listener = &process.listener;
            let taken = listener.take_snapshot(asker, header, state, history);
            process.gate.within(taken).await
        }
    };
    let there_still = from.commons.lock().lives(to, process.life);
    match answer {
        Some(answer) if there_still && from.travel(to, from.node).await => Ok(answer),
        Some(_) | None => silence().await,
    }
}

async fn serve(listener: Arc<dyn Listener>, from: NodeId, message: Message) {
    listener.serve(from, message).await;
}

impl Question {
    fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.body.len(),
            Self::Snapshot { state, .. } => state.len(),
        }
    }
}

impl Transport for SimTransport {
    async fn call(
        &self,
        to: Destination,
        message: Message,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        self.ask(to.node, Question::Message(message), limit).await
    }

    async fn send_snapshot(
        &self,
        to: Destination,
        offer: SnapshotOffer,
    ) -> Result<Bytes, CallError> {
        let history = offer
            .store
            .history_after(None, HISTORY_ROWS)
            .map_err(|error| CallError::NotReached(error.to_string()))?;
        let question = Question::Snapshot {
            header: offer.header,
            state: offer.state,
            history,
        };
        self.ask(to.node, question, SNAPSHOT_LIMIT).await
    }
}

impl Listener for SimReplica {
    fn serve(&self, from: NodeId, message: Message) -> BoxFuture<'static, Option<Bytes>> {
        let replica = self.clone();
        Box::pin(async move { replica.serve(from, message).await })
    }

    fn take_snapshot(
        &self,
        from: NodeId,
        header: Bytes,
        state: Bytes,
        history: Vec<HistoryRow>,
    ) -> BoxFuture<'static, Option<Bytes>> {
        let replica = self.clone();
        Box::pin(async move {
            replica.take_history(history).ok()?;
            replica.install(from, &header, state).await.ok()
        })
    }
}
