use prometheus::Registry;

use super::instrument::{self, Counter, Counters, DELAY_BUCKETS, Gauge, Histogram};

/// The replicated log at this node.
#[derive(Clone, Debug)]
pub struct RaftMetrics {
    pub is_leader: Gauge,
    pub term: Gauge,
    pub last_applied: Gauge,
    /// Entries that are committed and not yet applied here.
    pub commit_lag_entries: Gauge,
    pub voters: Gauge,
    /// Leaders that this node has followed after the first.
    pub leader_changes: Counter,
    /// 1 while this node knows of a leader that a majority follows.
    pub in_touch: Gauge,
    /// From the last sign of a majority to the next, where it stayed away longer than some heartbeats.
    pub write_outage_seconds: Histogram,
    pub apply_seconds: Histogram,
    /// From a proposal on this node to its outcome.
    pub propose_seconds: Histogram,
    /// One group commit on the flusher thread.
    pub flush_seconds: Histogram,
    pub flushed_entries: Counter,
    pub snapshots_built: Counter,
    pub snapshots_installed: Counter,
    /// Nodes whose state hash differed at the same index: always 0, or a defect.
    pub state_mismatches: Counter,
    /// Nodes that lost what they had acknowledged to this leader: always 0, or a disk that cannot be trusted.
    pub log_losses: Counter,
    /// 0 once the disk refused a write: the node is out of duty.
    pub storage_healthy: Gauge,
    proposals: Counters,
}

impl RaftMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| instrument::gauge(registry, name, help);
        let counter = |name: &str, help: &str| instrument::counter(registry, name, help);
        let delay =
            |name: &str, help: &str| instrument::histogram(registry, name, help, DELAY_BUCKETS);
        let metrics = Self {
            is_leader: gauge("carillon_raft_is_leader", "1 on the leader."),
            term: gauge("carillon_raft_term", "Current term."),
            last_applied: gauge(
                "carillon_raft_last_applied_index",
                "Index of the last applied entry.",
            ),
            commit_lag_entries: gauge(
                "carillon_raft_commit_lag_entries",
                "Entries committed and not yet applied on this node.",
            ),
            voters: gauge("carillon_raft_voters", "Voting members of the cluster."),
            leader_changes: counter(
                "carillon_raft_leader_changes_total",
                "Changes of leader that this node has seen.",
            ),
            in_touch: gauge(
                "carillon_raft_in_touch",
                "1 while this node knows of a leader that a majority follows.",
            ),
            write_outage_seconds: delay(
                "carillon_raft_write_outage_seconds",
                "Time without a leader or a majority, as this node saw it.",
            ),
            apply_seconds: delay(
                "carillon_raft_apply_seconds",
                "Applying one batch of entries.",
            ),
            propose_seconds: delay(
                "carillon_raft_propose_seconds",
                "From a proposal on this node to its outcome.",
            ),
            flush_seconds: delay(
                "carillon_raft_flush_seconds",
                "Making one group of entries durable.",
            ),
            flushed_entries: counter(
                "carillon_raft_flushed_entries_total",
                "Entries made durable on this node.",
            ),
            snapshots_built: counter("carillon_raft_snapshots_built_total", "Snapshots built."),
            snapshots_installed: counter(
                "carillon_raft_snapshots_installed_total",
                "Snapshots installed from another node.",
            ),
            state_mismatches: counter(
                "carillon_raft_state_mismatches_total",
                "State hashes that differed between nodes at the same index.",
            ),
            log_losses: counter(
                "carillon_raft_log_losses_total",
                "Times that a node had lost entries that it had acknowledged to this leader.",
            ),
            storage_healthy: gauge(
                "carillon_raft_storage_healthy",
                "1 while the disk takes every write.",
            ),
            proposals: instrument::counters(
                registry,
                "carillon_raft_proposals_total",
                "Proposals of this node, by result.",
                &["result"],
            ),
        };
        for committed in [true, false] {
            metrics.proposals(committed);
        }
        metrics.storage_healthy.set(1);
        metrics
    }

    pub fn proposals(&self, committed: bool) -> Counter {
        self.proposals
            .at(&[if committed { "committed" } else { "failed" }])
    }
}
