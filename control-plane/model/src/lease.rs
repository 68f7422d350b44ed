//! Leases: who may act for a thing of which only one node may act.

use serde::{Deserialize, Serialize};

use crate::{Epoch, NodeId};

/// Resources that can be leased at a time.
pub(crate) const MAX_LEASES: usize = 10_000;

/// Life of a lease that lasts as long as its holder's node lease.
pub const WHILE_NODE_LIVES: u64 = u64::MAX;

/// The resource whose lease shows that a control node lives. While it is held nobody takes the node's calls.
pub fn node_resource(node: NodeId) -> String {
    format!("node/{node}")
}

/// The resource whose lease says which node holds the floating address of another, or its own.
pub fn address_resource(home: NodeId) -> String {
    format!("address/{home}")
}

/// The right to act for a resource. It stays after it has lapsed, so that epochs never repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is leased, as `trunk/7`.
    pub resource: String,
    /// Who holds it.
    pub holder: NodeId,
    /// Grows with each new holder.
    pub epoch: Epoch,
    /// How long it lasts after each renewal; 0 once it was given back.
    pub ttl_ms: u64,
    /// When it was last renewed.
    pub renewed_at_ms: u64,
    /// Whether its holder is known to have heard that it was granted: it has renewed it by its epoch. Who only claims may
    /// be deaf.
    #[serde(default = "heard")]
    pub heard: bool,
}

/// Leases stored without the mark were held by nodes that lived.
const fn heard() -> bool {
    true
}

impl Lease {
    /// Whether it needs no renewal of its own.
    pub fn lasts_with_node(&self) -> bool {
        self.ttl_ms == WHILE_NODE_LIVES
    }

    /// Whether others may claim it, as far as it says itself.
    pub fn has_lapsed(&self, now_ms: u64) -> bool {
        now_ms >= self.renewed_at_ms.saturating_add(self.ttl_ms)
    }
}

/// A change of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseCommand {
    /// Take it: granted if nobody holds it, it has lapsed, or the holder asks again. One of [`WHILE_NODE_LIVES`] has lapsed
    /// too when its holder's node lease has, and is given only to a node that holds its own.
    Claim {
        /// What.
        resource: String,
        /// Who.
        holder: NodeId,
        /// For how long.
        ttl_ms: u64,
    },
    /// Keep it.
    Renew {
        /// What.
        resource: String,
        /// Who.
        holder: NodeId,
        /// Since when.
        epoch: Epoch,
    },
    /// Give it back.
    Release {
        /// What.
        resource: String,
        /// Who.
        holder: NodeId,
        /// Since when.
        epoch: Epoch,
    },
}

/// What became of a [`LeaseCommand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseOutcome {
    /// It is the sender's.
    Granted {
        /// Every side effect must carry it.
        epoch: Epoch,
    },
    /// It was given back.
    Released,
    /// Another holds it.
    Held {
        /// Who.
        holder: NodeId,
        /// Since when.
        epoch: Epoch,
    },
    /// The sender does not hold it, or not any more.
    Lost,
    /// As many resources are leased as can be.
    TooMany,
}
