//! What a cluster replicates: a state, and commands that change it in the same way everywhere.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A replicated state and its rules. The implementing type is a name for the rules, not the state itself, so that
/// the crate that owns the state need not know this one.
pub trait Replicated: Send + Sync + 'static {
    /// The state. `clone` is called for each batch of commands: build it of persistent maps.
    type State: Clone + Default + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What changes the state.
    type Command: Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What the proposer of a command is told.
    type Outcome: Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What observers of the state on each node are told.
    type Event: Clone + Send + Sync + 'static;

    /// Applies one committed command. It cannot fail, reads no clock and uses no randomness: every node must come to
    /// the same state.
    fn apply(state: &mut Self::State, at: Stamp, command: &Self::Command) -> Applied<Self>;

    /// Whether a command may wait some milliseconds at the leader, so that it shares an entry of the log with others.
    fn can_wait(command: &Self::Command) -> bool {
        let _ = command;
        false
    }

    /// A hash of the whole state, equal on equal states.
    fn digest(state: &Self::State) -> u64;
}

/// When a command was applied: the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Its place in the log.
    pub index: u64,
    /// Unix milliseconds by the leader's clock; never less than at an earlier command.
    pub now_ms: u64,
}

/// What a command did.
pub struct Applied<M: Replicated + ?Sized> {
    /// For the proposer.
    pub outcome: M::Outcome,
    /// For the observers.
    pub events: Vec<M::Event>,
    /// For the tables that only grow.
    pub history: Vec<HistoryRow>,
}

/// A row of history: not part of the state in memory, kept in the store's tables, read by range.
/// A row with the same table and key replaces the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The table, for instance `call`.
    pub table: String,
    /// Rows are ordered by the octets of their key.
    pub key: Bytes,
    /// The content.
    pub value: Bytes,
}
