//! Adding and removing control nodes, and handing leadership over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use carillon_link::NodeId;
use openraft::async_runtime::WatchReceiver;
use openraft::{AsyncRuntime, ChangeMembers, Instant};

use super::Replica;
use crate::admin::Admin;
use crate::codec::{decode, encode};
use crate::error::ChangeError;
use crate::message::{Change, Kind, Message, Refusal};
use crate::raft::types::Member;
use crate::transport::{Destination, Transport};
use crate::{Replicated, Runtime};

/// A change of members waits for a commit under the old and the new set.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);
const CHANGE_POLL: Duration = Duration::from_millis(50);
const ASK_LIMIT: Duration = Duration::from_secs(3);
/// A learner this close to the leader becomes a voter: the rest is on its way.
const PROMOTION_LAG: u64 = 256;
/// A follower that answered within this time can take over.
const TRANSFER_LIMIT: Duration = Duration::from_secs(2);

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    /// Has this node, known to the others as `member`, become a voter. Returns when it is one. While it knows no
    /// leader it asks `contacts`.
    pub async fn become_voter(
        &self,
        member: Member,
        contacts: &[Destination],
        limit: Duration,
    ) -> Result<(), ChangeError> {
        let node = self.node();
        // Those that this node knew when it last ran may be there too.
        let known = self.members().into_iter().filter(|(id, _)| *id != node);
        let known = known.map(|(node, member)| Destination {
            node,
            address: member.address,
        });
        let contacts: Vec<_> = contacts.iter().copied().chain(known).collect();
        self.change(Change::Admit { node, member }, &contacts, limit)
            .await
    }

    /// Whether this node votes, by `member`.
    pub(crate) fn is_voter(&self, member: &Member) -> bool {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let node = self.node();
        membership.get_node(&node) == Some(member)
            && membership.voter_ids().any(|voter| voter == node)
    }

    /// Takes `node` out of the cluster for good. Its number and its certificate are worth nothing from then on.
    pub async fn remove(&self, node: NodeId) -> Result<(), ChangeError> {
        self.change(Change::Remove { node }, &[], CHANGE_LIMIT)
            .await?;
        match self.administer(Admin::Expel { node }, CHANGE_LIMIT).await {
            Ok(_) => Ok(()),
            Err(error) => Err(ChangeError::Timeout(error.to_string())),
        }
    }

    /// Makes another node the leader: `to`, or the one with the longest log.
    pub async fn transfer_leader(&self, to: Option<NodeId>) -> Result<(), ChangeError> {
        self.change(Change::Transfer { to }, &[], TRANSFER_LIMIT)
            .await
    }

    /// Hands leadership over if this node has it, and stops.
    pub async fn leave_and_stop(&self) {
        self.step_down().await;
        self.stop().await;
    }

    /// Hands leadership over if this node has it and another can have it.
    pub async fn step_down(&self) {
        if self.leader() == Some(self.node()) && self.voters() > 1 {
            match self.transfer_leader(None).await {
                Ok(()) => tracing::info!("leadership handed over"),
                Err(error) => {
                    tracing::warn!(%error, "leadership was not handed over: the others will elect a leader")
                }
            }
        }
    }

    fn voters(&self) -> usize {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.voter_ids().count()
    }

    /// Asks the leader again and again: a change that is done already is done.
    async fn change(
        &self,
        change: Change,
        contacts: &[Destination],
        limit: Duration,
    ) -> Result<(), ChangeError> {
        let mut contacts = contacts.iter().copied().cycle();
        let deadline = <R as AsyncRuntime>::Instant::now() + limit;
        let mut last = "no leader".to_owned();
        loop {
            let left = deadline.saturating_duration_since(<R as AsyncRuntime>::Instant::now());
            if left.is_zero() {
                return Err(ChangeError::Timeout(last));
            }
            match R::within(left, self.ask_leader(&change, contacts.next(), left)).await {
                None => {}
                Some(Ok(())) => return Ok(()),
                Some(Err(Refusal::Failed(why))) => return Err(ChangeError::Refused(why)),
                Some(Err(Refusal::NotLeader(_))) => "no leader".clone_into(&mut last),
                Some(Err(Refusal::Unknown)) => "under way".clone_into(&mut last),
            }
            R::sleep(CHANGE_POLL.min(left)).await;
        }
    }

    async fn ask_leader(
        &self,
        change: &Change,
        contact: Option<Destination>,
        limit: Duration,
    ) -> Result<(), Refusal> {
        let leader = self.leader();
        if leader == Some(self.node()) {
            return self.change_as_leader(change.clone()).await;
        }
        let leader = leader.and_then(|leader| self.destination(leader));
        let to = leader.or(contact).ok_or(Refusal::NotLeader(None))?;
        let message = Message::new(Kind::Change, encode(change));
        let answer: Result<Bytes, _> = self
            .inner
            .transport
            .call(to, message, limit.min(ASK_LIMIT))
            .await;
        let answer = answer.map_err(|_| Refusal::Unknown)?;
        decode::<Result<(), Refusal>>(&answer).unwrap_or(Err(Refusal::Unknown))
    }

    pub(super) async fn change_as_leader(&self, change: Change) -> Result<(), Refusal> {
        let leader = self.leader();
        if leader != Some(self.node()) {
            return Err(Refusal::NotLeader(leader));
        }
        match change {
            Change::Admit { node, member } => self.admit(node, member).await,
            Change::Remove { node } => self.dismiss(node).await,
            Change::Transfer { to } => self.hand_over(to).await,
        }
    }

    async fn admit(&self, node: NodeId, member: Member) -> Result<(), Refusal> {
        if self.administration().expelled.contains(&node) {
            return Err(Refusal::Failed(format!(
                "node {node} was removed; it has to join anew"
            )));
        }
        let (known, voter, lag) = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow_watched();
            let membership = metrics.membership_config.membership();
            let matched = metrics
                .replication
                .as_ref()
                .and_then(|all| all.get(&node).copied().flatten());
            let last = metrics.last_log_index.unwrap_or(0);
            let lag = matched.map(|matched| last.saturating_sub(matched.index));
            let known = membership.get_node(&node).cloned();
            (
                known,
                membership.voter_ids().any(|voter| voter == node),
                lag,
            )
        };
        if known.is_none() {
            self.changed(self.inner.raft.add_learner(node, member, false).await)?;
            return Err(Refusal::Unknown);
        }
        if known.as_ref() != Some(&member) {
            let nodes = ChangeMembers::SetNodes(BTreeMap::from([(node, member)]));
            self.changed(self.inner.raft.change_membership(nodes, true).await)?;
        }
        if voter {
            return Ok(());
        }
        if lag.is_none_or(|lag| lag > PROMOTION_LAG) {
            return Err(Refusal::Unknown);
        }
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        self.changed(self.inner.raft.change_membership(voters, true).await)
    }

    async fn dismiss(&self, node: NodeId) -> Result<(), Refusal> {
        let (voters, known) = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow_watched();
            let membership = metrics.membership_config.membership();
            let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
            (voters, membership.get_node(&node).is_some())
        };
        if !known {
            return Ok(());
        }
        let nodes = BTreeSet::from([node]);
        if !voters.contains(&node) {
            return self.changed(
                self.inner
                    .raft
                    .change_membership(ChangeMembers::RemoveNodes(nodes), false)
                    .await,
            );
        }
        if voters.len() == 1 {
            return Err(Refusal::Failed(
                "the last node cannot be removed".to_owned(),
            ));
        }
        if self.is_self(node) {
            self.hand_over(None).await?;
            return Err(Refusal::NotLeader(None));
        }
        self.changed(
            self.inner
                .raft
                .change_membership(ChangeMembers::RemoveVoters(nodes), false)
                .await,
        )
    }

    async fn hand_over(&self, to: Option<NodeId>) -> Result<(), Refusal> {
        let to = match to {
            Some(node) if self.is_self(node) => return Ok(()),
            Some(node) => node,
            None => self
                .best_heir()
                .ok_or_else(|| Refusal::Failed("no other node can lead".to_owned()))?,
        };
        let mut metrics = self.inner.raft.metrics();
        let stopped = |error: openraft::errors::Fatal<_>| Refusal::Failed(error.to_string());
        self.inner
            .raft
            .trigger()
            .transfer_leader(to)
            .await
            .map_err(stopped)?;
        let handed_over = async {
            while metrics.borrow_watched().current_leader == Some(self.node()) {
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        match R::within(TRANSFER_LIMIT, handed_over).await {
            Some(()) => Ok(()),
            None => Err(Refusal::Unknown),
        }
    }

    /// The voter with the longest log, other than this node.
    fn best_heir(&self) -> Option<NodeId> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref()?;
        let voters: BTreeSet<NodeId> = metrics.membership_config.voter_ids().collect();
        let heirs = replication
            .iter()
            .filter(|(node, _)| voters.contains(node) && !self.is_self(**node));
        heirs
            .max_by_key(|(_, matched)| **matched)
            .map(|(node, _)| *node)
    }

    fn changed<A, C: openraft::RaftTypeConfig>(
        &self,
        result: Result<A, openraft::errors::RaftError<C, openraft::errors::ClientWriteError<C>>>,
    ) -> Result<(), Refusal> {
        use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
        match result {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                Err(Refusal::NotLeader(None))
            }
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::UncommittedLeaderLog(_),
            )))
            | Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)))
            | Err(RaftError::Fatal(_)) => Err(Refusal::Unknown),
            Err(RaftError::APIError(error)) => Err(Refusal::Failed(error.to_string())),
        }
    }
}
