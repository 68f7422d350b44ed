//! How this node reaches the peers of a call that it goes on with.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use carillon_call::Way;
use carillon_model::{Flow, NodeId, SipListener, Transport};

use crate::Config;
use crate::floating::Floating;

/// What is there, and what has gone.
pub(crate) struct Reach<'a> {
    config: &'a Config,
    nodes_lost: BTreeSet<NodeId>,
    /// Floating addresses by which this node can send, or will soon again.
    floats: Vec<IpAddr>,
    /// Its own, if it has it.
    own: Option<IpAddr>,
}

impl<'a> Reach<'a> {
    pub(crate) fn of(
        config: &'a Config,
        floating: &Floating,
        nodes_lost: BTreeSet<NodeId>,
    ) -> Self {
        let own = config.floating.map(|floating| floating.address);
        Self {
            config,
            nodes_lost,
            floats: own.into_iter().chain(floating.addresses()).collect(),
            own: own.filter(|address| floating.has(*address)),
        }
    }

    /// How a peer is reached that was reached by a flow: of this node, from another life with other listeners perhaps, of a
    /// node that lives, or of one that has gone.
    pub(crate) fn way(&self, flow: &Flow) -> Way {
        let same = |listener: &&SipListener| {
            listener.transport == flow.transport
                && listener.address.is_ipv4() == flow.local.is_ipv4()
        };
        let own = flow.node == self.config.node;
        let mut listeners = self.config.listeners.iter().filter(same);
        let there = listeners
            .clone()
            .any(|listener| listener.address == flow.local)
            || self.floats.contains(&flow.local.ip());
        match flow.transport {
            _ if !own && !self.nodes_lost.contains(&flow.node) => Way::Same,
            Transport::Udp if own && there => Way::Same,
            Transport::Udp => match listeners.next() {
                Some(listener) => self.moved(flow, listener.address),
                None => Way::Lost,
            },
            // Whoever needs it dials it.
            Transport::Tcp | Transport::Tls if flow.connection == 0 && own => Way::Same,
            Transport::Tcp | Transport::Tls if flow.connection == 0 => match listeners.next() {
                Some(listener) => self.moved(flow, listener.address),
                None => Way::Lost,
            },
            // The heir holds the phone's connection itself.
            Transport::Tcp | Transport::Tls
                if own && flow.connection >= self.config.first_connection =>
            {
                Way::Same
            }
            // Connections end with their process.
            Transport::Tcp | Transport::Tls => Way::Lost,
        }
    }

    /// From a listener of this node; told to answer where this node may outlive itself.
    fn moved(&self, flow: &Flow, local: SocketAddr) -> Way {
        let own = self.own.filter(|own| own.is_ipv4() == local.is_ipv4());
        let advertised = own.map_or(local, |own| (own, local.port()).into());
        let node = self.config.node;
        Way::Moved(
            Flow {
                node,
                local,
                ..*flow
            },
            advertised,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_a_way_for_as_long_as_its_process_lives() {
        let mut config = Config::new(NodeId(1), Vec::new());
        config.first_connection = 1_000;
        let flow = |node, connection| Flow {
            node: NodeId(node),
            transport: Transport::Tcp,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "192.0.2.9:40000".parse().unwrap(),
            connection,
        };
        let lost = BTreeSet::from([NodeId(3)]);
        let reach = Reach::of(&config, &Floating::default(), lost);
        let way = |node, connection| reach.way(&flow(node, connection));
        assert_eq!(way(1, 1_000), Way::Same, "our own");
        assert_eq!(way(1, 999), Way::Lost, "of our former life");
        assert_eq!(way(2, 7), Way::Same, "of a node that lives");
        assert_eq!(way(3, 1_007), Way::Lost, "of one that has gone");
        assert_eq!(way(1, 0), Way::Same, "any connection to that address");
    }
}
