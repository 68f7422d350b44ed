//! From a number to the contacts that ring.

use std::net::SocketAddr;

use carillon_call::{Refusal, Route, Target};
use carillon_model::{Binding, EndpointId, Flow, Line, Party, Transport, User};
use carillon_sip::Uri;

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
        if let Some(incall) = state.way_in(context, number) {
            return self.route_in(slot, number, incall);
        }
        let line = state
            .extension(context, number)
            .and_then(|extension| state.lines().get(&extension.line?));
        if let Some(line) = line {
            return self.route_to_line(slot, number, line, None);
        }
        match state.way_out(context, number) {
            Some((outcall, rule)) => self.route_out(slot, number, outcall, rule),
            None => Err(refusal(404, "Not Found", unknown)),
        }
    }

    /// The phones of a line ring.
    pub(crate) fn route_to_line(
        &self,
        slot: &Slot,
        number: &str,
        line: &Line,
        ring_seconds: Option<u32>,
    ) -> Result<Route, Refusal> {
        let state = self.state.clone();
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
        let ring_ms = ring_seconds
            .map(|seconds| u64::from(seconds) * 1000)
            .unwrap_or_else(|| ring_ms(user.map(AsRef::as_ref)));
        Ok(Route {
            callee,
            targets,
            ring_ms,
            direction: None,
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
            direction: None,
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
        let mut bindings = self.contacts(endpoint);
        bindings.sort_by(|one, two| {
            let newest_first = two.updated_at_ms.cmp(&one.updated_at_ms);
            two.q.cmp(&one.q).then(newest_first)
        });
        bindings
            .into_iter()
            .flat_map(|binding| self.ways_to(binding))
            .collect()
    }

    /// The ways to a contact, to be tried one after another: the flow that it registered by, then, where that was a
    /// connection that may be gone, the address that it names.
    fn ways_to(&self, binding: &Binding) -> Vec<Target> {
        let flows = [
            self.living_flow(named_flow(binding)),
            self.dialled_flow(binding),
        ];
        let mut flows: Vec<Flow> = flows.into_iter().flatten().collect();
        // Who names the address that its connection comes from is one way, and not rung twice.
        if let [first, second] = flows[..]
            && first.peer == second.peer
        {
            flows.remove(0);
        }
        // Targets of one instance are tried in their order.
        let together = (flows.len() > 1).then(|| format!("<{}>", binding.contact));
        let target = |flow: Flow| Target {
            uri: binding.contact.clone(),
            path: binding.path.clone(),
            flow,
            advertised: self.advertised(&flow),
            instance: binding.instance.clone().or_else(|| together.clone()),
            reg_id: binding.reg_id,
            carrier: None,
        };
        flows.into_iter().map(target).collect()
    }

    /// A new connection to a contact that is reached by TCP and is no flow of RFC 5626.
    fn dialled_flow(&self, binding: &Binding) -> Option<Flow> {
        let flow = binding.flow;
        if flow.transport != Transport::Tcp || binding.reg_id.is_some() || !binding.path.is_empty()
        {
            return None;
        }
        let uri = binding.contact.parse::<Uri>().ok()?;
        let peer = uri.host()?.socket(uri.port().unwrap_or(5060))?;
        let dialled = Flow {
            peer,
            connection: 0,
            ..flow
        };
        if !self.nodes_down.contains(&flow.node) {
            return Some(dialled);
        }
        self.flow_from_here(dialled)
    }

    /// The way to a phone; where its node is gone, a datagram can take another.
    pub(crate) fn living_flow(&self, flow: Flow) -> Option<Flow> {
        let flow = self.through_holder(flow);
        if !self.nodes_down.contains(&flow.node) {
            return Some(flow);
        }
        if flow.transport != Transport::Udp {
            return None;
        }
        self.flow_from_here(flow)
    }

    /// The flow by which this node reaches whoever another node reaches by this one, where it has a listener for that.
    pub(crate) fn flow_from_here(&self, flow: Flow) -> Option<Flow> {
        let local = self.own_listener(flow.transport, flow.peer)?;
        Some(Flow {
            node: self.config.node,
            local,
            ..flow
        })
    }

    pub(crate) fn own_listener(
        &self,
        transport: Transport,
        peer: SocketAddr,
    ) -> Option<SocketAddr> {
        let mut own = self
            .config
            .listeners
            .iter()
            .map(|listener| (listener.transport, listener.address));
        let fits = |(_, address): &(Transport, SocketAddr)| address.is_ipv4() == peer.is_ipv4();
        own.find(|listener| listener.0 == transport && fits(listener))
            .map(|(_, address)| address)
    }
}

fn ring_ms(user: Option<&User>) -> u64 {
    u64::from(user.map_or(DEFAULT_RING_S, |user| user.ring_seconds)) * 1000
}

pub(crate) fn refusal(code: u16, reason: &str, callee: Party) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        retry_after_s: None,
        callee,
    }
}

/// Where datagrams for a contact go. A phone that names the very host it sends from is behind no NAT, and may take
/// calls at another port than it registers from; of any other, only the address it was seen at is known to work.
fn named_flow(binding: &Binding) -> Flow {
    let flow = binding.flow;
    if flow.transport != Transport::Udp || binding.reg_id.is_some() || !binding.path.is_empty() {
        return flow;
    }
    let named = binding.contact.parse::<Uri>().ok().and_then(|uri| {
        let port = uri.port().unwrap_or(5060);
        uri.host()?.socket(port)
    });
    match named {
        Some(peer) if peer.ip() == flow.peer.ip() => Flow { peer, ..flow },
        Some(_) | None => flow,
    }
}
