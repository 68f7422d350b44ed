//! What can be asked about floating addresses.

use std::net::IpAddr;
use std::sync::Arc;

use super::State;
use crate::{ControlNode, Lease, NodeId, address_resource};

impl State {
    /// The right to hold the floating address of a node, as it was last given.
    pub fn address_lease(&self, home: NodeId) -> Option<&Arc<Lease>> {
        self.leases.get(&address_resource(home))
    }

    /// Who holds the floating address of a node, as far as the cluster knows.
    pub fn address_holder(&self, home: NodeId, now_ms: u64) -> Option<NodeId> {
        let lease = self.address_lease(home)?;
        (!self.is_vacant(lease, now_ms)).then_some(lease.holder)
    }

    /// The node whose floating address this is.
    pub fn home_of(&self, address: IpAddr) -> Option<&Arc<ControlNode>> {
        let is_home = |node: &&Arc<ControlNode>| {
            let floating = node.floating;
            floating.is_some_and(|floating| floating.address == address)
        };
        self.nodes.values().find(is_home)
    }
}
