//! What can be asked about carriers.

use std::sync::Arc;

use super::State;
use crate::{
    CallEntry, CallId, ContextId, EndpointId, Incall, IncallId, Lease, LeaseOutcome, NodeId,
    Outcall, OutcallId, OutcallNumber, Register, RegisterId, SipEndpoint, Table, Trunk, TrunkId,
    TrunkReport, pattern, trunk_resource,
};

impl State {
    /// All trunks.
    pub fn trunks(&self) -> &Table<TrunkId, Trunk> {
        &self.trunks
    }

    /// All registrations at carriers.
    pub fn registers(&self) -> &Table<RegisterId, Register> {
        &self.registers
    }

    /// All ways out.
    pub fn outcalls(&self) -> &Table<OutcallId, Outcall> {
        &self.outcalls
    }

    /// All ways in.
    pub fn incalls(&self) -> &Table<IncallId, Incall> {
        &self.incalls
    }

    /// What the owner of a trunk last said of its registration.
    pub fn trunk_report(&self, trunk: TrunkId) -> Option<&Arc<TrunkReport>> {
        self.trunk_reports.get(&trunk)
    }

    /// The right to register a trunk, as it was last given.
    pub fn trunk_lease(&self, trunk: TrunkId) -> Option<&Arc<Lease>> {
        self.leases.get(&trunk_resource(trunk))
    }

    /// Whether a lease may be claimed by others: it has lapsed, or it lasts as long as its holder's node lease and that has.
    pub fn is_vacant(&self, lease: &Lease, now_ms: u64) -> bool {
        lease.has_lapsed(now_ms) || lease.lasts_with_node() && self.is_lost(lease.holder, now_ms)
    }

    /// Who has claimed its lease anew and has not shown yet that it heard the answer may be deaf. A node that never had one
    /// was alone: only its removal ends what it holds.
    fn is_lost(&self, node: NodeId, now_ms: u64) -> bool {
        let resource = crate::lease::node_resource(node);
        match self.leases.get(&resource) {
            Some(_) => self.has_gone(node, now_ms),
            None => !self.nodes.contains(&node),
        }
    }

    /// Whether a node may be given what lasts as long as its node lease: it holds that, or needs none because it is alone.
    pub(crate) fn may_hold(&self, node: NodeId, now_ms: u64) -> Result<(), LeaseOutcome> {
        let alone = self.nodes.len() <= 1;
        if alone || !self.has_gone(node, now_ms) {
            Ok(())
        } else {
            Err(LeaseOutcome::Lost)
        }
    }

    /// The trunk of a name.
    pub fn trunk_by_name(&self, name: &str) -> Option<&Arc<Trunk>> {
        self.trunks.values().find(|trunk| trunk.name == name)
    }

    /// The trunk that has this endpoint.
    pub fn trunk_of_endpoint(&self, endpoint: EndpointId) -> Option<&Arc<Trunk>> {
        let mut trunks = self.trunks.values();
        trunks.find(|trunk| trunk.endpoint_sip == Some(endpoint))
    }

    /// The trunk that registers by this.
    pub fn trunk_of_register(&self, register: RegisterId) -> Option<&Arc<Trunk>> {
        let mut trunks = self.trunks.values();
        trunks.find(|trunk| trunk.register_sip == Some(register))
    }

    /// Address, credentials and options of a trunk.
    pub fn endpoint_of_trunk(&self, trunk: TrunkId) -> Option<&Arc<SipEndpoint>> {
        self.endpoints.get(&self.trunks.get(&trunk)?.endpoint_sip?)
    }

    /// How a trunk registers, if it does.
    pub fn register_of_trunk(&self, trunk: TrunkId) -> Option<&Arc<Register>> {
        self.registers
            .get(&self.trunks.get(&trunk)?.register_sip?)
            .filter(|register| register.enabled)
    }

    /// Calls by a trunk.
    pub fn calls_of_trunk(&self, trunk: TrunkId) -> impl Iterator<Item = &Arc<CallEntry>> {
        let ids = self
            .indices
            .calls_by_trunk
            .range((trunk, CallId(0))..=(trunk, CallId(u128::MAX)));
        ids.filter_map(|(_, call)| self.calls.get(call))
    }

    /// The way by which somebody in a context reaches a number outside: the most particular number or pattern of the
    /// context itself, then of what it includes, in order and in depth.
    pub fn way_out(&self, context: &str, number: &str) -> Option<(&Arc<Outcall>, &OutcallNumber)> {
        let mut visited = Vec::new();
        self.search_way_out(
            *self.indices.contexts_by_name.get(context)?,
            number,
            &mut visited,
        )
    }

    fn search_way_out(
        &self,
        id: ContextId,
        number: &str,
        visited: &mut Vec<ContextId>,
    ) -> Option<(&Arc<Outcall>, &OutcallNumber)> {
        if visited.contains(&id) {
            return None;
        }
        visited.push(id);
        let context = self.contexts.get(&id).filter(|context| context.enabled)?;
        // By the ways out, of which there are few, and not by the numbers of the context, of which there may be thousands.
        let rules = self.outcalls.values().flat_map(|outcall| {
            let rules = outcall.numbers.iter();
            rules.map(move |rule| (outcall, rule))
        });
        let fitting = rules.filter_map(|(outcall, rule)| {
            let extension = self.extensions.get(&rule.extension)?;
            let leads = extension.outcall == Some(outcall.id) && extension.context == context.name;
            let usable = leads && extension.enabled && outcall.enabled;
            let rank = usable.then(|| pattern::fits(&extension.exten, number))??;
            Some((rank, &extension.exten, outcall, rule))
        });
        let own = fitting.min_by(|one, two| one.0.cmp(&two.0).then_with(|| one.1.cmp(two.1)));
        own.map(|(_, _, outcall, rule)| (outcall, rule))
            .or_else(|| {
                context
                    .includes
                    .iter()
                    .find_map(|included| self.search_way_out(*included, number, visited))
            })
    }

    /// Where a number called from outside leads. Where a range of the context compares the last digits only, those are
    /// looked up.
    pub fn way_in(&self, context: &str, number: &str) -> Option<&Arc<Incall>> {
        let known = |exten: &str| {
            let extension = self.extension(context, exten)?;
            self.incalls.get(&extension.incall?)
        };
        known(number).or_else(|| {
            let ranges = &self.context_by_name(context)?.incall_ranges;
            let digits: Vec<char> = number.chars().collect();
            ranges.iter().find_map(|range| {
                let length = range.did_length as usize;
                let ending = length > 0 && length < digits.len();
                let last: String = digits[digits.len().checked_sub(length)?..].iter().collect();
                ending.then(|| known(&last))?
            })
        })
    }
}
