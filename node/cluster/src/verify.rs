//! Do all nodes hold the same state? The leader asks at intervals, by the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use carillon_telemetry::RaftMetrics;

use crate::raft::snapshot::Whole;
use crate::{Replicated, Runtime};

const DIGESTS_KEPT: usize = 8;

/// A place in the log at which states are compared.
pub(crate) enum Checkpoint<M: Replicated> {
    /// The state here.
    Mark { index: u64, whole: Whole<M> },
    /// The leader's digest at an earlier mark.
    Compare { index: u64, digest: u64 },
}

/// How often states were compared, and how often they differed.
#[derive(Debug, Default)]
pub(crate) struct Comparisons {
    pub(crate) made: AtomicU64,
    pub(crate) differing: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Digests {
    own: VecDeque<(u64, u64)>,
}

impl Digests {
    /// Computes this node's digest at a mark.
    pub(crate) async fn mark<M: Replicated, R: Runtime>(
        &mut self,
        index: u64,
        whole: Whole<M>,
    ) -> u64 {
        let digest = R::offload(move || whole.digest()).await;
        self.own.push_back((index, digest));
        if self.own.len() > DIGESTS_KEPT {
            self.own.pop_front();
        }
        digest
    }

    /// Compares the leader's digest with this node's, if this node was there.
    pub(crate) fn compare(
        &self,
        index: u64,
        digest: u64,
        comparisons: &Comparisons,
        metrics: &RaftMetrics,
    ) {
        let Some((_, own)) = self.own.iter().find(|(at, _)| *at == index) else {
            return;
        };
        comparisons.made.fetch_add(1, Ordering::Relaxed);
        if *own != digest {
            comparisons.differing.fetch_add(1, Ordering::Relaxed);
            metrics.state_mismatches.increment();
            tracing::error!(
                index,
                own = format!("{own:016x}"),
                leader = format!("{digest:016x}"),
                "this node's state differs from the leader's: take it out of duty, remove it and let it join anew"
            );
        }
    }
}
