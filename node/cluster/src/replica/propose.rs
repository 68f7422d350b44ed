//! From a command to its outcome: to the leader, through changes of leader, exactly once.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::NodeId;
use futures_util::FutureExt;
use openraft::async_runtime::{Select2, WatchReceiver};
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::{AsyncRuntime, Instant, ReadPolicy};

use super::Replica;
use crate::admin::Body;
use crate::codec::{decode, encode};
use crate::message::{Committed, Kind, Message, Refusal};
use crate::raft::types::{Answer, Proposal};
use crate::sessions::MAX_OPEN;
use crate::transport::{CallError, Transport};
use crate::{ProposeError, ReadError, Replicated, Runtime};

/// How long a command may take when its proposer does not say.
const PROPOSE_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for a leader.
const LEADER_POLL: Duration = Duration::from_millis(20);
/// A leader that has not answered for so long may be dead: ask again whoever leads then.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(700);

/// Who reads the latest, or would rather be refused than wait, is refused when nothing was heard of leader or quorum for so long:
/// what comes by REST has its answer within 600 ms then, its handshake included.
const TOUCH_LIMIT: Duration = Duration::from_millis(470);
/// While nothing was heard for so long, some heartbeats, nothing is begun for them: it might be done much later.
const TOUCH_FRESH: Duration = Duration::from_millis(200);

/// How long a proposer waits.
#[derive(Clone, Copy)]
struct Patience {
    limit: Duration,
    /// Whether it ends with the touch to the quorum.
    ends_with_touch: bool,
}

/// This node's commands that wait.
#[derive(Default)]
pub(super) struct Open {
    next: u64,
    serials: BTreeSet<u64>,
}

/// A command's serial, taken back when nobody waits for the command any more.
struct Ticket<M: Replicated, R: Runtime, T: Transport> {
    replica: Replica<M, R, T>,
    serial: u64,
}

impl<M: Replicated, R: Runtime, T: Transport> Drop for Ticket<M, R, T> {
    fn drop(&mut self) {
        self.replica.open().serials.remove(&self.serial);
    }
}

