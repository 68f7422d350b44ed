//! What floating addresses mean for flows and Contacts.

use std::net::SocketAddr;

use carillon_model::{Flow, NodeId, SipListener, Transport};

use super::Standing;
use crate::Switch;

impl Switch {
    /// Where the peer of a flow is to send its requests (RFC 3261 §8.1.1.8): to the floating address of the node that has
    /// the flow, which outlives it.
    pub(crate) fn advertised(&self, flow: &Flow) -> SocketAddr {
        let (floating, listeners) = match flow.node == self.config.node {
            true => (self.config.floating, &self.config.listeners),
            false => match self.state.nodes().get(&flow.node) {
                Some(node) => (node.floating, &node.sip),
                None => (None, &self.config.listeners),
            },
        };
        let fits = |listener: &&SipListener| {
            listener.transport == flow.transport
                && listener.address.is_ipv4() == flow.local.is_ipv4()
        };
        let floating = floating
            .filter(|floating| floating.address.is_ipv4() == flow.local.is_ipv4())
            .filter(|_| self.holds_its_own(flow.node));
        match (floating, listeners.iter().find(fits)) {
            (Some(floating), Some(listener)) => (floating.address, listener.address.port()).into(),
            _ => flow.local,
        }
    }

    fn holds_its_own(&self, node: NodeId) -> bool {
        if node == self.config.node {
            let held = self.floating.held.get(&node);
            return held.is_some_and(|held| held.standing == Standing::Up);
        }
        self.state.address_holder(node, self.cluster_now_ms()) == Some(node)
    }

    /// A datagram to who knows a floating address goes through the node that holds it now: routers on the way let nothing
    /// else in.
    pub(crate) fn through_holder(&self, flow: Flow) -> Flow {
        if flow.transport != Transport::Udp {
            return flow;
        }
        let holder = self.holder_of(&flow).unwrap_or(flow.node);
        Flow {
            node: holder,
            ..flow
        }
    }

    fn holder_of(&self, flow: &Flow) -> Option<NodeId> {
        let address = flow.local.ip();
        if self.floating.has(address) {
            return Some(self.config.node);
        }
        let home = self.state.home_of(address)?.id;
        let holder = self.state.address_holder(home, self.cluster_now_ms())?;
        (holder != self.config.node && !self.nodes_down.contains(&holder)).then_some(holder)
    }
}
