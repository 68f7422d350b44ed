//! What this node can say about itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::LogIdOf;
use openraft::{Instant, RaftMetrics, ServerState};

use super::Replica;
use crate::raft::types::TypeConfig;
use crate::status::{PeerStatus, Role, Status};
use crate::transport::Transport;
use crate::{Replicated, Runtime};

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    /// How this node sees itself and its cluster.
    pub fn status(&self) -> Status {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let out_of_duty = self.inner.out_of_duty.load().as_deref().cloned();
        let role = match metrics.state {
            _ if out_of_duty.is_some() => Role::Stopped,
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        };
        let membership = metrics.membership_config.membership();
        let peers = membership.nodes().map(|(node, member)| {
            let answered = metrics
                .heartbeat
                .as_ref()
                .and_then(|all| all.get(node).copied().flatten());
            PeerStatus {
                node: *node,
                name: member.name.clone(),
                address: member.address,
                voter: membership.voter_ids().any(|voter| voter == *node),
                matched_index: metrics
                    .replication
                    .as_ref()
                    .and_then(|all| all.get(node).copied().flatten())
                    .map(|matched| matched.index),
                answered_ms_ago: answered
                    .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
            }
        });
        let acknowledged_ago = acknowledged_ago(&metrics);
        let index = |id: Option<LogIdOf<TypeConfig<R>>>| id.map_or(0, |id| id.index);
        Status {
            cluster: self.administration().cluster.clone(),
            node: self.node(),
            role,
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_index: metrics.last_log_index.unwrap_or(0),
            committed_index: index(metrics.local_committed),
            applied_index: self.inner.published.applied_next().saturating_sub(1),
            snapshot_index: index(metrics.snapshot),
            purged_index: index(metrics.purged),
            peers: peers.collect(),
            quorum: out_of_duty.is_none() && self.has_quorum(role, acknowledged_ago),
            out_of_duty,
            digests_compared: self.inner.comparisons.made.load(Ordering::Relaxed),
            digests_differing: self.inner.comparisons.differing.load(Ordering::Relaxed),
        }
    }

    /// How long ago this node last knew of a quorum: as a leader that a majority follows, or as a follower of one.
    pub(crate) fn out_of_touch(&self) -> Duration {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let heard_ms = self.inner.heard_from_leader_ms.load(Ordering::Relaxed);
        let heard = Duration::from_millis(R::now_ms().saturating_sub(heard_ms));
        match metrics.state {
            ServerState::Leader => acknowledged_ago(&metrics).map_or(heard, |ago| ago.min(heard)),
            ServerState::Learner
            | ServerState::Follower
            | ServerState::Candidate
            | ServerState::Shutdown => heard,
        }
    }

    /// Whether Raft has stopped here, for good or ill.
    pub(crate) fn is_out_of_duty(&self) -> bool {
        self.inner.out_of_duty.load().is_some()
    }

    fn has_quorum(&self, role: Role, acknowledged_ago: Option<Duration>) -> bool {
        let patience_ms = 2 * self.inner.settings.timing.election_max_ms;
        match role {
            Role::Leader => {
                acknowledged_ago.is_some_and(|ago| ago.as_millis() <= u128::from(patience_ms))
            }
            Role::Follower | Role::Learner => {
                let heard_ms = self.inner.heard_from_leader_ms.load(Ordering::Relaxed);
                R::now_ms().saturating_sub(heard_ms) <= patience_ms
            }
            Role::Candidate | Role::Stopped => false,
        }
    }
}

/// When a majority last acknowledged this leader.
fn acknowledged_ago<R: Runtime>(metrics: &RaftMetrics<TypeConfig<R>>) -> Option<Duration> {
    // The only voter is a quorum by itself, and nobody ever acknowledges anything to it.
    match metrics.membership_config.voter_ids().count() {
        1 => Some(Duration::ZERO),
        _ => metrics.last_quorum_acked.map(|at| at.elapsed()),
    }
}
