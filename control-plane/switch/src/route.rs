//! From a number to the contacts that ring.

use carillon_call::{Refusal, Route, Target};
use carillon_model::{Binding, EndpointId, Flow, Line, Party, Transport, User};

use crate::Switch;
use crate::calls::Slot;

/// Ring time of a line without a user.
const DEFAULT_RING_S: u32 = 30;

impl Switch {
    /// Who is reached by a number in a context.
    pub(crate) fn route(
        &mut self,
        slot: &Slot,
        number: &str,
        context: &str,
    ) -> Result<Route, Refusal> {
        let state = self.state.clone();
        let unknown = Party {
            number: number.to_owned(),
            ..Party::default()
        };
        let line = state
            .extension(context, number)
            .and_then(|extension| state.lines().get(&extension.line?))
            .ok_or_else(|| refusal(404, "Not Found", unknown))?;
        let user = state.user_of_line(line.id);
        let callee = Party {
            number: number.to_owned(),
            ..self.party_of(line, user.map(AsRef::as_ref))
        };
        if user.is_some_and(|user| !user.enabled) {
            return Err(refusal(480, "Temporarily Unavailable", callee));
        }
        if self.is_busy(slot, line, user.map(AsRef::as_ref)) {
            return Err(refusal(486, "Busy Here", callee));
        }
        let caller = slot.call.summary().caller.line;
        let targets = line
            .endpoint_sip
            .map(|endpoint| self.targets_of(endpoint))
            .unwrap_or_default();
        if caller == Some(line.id) {
            return self.route_to_self(slot, callee, targets, user.map(AsRef::as_ref));
        }
        if targets.is_empty() {
            return Err(refusal(480, "Temporarily Unavailable", callee));
        }
        Ok(Route {
            callee,
            targets,
            ring_ms: ring_ms(user.map(AsRef::as_ref)),
        })
    }

    /// Who calls the own number rings the other phones of the line, never the one that calls.
    fn route_to_self(
        &self,
        slot: &Slot,
        callee: Party,
        mut targets: Vec<Target>,
        user: Option<&User>,
    ) -> Result<Route, Refusal> {
        let calling = slot.caller_flow;
        targets.retain(|target| calling.is_none_or(|flow| flow.peer != target.flow.peer));
        if targets.is_empty() {
            return Err(refusal(486, "Busy Here", callee));
        }
        Ok(Route {
            callee,
            targets,
            ring_ms: ring_ms(user),
        })
    }

    fn is_busy(&self, slot: &Slot, line: &Line, user: Option<&User>) -> bool {
        let Some(user) = user else { return false };
        let lines = if user.lines.is_empty() {
            vec![line.id]
        } else {
            user.lines.clone()
        };
        let calls: usize = lines
            .iter()
            .map(|line| self.calls_of(*line, slot.call.id()))
            .sum();
        calls >= user.simultaneous_calls as usize
    }

    /// The contacts of an endpoint that can be reached, the preferred ones first.
    fn targets_of(&self, endpoint: EndpointId) -> Vec<Target> {
        let mut bindings: Vec<&Binding> = self.state.live_bindings(endpoint, self.now_ms).collect();
        bindings.sort_by(|one, two| {
            two.q
                .cmp(&one.q)
                .then(two.updated_at_ms.cmp(&one.updated_at_ms))
        });
        bindings
            .into_iter()
            .filter_map(|binding| self.target(binding))
            .collect()
    }

    fn target(&self, binding: &Binding) -> Option<Target> {
        let flow = self.living_flow(binding.flow)?;
        Some(Target {
            uri: binding.contact.clone(),
            path: binding.path.clone(),
            flow,
            advertised: flow.local,
            instance: binding.instance.clone(),
            reg_id: binding.reg_id,
        })
    }

    /// The way to a phone; where its node is gone, a datagram can take another.
    pub(crate) fn living_flow(&self, flow: Flow) -> Option<Flow> {
        if !self.nodes_down.contains(&flow.node) {
            return Some(flow);
        }
        let own = self.config.listeners.iter().find(|listener| {
            flow.transport == Transport::Udp
                && listener.transport == Transport::Udp
                && listener.address.is_ipv4() == flow.peer.is_ipv4()
        })?;
        Some(Flow {
            node: self.config.node,
            local: own.address,
            ..flow
        })
    }
}

fn ring_ms(user: Option<&User>) -> u64 {
    u64::from(user.map_or(DEFAULT_RING_S, |user| user.ring_seconds)) * 1000
}

fn refusal(code: u16, reason: &str, callee: Party) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        retry_after_s: None,
        callee,
    }
}
