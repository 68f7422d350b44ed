//! How a node sees its cluster.

use std::net::SocketAddr;

use carillon_link::NodeId;
use serde::{Deserialize, Serialize};

/// What a node is in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It orders the commands.
    Leader,
    /// It votes and follows.
    Follower,
    /// It stands for election.
    Candidate,
    /// It follows and does not vote: it is joining, or was removed.
    Learner,
    /// It has stopped.
    Stopped,
}

/// A control node as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Which.
    pub node: NodeId,
    /// Its name for people.
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

/// How a node sees itself and its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// This node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// The current term.
    pub term: u64,
    /// The leader, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The last entry in its log.
    pub last_index: u64,
    /// The last entry known to be committed.
    pub committed_index: u64,
    /// The last entry applied here.
    pub applied_index: u64,
    /// The last entry in its snapshot.
    pub snapshot_index: u64,
    /// The last entry purged from its log.
    pub purged_index: u64,
    /// All control nodes.
    pub peers: Vec<PeerStatus>,
    /// Whether commands can be committed, as far as this node can tell.
    pub quorum: bool,
    /// Why the node has left duty: its disk failed, or it does not understand the log.
    pub out_of_duty: Option<String>,
    /// State comparisons with the leader.
    pub digests_compared: u64,
    /// Those that showed a difference. Anything but 0 is an error.
    pub digests_differing: u64,
}
