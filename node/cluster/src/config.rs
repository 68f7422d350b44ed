//! How a node is to run.

use std::net::SocketAddr;

use carillon_link::JoinToken;
use carillon_telemetry::{Metrics, RaftMetrics};
use openraft::SnapshotPolicy;
use serde::{Deserialize, Serialize};

/// A rebooted node catches up by log, not by snapshot, when it missed no more than this.
const LOGS_KEPT: u64 = 50_000;
const LOGS_BETWEEN_SNAPSHOTS: u64 = 5_000;
/// Purging by range leaves a tombstone each time: do it seldom.
const LOGS_PURGED_TOGETHER: u64 = 1_000;
const SNAPSHOT_TIMEOUT_MS: u64 = 600_000;

/// What a node does when its store is empty.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Founds a new cluster of which it is the only member.
    Found {
        /// The cluster's name.
        cluster: String,
    },
    /// Joins an existing cluster.
    Join(JoinToken),
}

/// How a node takes part in its cluster.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's name for people.
    pub name: String,
    /// Where it listens (UDP).
    pub listen: SocketAddr,
    /// Where the other nodes reach it; with port 0, the port that `listen` got.
    pub advertise: SocketAddr,
    /// What to do when the store is empty. Not looked at otherwise.
    pub entry: Entry,
    /// How fast a dead leader is noticed.
    pub timing: Timing,
    /// How often the nodes compare their states.
    pub digest_interval_ms: u64,
    /// When to snapshot, and how much log to keep.
    pub retention: Retention,
    /// Where to count.
    pub metrics: RaftMetrics,
}

impl Config {
    /// A node with the usual timing.
    pub fn new(name: impl Into<String>, listen: SocketAddr, entry: Entry) -> Self {
        Self {
            name: name.into(),
            listen,
            advertise: listen,
            entry,
            timing: Timing::default(),
            digest_interval_ms: 60_000,
            retention: Retention::default(),
            metrics: Metrics::new().raft,
        }
    }
}

/// Raft's clock. The defaults are for one region; a leader is replaced within 0.6 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat_ms: u64,
    /// Shortest silence after which a follower stands for election.
    pub election_min_ms: u64,
    /// Longest.
    pub election_max_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_ms: 50,
            election_min_ms: 150,
            election_max_ms: 300,
        }
    }
}

impl Timing {
    /// For nodes up to 30 ms from each other, and for machines that are slow.
    pub fn stretched() -> Self {
        Self {
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 600,
        }
    }

    /// A follower that has acknowledged an entry sent so short a time ago needs no heartbeat: under load entries are
    /// enough. The next one still comes well before it would stand for election.
    fn needless_ms(&self) -> u64 {
        // openraft looks at its heartbeats this often.
        let tick_ms = self.heartbeat_ms * 13 / 64;
        let latest_ms = self.heartbeat_ms + tick_ms + 1;
        (self.heartbeat_ms / 2).min(self.election_min_ms.saturating_sub(latest_ms))
    }

    pub(crate) fn raft(
        &self,
        retention: Retention,
    ) -> Result<openraft::Config, openraft::ConfigError> {
        openraft::Config {
            cluster_name: "carillon".to_owned(),
            heartbeat_interval: self.heartbeat_ms,
            heartbeat_min_interval: Some(self.needless_ms()),
            election_timeout_min: self.election_min_ms,
            election_timeout_max: self.election_max_ms,
            install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
            replication_lag_threshold: retention
                .logs_kept
                .max(retention.logs_between_snapshots * 2),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(retention.logs_between_snapshots),
            max_in_snapshot_log_to_keep: retention.logs_kept,
            purge_batch_size: retention.logs_purged_together,
            quorum_loss_probe_interval: Some(2 * self.election_max_ms),
            enable_pre_vote: Some(true),
            // A leader sends entries before its own disk has them. If it came back as the leader of the same term
            // after losing them, it would give their places to others: two entries with one id.
            enable_leader_restore: Some(false),
            // A follower whose disk has lost what it had acknowledged gets it again. openraft would otherwise offer it the
            // next entry for ever, without a pause and without a word, and it would answer that the one before is missing.
            allow_log_reversion: Some(true),
            backoff: "50ms 100ms 200ms ...1s".to_owned(),
            ..openraft::Config::default()
        }
        .validate()
    }
}

/// How much log a node keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// Entries between two snapshots.
    pub logs_between_snapshots: u64,
    /// Entries kept although a snapshot covers them.
    pub logs_kept: u64,
    /// Entries purged at a time.
    pub logs_purged_together: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            logs_between_snapshots: LOGS_BETWEEN_SNAPSHOTS,
            logs_kept: LOGS_KEPT,
            logs_purged_together: LOGS_PURGED_TOGETHER,
        }
    }
}
