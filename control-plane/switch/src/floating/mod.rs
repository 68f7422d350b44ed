//! Floating addresses: which node holds whose. What a phone sends to the address of a node that has died arrives at the
//! node that holds it then.

mod alone;
mod duty;
mod turn;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use carillon_model::{Epoch, NodeId};

use self::alone::Probes;

/// The right to hold the floating address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Whose address it is.
    pub home: NodeId,
    /// Of the lease; 0 where there is no quorum that could grant one.
    pub epoch: Epoch,
    /// What is held.
    pub address: IpAddr,
}

/// What this node has to do with floating addresses. All maps are by home.
#[derive(Default)]
pub(crate) struct Floating {
    held: BTreeMap<NodeId, Held>,
    /// Addresses that are being taken away: their leases are given back after that, not before.
    leaving: BTreeMap<NodeId, Holding>,
    /// Leases that this node has asked for, and when.
    claimed: BTreeMap<NodeId, u64>,
    /// Addresses that nobody holds, and since when.
    vacant: BTreeMap<NodeId, u64>,
    /// Addresses that this machine could not hold, and when it tries again.
    failed: BTreeMap<NodeId, u64>,
    /// Addresses that an earlier life of this process cannot have left on the machine any more.
    cleared: BTreeSet<IpAddr>,
    probes: Probes,
    next_ms: Option<u64>,
}

/// An address that this node holds by its lease.
struct Held {
    holding: Holding,
    standing: Standing,
    /// The shell was told last, and how often.
    told_ms: u64,
    told: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The machine does not have it yet.
    Raising,
    /// The machine has it, and its listeners are open.
    Up,
}

impl Floating {
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.next_ms
    }

    /// The addresses that this machine has.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let up = self.held.values();
        up.filter(|held| held.standing == Standing::Up)
            .map(|held| held.holding.address)
    }

    /// Whether this machine has an address that floats.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses().any(|held| held == address)
    }
}
