//! Own calls whose phones were reached by the sockets of another node, when that one has gone or falls silent.

use std::net::SocketAddr;

use carillon_call::{Input, LegId, Way};
use carillon_model::{CallId, EndpointId, Flow, NodeId};
use carillon_sip::{Message, Method};

use crate::Switch;
use crate::calls::Slot;
use crate::reach::Reach;

impl Switch {
    /// Own calls with phones that were reached by the sockets of a node that has gone.
    pub(crate) fn relocate_from(&mut self, node: NodeId) {
        for id in self.calls_by_way_of(node) {
            self.relocate(id);
        }
    }

    /// Phones that are being called by the sockets of a node that has fallen silent, and may have heard nothing of it.
    pub(crate) fn detour_around(&mut self, node: NodeId) {
        for id in self.calls_by_way_of(node) {
            self.detour(id);
        }
    }

    fn calls_by_way_of(&self, node: NodeId) -> Vec<CallId> {
        self.calls
            .values()
            .filter(|slot| slot.call.ways().any(|flow| flow.node == node))
            .map(|slot| slot.call.id())
            .collect()
    }

    /// Phones of a call that were reached by the sockets of a node which has gone are told where to find us.
    fn relocate(&mut self, id: CallId) {
        self.with_call(id, |switch, slot| {
            let reach = Reach::of(&switch.config, &switch.floating, switch.nodes_lost());
            slot.call
                .relocate(switch.now_ms, &mut switch.random, |flow| reach.way(flow));
            slot.collect();
            switch.note_lost(slot);
        });
    }

    /// Phones of a call that have not been heard yet are called by our own sockets where a node does not answer.
    fn detour(&mut self, id: CallId) {
        self.with_call(id, |switch, slot| {
            // What waits has not been sent, and is looked at when it is.
            if slot.commits.is_blocked() || !switch.may_call_around(slot) {
                return;
            }
            let reach = Reach::of(&switch.config, &switch.floating, switch.nodes_lost());
            slot.call
                .detour(switch.now_ms, &mut switch.random, |flow| reach.way(flow));
            slot.collect();
        });
    }

    /// How an INVITE that opens a dialog gets to a phone by the sockets of a node that does not answer, if not by those.
    pub(crate) fn detour_of(
        &self,
        slot: &Slot,
        message: &Message,
        flow: &Flow,
    ) -> Option<(Flow, SocketAddr)> {
        if !self.nodes_down.contains(&flow.node) || !self.may_call_around(slot) {
            return None;
        }
        let opens = message.method() == Some(&Method::Invite)
            && message.to().is_ok_and(|to| to.tag().is_none());
        if !opens {
            return None;
        }
        match Reach::of(&self.config, &self.floating, self.nodes_lost()).way(flow) {
            Way::Moved(flow, advertised) => Some((flow, advertised)),
            Way::Same | Way::Lost => None,
        }
    }

    /// Not where an heir may call the phone that does not hear us.
    fn may_call_around(&self, slot: &Slot) -> bool {
        !slot.is_stored() || (self.quorum && self.may_inherit())
    }

    pub(crate) fn note_lost(&mut self, slot: &Slot) {
        if slot.call.lost().next().is_some() {
            self.heirs.lost.insert(slot.call.id());
        }
    }

    /// A phone has registered: perhaps one whose connection went with its node, in a call of ours.
    pub(crate) fn look_for_lost(&mut self, endpoint: EndpointId) {
        let Some(line) = self.state.line_of_endpoint(endpoint).map(|line| line.id) else {
            return;
        };
        let ways: Vec<Flow> = self
            .state
            .live_bindings(endpoint, self.now_ms)
            .map(|binding| binding.flow)
            .filter(|flow| flow.transport.is_reliable() && !self.is_suspect(flow.node))
            .collect();
        let mut found = Vec::new();
        self.heirs.lost.retain(|id| {
            let Some(slot) = self.calls.get(*id) else {
                return false;
            };
            let summary = slot.call.summary();
            let mut still = 0;
            for (leg, lost) in slot.call.lost() {
                let party = if leg == LegId::CALLER {
                    summary.caller.line
                } else {
                    summary.callee.line
                };
                let way = ways.iter().find(|way| {
                    party == Some(line)
                        && way.transport == lost.transport
                        && way.peer.ip() == lost.peer.ip()
                        && **way != lost
                });
                match way {
                    Some(flow) => found.push((*id, leg, *flow)),
                    None => still += 1,
                }
            }
            still > 0
        });
        for (id, leg, flow) in found {
            self.drive(id, Input::Found { leg, flow });
        }
    }
}
