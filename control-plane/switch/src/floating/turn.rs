//! Whose turn it is to claim an address.

use std::net::IpAddr;

use carillon_model::{ControlNode, NodeId, NodeState, rendezvous};

use crate::Switch;

/// How much later than the first in line the next one claims.
const TURN_MS: u64 = 300;

impl Switch {
    /// The addresses that this machine could hold, its own among them.
    pub(super) fn reachable_homes(&self) -> Vec<(NodeId, IpAddr)> {
        let Some(own) = self.config.floating else {
            return Vec::new();
        };
        let home = |node: &ControlNode| {
            let floating = node.floating?;
            let here = match node.id == self.config.node {
                true => floating == own,
                false => floating.is_beside(&own),
            };
            here.then_some((node.id, floating.address))
        };
        self.state
            .nodes()
            .values()
            .filter_map(|node| home(node))
            .collect()
    }

    /// Whether a node can hold its address itself.
    pub(super) fn is_at_home(&self, home: NodeId) -> bool {
        let serves = self
            .state
            .nodes()
            .get(&home)
            .is_some_and(|node| serves(node));
        serves
            && !self.nodes_down.contains(&home)
            && !self.state.has_gone(home, self.cluster_now_ms())
    }

    /// When this node may claim the address of another, if it may: that one has gone by the rule of the heirs, or it does
    /// not serve any more.
    pub(super) fn claims_from_ms(&self, home: NodeId, vacant_since_ms: u64) -> Option<u64> {
        let leaves = !self
            .state
            .nodes()
            .get(&home)
            .is_some_and(|node| serves(node));
        let away_ms = match leaves {
            true => Some(vacant_since_ms),
            false => self.gone_since_ms(home),
        };
        Some(away_ms? + TURN_MS * self.before_us(home).count() as u64)
    }

    /// Nodes that come before this one: all come to the same order, another for each address.
    fn before_us(&self, home: NodeId) -> impl Iterator<Item = NodeId> {
        let own = self.config.node;
        let rank = move |node| {
            let address = carillon_model::CallId(u128::from(home.0) << 64);
            rendezvous(address, node)
        };
        self.heirs_of(home)
            .filter(move |node| *node != own && rank(*node) > rank(own))
    }

    /// Whether another node takes what this one gives back.
    pub(super) fn has_heir(&self) -> bool {
        self.heirs_of(self.config.node).next().is_some()
    }

    fn heirs_of(&self, home: NodeId) -> impl Iterator<Item = NodeId> {
        let reachable = self.reachable_homes().into_iter().map(|(node, _)| node);
        reachable.filter(move |node| {
            let known = self.state.nodes().get(node);
            *node != home
                && known.is_some_and(|node| serves(node))
                && !self.nodes_down.contains(node)
                && self.gone_since_ms(*node).is_none()
        })
    }
}

fn serves(node: &ControlNode) -> bool {
    match node.state {
        NodeState::Joining | NodeState::Active => true,
        NodeState::Draining | NodeState::Left => false,
    }
}
