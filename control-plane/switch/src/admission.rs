//! New calls: who may begin one.

use std::net::IpAddr;
use std::sync::Arc;

use carillon_call::{Call, Carrier, LegId, Setup};
use carillon_model::{
    CallDirection, CallId, Epoch, Flow, Line, LineId, Party, SipEndpoint, SiteId, User,
};
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Scheme};

use crate::calls::{SetupKey, Slot};
use crate::{Notice, Switch};

/// Octets of a dialled number; nobody dials more.
const NUMBER_OCTETS_MAX: usize = 128;

/// Who calls, and what was dialled.
pub(crate) struct Caller {
    pub(crate) party: Party,
    pub(crate) direction: CallDirection,
    pub(crate) number: String,
    pub(crate) context: String,
    pub(crate) carrier: Option<Box<Carrier>>,
    pub(crate) site: Option<SiteId>,
}

impl Switch {
    /// A first INVITE.
    pub(crate) fn invited(&mut self, key: ServerKey, flow: Flow, invite: Message) {
        if !self.takes_calls() {
            let response = self.unavailable(&invite);
            return self.answer(key, response);
        }
        if invite.max_forwards() == Some(0) {
            return self.answer(key, Message::response_to(&invite, 483, ""));
        }
        let Some(setup) = SetupKey::of(&invite) else {
            return self.answer(
                key,
                Message::response_to(&invite, 400, "Bad Request: From without a tag"),
            );
        };
        // RFC 3261 §8.2.2.2: the same request came by another way.
        if self
            .calls
            .of_setup(&setup.0)
            .is_some_and(|(_, number)| number == setup.1)
        {
            return self.answer(key, Message::response_to(&invite, 482, ""));
        }
        // A phone may stand behind the same address as a carrier.
        let trunk = self
            .trunk_at(&flow)
            .filter(|_| !self.is_contact(&flow, &invite));
        if let Some(trunk) = trunk {
            return self.invited_by(&trunk, key, flow, invite, setup);
        }
        let endpoint = match self.identify(&flow, &invite) {
            Ok(endpoint) => endpoint,
            Err(response) => return self.answer(key, *response),
        };
        if let Some(trunk) = self.state.trunk_of_endpoint(endpoint.id).cloned() {
            return self.invited_by(&trunk, key, flow, invite, setup);
        }
        match self.caller_of(&endpoint) {
            Some((line, user)) => self.begin(key, flow, invite, setup, &line, user.as_deref()),
            None => self.answer(key, Message::response_to(&invite, 403, "")),
        }
    }

    fn takes_calls(&self) -> bool {
        let limits = &self.config.limits;
        !self.is_draining()
            && self.calls.len() < limits.calls
            && self.records.len() < limits.records
            && !self.is_congested()
            && (self.quorum || self.config.unprotected_calls)
    }

    /// The line and the user who call with an endpoint; nothing where they may not.
    fn caller_of(&self, endpoint: &SipEndpoint) -> Option<(Arc<Line>, Option<Arc<User>>)> {
        let line = self.state.line_of_endpoint(endpoint.id)?;
        let user = self.state.user_of_line(line.id);
        let allowed = user.is_none_or(|user| user.enabled);
        allowed.then(|| (line.clone(), user.cloned()))
    }

    fn begin(
        &mut self,
        key: ServerKey,
        flow: Flow,
        invite: Message,
        found_by: (SetupKey, u32),
        line: &Line,
        user: Option<&User>,
    ) {
        let Some(number) = dialled(&invite) else {
            return self.answer(key, Message::response_to(&invite, 484, ""));
        };
        let caller = Caller {
            party: self.party_of(line, user),
            direction: CallDirection::Internal,
            number,
            context: line.context.clone(),
            carrier: None,
            site: line.site,
        };
        self.begin_call(key, flow, invite, found_by, caller);
    }

    /// A call of somebody who may call begins.
    pub(crate) fn begin_call(
        &mut self,
        key: ServerKey,
        flow: Flow,
        invite: Message,
        found_by: (SetupKey, u32),
        caller: Caller,
    ) {
        let id = CallId(u128::from(self.draw()) << 64 | u128::from(self.draw()));
        let call = Call::incoming(Setup {
            id,
            node: self.config.node,
            epoch: Epoch(1),
            caller: caller.party,
            direction: caller.direction,
            number: caller.number,
            context: caller.context,
            advertised: self.advertised(&self.own_flow(flow)),
            policy: self.config.policy.clone(),
            carrier: caller.carrier,
        });
        let mut slot = Slot::new(call, self.now_ms);
        slot.site = caller.site.or_else(|| self.site_of(flow.peer.ip()));
        slot.caller_flow = Some(flow);
        slot.invite = Some((key.clone(), invite.clone()));
        self.calls.add(slot, Some(found_by));
        self.servers.insert(key.clone(), (id, LegId::CALLER));
        self.tell(Notice::CallStarted { call: id });
        let leg = LegId::CALLER;
        self.drive(
            id,
            carillon_call::Input::Request {
                leg,
                transaction: key,
                message: invite,
                flow,
            },
        );
    }

    /// Who a line is to others.
    pub(crate) fn party_of(&self, line: &Line, user: Option<&User>) -> Party {
        let main = line
            .extensions
            .first()
            .and_then(|id| self.state.extensions().get(id));
        let number = line
            .caller_id_num
            .clone()
            .or_else(|| main.map(|main| main.exten.clone()));
        let name = line
            .caller_id_name
            .clone()
            .or_else(|| user.map(User::display_name));
        Party {
            number: number.unwrap_or_default(),
            name: name.filter(|name| !name.is_empty()),
            user: user.map(|user| user.id),
            line: Some(line.id),
            trunk: None,
        }
    }

    fn site_of(&self, address: IpAddr) -> Option<SiteId> {
        let holds = |subnets: &[carillon_model::Subnet]| {
            subnets
                .iter()
                .filter(|subnet| subnet.contains(address))
                .map(|subnet| subnet.prefix)
                .max()
        };
        let sites = self.state.sites().values();
        sites
            .filter_map(|site| Some((holds(&site.subnets)?, site.id)))
            .max()
            .map(|(_, id)| id)
    }

    /// Calls that a line takes part in, here or on other nodes.
    pub(crate) fn calls_of(&self, line: LineId, except: CallId) -> usize {
        self.state
            .calls_of_line(line)
            .filter(|call| call.id != except)
            .count()
    }
}

/// The number in a request line: the user part, and of a `tel:` URI what is left without ornaments.
pub(crate) fn dialled(invite: &Message) -> Option<String> {
    let uri = invite.uri()?;
    let octets = uri.user_unescaped()?.into_owned();
    let number = String::from_utf8(octets).ok()?;
    let number = match uri.scheme() {
        Scheme::Tel => number
            .chars()
            .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
            .collect(),
        Scheme::Sip | Scheme::Sips | Scheme::Other => number,
    };
    (!number.is_empty() && number.len() <= NUMBER_OCTETS_MAX).then_some(number)
}
