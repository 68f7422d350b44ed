//! A node that is to end: what is new is handed to the others from the first moment on, and what it has at the last.

use carillon_model::{Flow, NodeId, NodeState, rendezvous};
use carillon_sip::{Message, Method};

use crate::Switch;

/// How far a node has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Going {
    /// It does its work.
    Staying,
    /// It ends what it has begun, and others begin what is new.
    Draining,
    /// Its calls are anybody's, and it hands on whatever still comes to its sockets.
    Leaving,
}

impl Switch {
    pub(crate) fn is_draining(&self) -> bool {
        self.going >= Going::Draining
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.going == Going::Leaving
    }

    /// Begins nothing any more.
    pub(crate) fn drain(&mut self) {
        self.going = self.going.max(Going::Draining);
        self.trunks_due();
        self.addresses_due();
    }

    /// Gives its lease back, and with it its calls. Until somebody takes them it goes on with them.
    pub(crate) fn leave(&mut self) {
        self.drain();
        self.going = Going::Leaving;
        self.give_up_tenure();
    }

    /// Who begins in this node's place what a request asks for. The same for all that belongs to an INVITE: its
    /// repetitions, its CANCEL, and the one with the credentials. Nobody where no other node serves.
    pub(crate) fn stand_in(&self, request: &Message, flow: &Flow) -> Option<NodeId> {
        // What was handed on once is not handed on again: nodes that end together would play ball with it.
        if !self.is_draining() || flow.node != self.config.node {
            return None;
        }
        let moves = match request.method()? {
            Method::Invite | Method::Register | Method::Cancel => true,
            Method::Ack
            | Method::Bye
            | Method::Options
            | Method::Info
            | Method::Prack
            | Method::Update
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Extension(_) => false,
        };
        if !moves {
            return None;
        }
        let begun = request.call_id()?;
        let serves = |state: NodeState| match state {
            NodeState::Active => true,
            NodeState::Joining | NodeState::Draining | NodeState::Left => false,
        };
        let others = self.state.nodes().values().filter(|node| {
            node.id != self.config.node && serves(node.state) && !self.is_suspect(node.id)
        });
        others
            .map(|node| node.id)
            .max_by_key(|node| rendezvous(begun, *node))
    }

    /// The flow by which this node reaches whoever came by one that may be another node's.
    pub(crate) fn own_flow(&self, flow: Flow) -> Flow {
        if flow.node == self.config.node {
            return flow;
        }
        self.flow_from_here(flow).unwrap_or(flow)
    }
}
