//! What the interface needs of the cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use carillon_model::{CallRecord, Command, NodeId, Outcome, State};
use futures_util::future::BoxFuture;

/// The cluster as the interface sees it. The node implements it over Raft, tests over a state in memory.
pub trait Plane: Send + Sync + 'static {
    /// The state on this node, as of now.
    fn state(&self) -> Arc<State>;

    /// Proposes a command. When it returns, [`Self::state`] of this node has seen the command.
    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Outcome, PlaneError>>;

    /// Waits until [`Self::state`] has everything that was acknowledged anywhere before this call.
    fn linearizable(&self) -> BoxFuture<'_, Result<(), PlaneError>>;

    /// Reads the records of calls that started in `[from_ms, to_ms)`, newest first, at most `limit`.
    fn call_records(
        &self,
        from_ms: u64,
        to_ms: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<CallRecord>, PlaneError>>;

    /// How the cluster is.
    fn status(&self) -> ClusterStatus;

    /// A token by which one more machine can join, once.
    fn join_token(
        &self,
        role: JoinRole,
        lifetime_s: u32,
    ) -> BoxFuture<'_, Result<JoinToken, PlaneError>>;

    /// Takes a control node out of the cluster for good.
    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), PlaneError>>;
}

/// Why the cluster did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaneError {
    /// Nothing was written, and nothing will be.
    #[error("the cluster has no quorum")]
    NoQuorum,
    /// It may have been written.
    #[error("the cluster did not answer in time")]
    Unknown,
    /// Too much waits to be written.
    #[error("too many commands are waiting")]
    Overloaded,
    /// This node does no duty.
    #[error("this node is out of duty: {0}")]
    Stopped(String),
    /// The cluster will not.
    #[error("{0}")]
    Refused(String),
}

/// What a machine wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinRole {
    /// A control node.
    Control,
    /// A media server.
    Media,
}

/// Lets one machine in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// What the machine must be told.
    pub token: String,
    /// Until when it is good, in Unix milliseconds.
    pub expires_at_ms: u64,
}

/// How the cluster is, as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The cluster's name.
    pub cluster: String,
    /// This node.
    pub node: NodeId,
    /// What it is in Raft, as `leader` or `follower`.
    pub role: String,
    /// The leader, if this node knows one.
    pub leader: Option<NodeId>,
    /// The current term.
    pub term: u64,
    /// Last entry known to be committed.
    pub committed_index: u64,
    /// Last entry applied here.
    pub applied_index: u64,
    /// Whether writes can be committed.
    pub quorum: bool,
    /// Why this node does no duty.
    pub out_of_duty: Option<String>,
    /// Comparisons of the state with the leader's.
    pub digests_compared: u64,
    /// Those that differed: anything but 0 is an error.
    pub digests_differing: u64,
    /// All control nodes.
    pub peers: Vec<PeerStatus>,
}

/// A control node as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Which.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its cluster address.
    pub address: SocketAddr,
    /// Whether it votes.
    pub voter: bool,
    /// How much of the log it has; only the leader knows.
    pub matched_index: Option<u64>,
    /// How long ago it answered; only the leader knows.
    pub answered_ms_ago: Option<u64>,
}