/// One attempt's result.
enum Attempt {
    Done(Committed),
    /// Nothing was done: try again.
    Again,
    /// Something may have been done: try again, with the same serial.
    Unknown,
    Stopped(String),
}

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    /// Has the cluster apply `command`, and this node too, and returns its outcome. Whichever node leads, and however
    /// often that changes meanwhile, the command is applied once.
    pub async fn propose(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        self.propose_within(command, PROPOSE_LIMIT).await
    }

    /// As `propose`, waiting no longer than `limit`.
    pub async fn propose_within(
        &self,
        command: M::Command,
        limit: Duration,
    ) -> Result<M::Outcome, ProposeError> {
        let outcome = self.submit(&Body::Command(command), limit).await?;
        decode(&outcome).map_err(|error| ProposeError::Stopped(error.to_string()))
    }

    /// As `propose`, for whoever can repeat it elsewhere: refused within half a second, with nothing done, where this
    /// node has lost touch with the majority.
    pub async fn propose_in_touch(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        let patience = Patience {
            limit: PROPOSE_LIMIT,
            ends_with_touch: true,
        };
        let outcome = self.submit_with(&Body::Command(command), patience).await?;
        decode(&outcome).map_err(|error| ProposeError::Stopped(error.to_string()))
    }

    pub(super) async fn submit(
        &self,
        body: &Body<M::Command>,
        limit: Duration,
    ) -> Result<Bytes, ProposeError> {
        let patience = Patience {
            limit,
            ends_with_touch: false,
        };
        self.submit_with(body, patience).await
    }

    async fn submit_with(
        &self,
        body: &Body<M::Command>,
        patience: Patience,
    ) -> Result<Bytes, ProposeError> {
        let began = <R as AsyncRuntime>::Instant::now();
        // Boxed: as a part of every proposer's future its type becomes too deep for the compiler.
        let outcome = self.insist(body, patience).boxed().await;
        let metrics = &self.inner.metrics;
        metrics
            .propose_seconds
            .observe(began.elapsed().as_secs_f64());
        metrics.proposals(outcome.is_ok()).increment();
        outcome
    }

    async fn insist(
        &self,
        body: &Body<M::Command>,
        patience: Patience,
    ) -> Result<Bytes, ProposeError> {
        let _permit = self
            .inner
            .waiting
            .try_acquire()
            .map_err(|_| ProposeError::Overloaded)?;
        let patient = matches!(body, Body::Command(command) if M::can_wait(command));
        let body = encode(body);
        let ticket = self.ticket()?;
        let began = <R as AsyncRuntime>::Instant::now();
        let mut unknown = false;
        loop {
            let left = patience.limit.saturating_sub(began.elapsed());
            let touch = self.out_of_touch();
            let lost = patience.ends_with_touch && self.has_lost_touch(began);
            if left.is_zero() || lost {
                return Err(match unknown {
                    true => ProposeError::Unknown,
                    false => ProposeError::Unavailable,
                });
            }
            if patience.ends_with_touch && touch > TOUCH_FRESH {
                R::sleep(LEADER_POLL.min(left)).await;
                continue;
            }
            let proposal = Proposal {
                at_ms: 0,
                client: self.inner.settings.client,
                serial: ticket.serial,
                floor: self.floor(),
                body: body.clone(),
                patient,
                joined: Vec::new(),
            };
            let attempt = self.attempt(proposal, left.min(ATTEMPT_LIMIT));
            let outcome = match patience.ends_with_touch {
                true => self.while_in_touch(attempt).await,
                false => Some(attempt.await),
            };
            let outcome = outcome.unwrap_or(Attempt::Unknown);
            match outcome {
                Attempt::Done(committed) => return self.finish(committed, left).await,
                Attempt::Again => R::sleep(LEADER_POLL.min(left)).await,
                Attempt::Unknown => {
                    unknown = true;
                    R::sleep(LEADER_POLL.min(left)).await;
                }
                Attempt::Stopped(why) => return Err(ProposeError::Stopped(why)),
            }
        }
    }

    /// Whether nothing was heard of leader or quorum for too long, while somebody has waited for it since `began`.
    fn has_lost_touch(&self, began: <R as AsyncRuntime>::Instant) -> bool {
        self.out_of_touch().min(began.elapsed()) >= TOUCH_LIMIT
    }

    /// What the attempt comes to, nothing as soon as touch is lost.
    async fn while_in_touch<A: Send>(&self, attempt: impl Future<Output = A> + Send) -> Option<A> {
        let lost = async {
            while self.out_of_touch() < TOUCH_LIMIT {
                R::sleep(LEADER_POLL).await;
            }
        };
        match R::select2(std::pin::pin!(attempt), std::pin::pin!(lost)).await {
            Select2::First(outcome) => Some(outcome),
            Select2::Second(()) => None,
        }
    }

    /// What the attempt comes to, nothing as soon as another node leads than the one that was asked: a leader that has
    /// died answers no more, and its successor can be asked at once.
    async fn while_led_by<A: Send>(
        &self,
        leader: NodeId,
        attempt: impl Future<Output = A> + Send,
    ) -> Option<A> {
        let mut metrics = self.inner.raft.server_metrics();
        let succeeded = async {
            loop {
                let newest = metrics.borrow_watched().current_leader;
                if newest.is_some_and(|newest| newest != leader) {
                    return;
                }
                if metrics.changed().await.is_err() {
                    // Raft has stopped here: the attempt ends by itself.
                    return std::future::pending().await;
                }
            }
        };
        match R::select2(std::pin::pin!(attempt), std::pin::pin!(succeeded)).await {
            Select2::First(outcome) => Some(outcome),
            Select2::Second(()) => None,
        }
    }

    /// Waits until the proposer can see what it did.
    async fn finish(&self, committed: Committed, limit: Duration) -> Result<Bytes, ProposeError> {
        R::within(limit, self.inner.published.reached(committed.index)).await;
        match committed.answer {
            Answer::Outcome(outcome) => Ok(outcome),
            Answer::Forgotten | Answer::None | Answer::Joined(_) => Err(ProposeError::Unknown),
        }
    }

    async fn attempt(&self, proposal: Proposal, limit: Duration) -> Attempt {
        if let Some(why) = &*self.inner.out_of_duty.load() {
            return Attempt::Stopped(why.to_string());
        }
        let Some(leader) = self.leader() else {
            return Attempt::Again;
        };
        if leader == self.node() {
            let written = R::within(limit, self.while_led_by(leader, self.write(proposal)));
            return match written.await.flatten() {
                None | Some(Err(Refusal::Unknown)) => Attempt::Unknown,
                Some(Ok(committed)) => Attempt::Done(committed),
                Some(Err(Refusal::NotLeader(_))) => Attempt::Again,
                Some(Err(Refusal::Failed(why))) => Attempt::Stopped(why),
            };
        }
        let Some(to) = self.destination(leader) else {
            return Attempt::Again;
        };
        let message = Message::new(Kind::Propose, encode(&proposal));
        let asked = self.inner.transport.call(to, message, limit);
        let answer = match self.while_led_by(leader, asked).await {
            Some(Ok(answer)) => answer,
            Some(Err(CallError::NotReached(_))) => return Attempt::Again,
            Some(Err(CallError::NoAnswer(_))) | None => return Attempt::Unknown,
        };
        match decode::<Result<Committed, Refusal>>(&answer) {
            Ok(Ok(committed)) => Attempt::Done(committed),
            Ok(Err(Refusal::NotLeader(_) | Refusal::Failed(_))) => Attempt::Again,
            Ok(Err(Refusal::Unknown)) | Err(_) => Attempt::Unknown,
        }
    }

    /// Writes a command as the leader, at once or with others that can wait.
    pub(super) async fn write(&self, proposal: Proposal) -> Result<Committed, Refusal> {
        match proposal.patient {
            true => self.write_together(proposal).await,
            false => self.write_entry(proposal).await,
        }
    }

    pub(super) async fn write_entry(&self, mut proposal: Proposal) -> Result<Committed, Refusal> {
        proposal.at_ms = self.time_ms();
        match self.inner.raft.client_write(proposal).await {
            Ok(written) => Ok(Committed {
                index: written.log_id.index,
                answer: written.data,
            }),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(Refusal::NotLeader(forward.leader_id))
            }
            Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                Err(Refusal::Unknown)
            }
            // The entry may be on disk here, and be committed by the next leader.
            Err(RaftError::Fatal(error)) => {
                tracing::debug!(%error, "a command was cut short");
                Err(Refusal::Unknown)
            }
            Err(RaftError::APIError(error)) => Err(Refusal::Failed(error.to_string())),
        }
    }

    /// The state with everything that was committed before this call, whichever node committed it. Refused within half a
    /// second where this node has lost touch with the majority: another node may know.
    pub async fn linearizable(&self) -> Result<Arc<M::State>, ReadError> {
        let began = <R as AsyncRuntime>::Instant::now();
        loop {
            let left = PROPOSE_LIMIT.saturating_sub(began.elapsed());
            if left.is_zero() || self.has_lost_touch(began) {
                return Err(ReadError::Unavailable);
            }
            if let Some(why) = &*self.inner.out_of_duty.load() {
                return Err(ReadError::Stopped(why.to_string()));
            }
            let caught_up = async {
                let index = self.read_index(left.min(ATTEMPT_LIMIT)).await?;
                R::within(left, self.inner.published.reached(index)).await
            };
            if self.out_of_touch() <= TOUCH_FRESH
                && let Some(Some(())) = self.while_in_touch(caught_up).await
            {
                return Ok(self.state());
            }
            R::sleep(LEADER_POLL.min(left)).await;
        }
    }

    async fn read_index(&self, limit: Duration) -> Option<u64> {
        let leader = self.leader()?;
        if leader == self.node() {
            let confirmed = R::within(limit, self.while_led_by(leader, self.confirm_read()));
            return confirmed.await.flatten()?.ok();
        }
        let to = self.destination(leader)?;
        let message = Message::new(Kind::Read, Bytes::new());
        let asked = self.inner.transport.call(to, message, limit);
        let answer = self.while_led_by(leader, asked).await?.ok()?;
        decode::<Result<u64, Refusal>>(&answer).ok()?.ok()
    }

    /// Confirms with a quorum that this node leads, and says how far a read has to wait.
    pub(super) async fn confirm_read(&self) -> Result<u64, Refusal> {
        match self.inner.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(read.index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(Refusal::NotLeader(forward.leader_id))
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(Refusal::NotLeader(None))
            }
            Err(RaftError::Fatal(error)) => Err(Refusal::Failed(error.to_string())),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ticket(&self) -> Result<Ticket<M, R, T>, ProposeError> {
        let mut open = self.open();
        let serial = open.next;
        let oldest = open.serials.first().copied().unwrap_or(serial);
        if serial - oldest >= MAX_OPEN / 2 {
            return Err(ProposeError::Overloaded);
        }
        open.next += 1;
        open.serials.insert(serial);
        Ok(Ticket {
            replica: self.clone(),
            serial,
        })
    }

    fn floor(&self) -> u64 {
        let open = self.open();
        open.serials.first().copied().unwrap_or(open.next)
    }

    pub(super) fn is_self(&self, node: NodeId) -> bool {
        node == self.node()
    }
}
