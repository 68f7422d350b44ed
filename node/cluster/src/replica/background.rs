//! What a node does without being asked: watch itself, and compare states.

use std::sync::{Arc, Weak};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use openraft::type_config::alias::LogIdOf;
use tokio::sync::mpsc;

use super::{Inner, Replica};
use crate::admin::Admin;
use crate::raft::types::TypeConfig;
use crate::transport::Transport;
use crate::verify::{Checkpoint, Digests};
use crate::{Replicated, Runtime};

const COMPARE_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for a change of voters that its leader has left half done.
const FINISH_INTERVAL: Duration = Duration::from_secs(1);

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    pub(super) fn spawn_background(&self, checkpoints: mpsc::Receiver<Checkpoint<M>>) {
        R::detach(watch_duty(Arc::downgrade(&self.inner)));
        R::detach(compare_states(Arc::downgrade(&self.inner), checkpoints));
        R::detach(mark_states(
            Arc::downgrade(&self.inner),
            self.inner.settings.digest_interval,
        ));
        R::detach(finish_changes(Arc::downgrade(&self.inner)));
    }

    /// Has every node compare its state with the leader's now, if this node leads.
    pub async fn compare_states(&self) {
        if self.leader() == Some(self.node())
            && let Err(error) = self.administer(Admin::Mark, COMPARE_LIMIT).await
        {
            tracing::debug!(%error, "states are not compared this time");
        }
    }
}

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    fn gauge(&self, raft: &openraft::RaftMetrics<TypeConfig<R>>) {
        let metrics = &self.inner.metrics;
        let index = |id: Option<LogIdOf<TypeConfig<R>>>| id.map_or(0, |id| id.index);
        let (committed, applied) = (index(raft.local_committed), index(raft.last_applied));
        metrics
            .is_leader
            .set(u64::from(raft.current_leader == Some(self.node())));
        metrics.term.set(raft.current_term);
        metrics.last_applied.set(applied);
        metrics
            .commit_lag_entries
            .set(committed.saturating_sub(applied));
        metrics
            .voters
            .set(raft.membership_config.voter_ids().count() as u64);
    }

    fn leave_duty(&self, error: &Fatal<TypeConfig<R>>) {
        if !matches!(error, Fatal::Stopped) {
            tracing::error!(
                node = %self.node(), %error,
                "this node leaves duty: it cannot keep what it would have to acknowledge"
            );
            self.inner.metrics.storage_healthy.set(0);
        }
        self.inner.metrics.is_leader.set(0);
        self.inner
            .out_of_duty
            .store(Some(Arc::new(error.to_string())));
    }
}

fn upgrade<M: Replicated, R: Runtime, T: Transport>(
    inner: &Weak<Inner<M, R, T>>,
) -> Option<Replica<M, R, T>> {
    inner.upgrade().map(|inner| Replica { inner })
}

/// Follows Raft: where the nodes are, what to show, and whether it still runs. A node whose Raft has stopped on an error acknowledges nothing more, and says so.
async fn watch_duty<M: Replicated, R: Runtime, T: Transport>(inner: Weak<Inner<M, R, T>>) {
    let Some(mut metrics) = upgrade(&inner).map(|replica| replica.inner.raft.metrics()) else {
        return;
    };
    let mut membership = None;
    let mut leader = None;
    loop {
        let Some(replica) = upgrade(&inner) else {
            return;
        };
        let newest = metrics.borrow_watched().current_leader;
        if newest.is_some() && newest != leader {
            if leader.is_some() {
                replica.inner.metrics.leader_changes.increment();
            }
            leader = newest;
        }
        replica.gauge(&metrics.borrow_watched());
        let newest = metrics
            .borrow_watched()
            .membership_config
            .log_id()
            .to_owned();
        if newest != membership {
            membership = newest;
            let members = replica.members().into_iter();
            let addresses = members.map(|(node, member)| (node, member.address));
            replica.inner.addresses.set(addresses.collect());
        }
        let running = metrics.borrow_watched().running_state.clone();
        if let Err(error) = running {
            return replica.leave_duty(&error);
        }
        drop(replica);
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

async fn compare_states<M: Replicated, R: Runtime, T: Transport>(
    inner: Weak<Inner<M, R, T>>,
    mut checkpoints: mpsc::Receiver<Checkpoint<M>>,
) {
    let mut digests = Digests::default();
    while let Some(checkpoint) = checkpoints.recv().await {
        let Some(replica) = upgrade(&inner) else {
            return;
        };
        match checkpoint {
            Checkpoint::Mark { index, whole } => {
                let digest = digests.mark::<M, R>(index, whole).await;
                if replica.leader() == Some(replica.node()) {
                    let compare = Admin::Compare { index, digest };
                    replica.administer(compare, COMPARE_LIMIT).await.ok();
                }
            }
            Checkpoint::Compare { index, digest } => {
                digests.compare(
                    index,
                    digest,
                    &replica.inner.comparisons,
                    &replica.inner.metrics,
                );
            }
        }
    }
}

async fn mark_states<M: Replicated, R: Runtime, T: Transport>(
    inner: Weak<Inner<M, R, T>>,
    interval: Duration,
) {
    loop {
        R::sleep(interval).await;
        let Some(replica) = upgrade(&inner) else {
            return;
        };
        if replica.inner.out_of_duty.load().is_some() {
            return;
        }
        replica.compare_states().await;
    }
}

async fn finish_changes<M: Replicated, R: Runtime, T: Transport>(inner: Weak<Inner<M, R, T>>) {
    loop {
        R::sleep(FINISH_INTERVAL).await;
        let Some(replica) = upgrade(&inner) else {
            return;
        };
        if replica.inner.out_of_duty.load().is_some() {
            return;
        }
        replica.finish_change().await;
    }
}
