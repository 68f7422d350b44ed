//! What a follower has said is on its disk, and whether it still knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carillon_link::NodeId;
use carillon_telemetry::RaftMetrics;
use openraft::raft::{StreamAppendError, StreamAppendResult};

use super::types::TypeConfig;
use crate::Runtime;

/// One follower, as the leader of one term sees it.
#[derive(Clone)]
pub(crate) struct Acknowledged {
    follower: NodeId,
    metrics: RaftMetrics,
    /// The index after the last one.
    end: Arc<AtomicU64>,
}

impl Acknowledged {
    pub(crate) fn nothing(follower: NodeId, metrics: RaftMetrics) -> Self {
        Self {
            follower,
            metrics,
            end: Arc::default(),
        }
    }

    /// A leader takes nothing back in its term: what was acknowledged to it and is missing has been lost. openraft sends it
    /// again.
    pub(crate) fn note<R: Runtime>(&self, answer: &StreamAppendResult<TypeConfig<R>>) {
        match answer {
            Ok(Some(last)) => {
                self.end.fetch_max(last.index + 1, Ordering::Relaxed);
            }
            Err(StreamAppendError::Conflict(missing))
                if missing.index < self.end.load(Ordering::Relaxed) =>
            {
                self.end.store(0, Ordering::Relaxed);
                self.metrics.log_losses.increment();
                tracing::error!(
                    node = %self.follower, index = missing.index,
                    "a node has lost entries that it had acknowledged: do not trust its disk; they are sent to it again"
                );
            }
            Ok(None) | Err(StreamAppendError::Conflict(_) | StreamAppendError::HigherVote(_)) => {}
        }
    }
}
