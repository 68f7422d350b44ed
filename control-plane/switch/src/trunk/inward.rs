//! Calls that come in by a carrier.

use std::sync::Arc;

use carillon_call::{Refusal, Route};
use carillon_model::{
    CallDirection, Destination, Flow, HangupCause, Incall, Party, SipEndpoint, State, Trunk,
    TrunkOptions,
};
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Name, NameAddr};

use super::Server;
use crate::Switch;
use crate::admission::{Caller, dialled};
use crate::calls::{SetupKey, Slot};
use crate::route::refusal;

impl Switch {
    /// The trunk whose carrier is at the other end of a flow. One that may only come in by authentication is none.
    pub(crate) fn trunk_at(&self, flow: &Flow) -> Option<Arc<Trunk>> {
        let state = &self.state;
        let mut trunks = state.trunks().values();
        let found = trunks.find(|trunk| {
            let endpoint = state.endpoint_of_trunk(trunk.id);
            let by_address = endpoint.is_none_or(|endpoint| {
                endpoint.kind != "user" && may_call(&TrunkOptions::of(endpoint), flow)
            });
            by_address
                && servers_of(state, trunk, endpoint.map(AsRef::as_ref))
                    .iter()
                    .any(|server| self.is_server(server, flow))
        });
        found.cloned()
    }

    /// A call from a carrier.
    pub(crate) fn invited_by(
        &mut self,
        trunk: &Trunk,
        key: ServerKey,
        flow: Flow,
        invite: Message,
        found_by: (SetupKey, u32),
    ) {
        let (Some(context), Some(number)) = (trunk.context.clone(), dialled(&invite)) else {
            return self.answer(key, Message::response_to(&invite, 404, ""));
        };
        let endpoint = self.state.endpoint_of_trunk(trunk.id).cloned();
        let options = endpoint
            .as_deref()
            .map(TrunkOptions::of)
            .unwrap_or_default();
        if !may_call(&options, &flow) {
            return self.answer(key, Message::response_to(&invite, 403, ""));
        }
        let calls = self.state.calls_of_trunk(trunk.id).count();
        let limits = [options.call_limit, options.busy_level];
        if limits
            .into_iter()
            .flatten()
            .any(|limit| calls >= limit as usize)
        {
            return self.answer(key, Message::response_to(&invite, 486, ""));
        }
        let number = match &options.incoming_extension {
            Some(fixed) => fixed.clone(),
            None => self.called_number(&context, number, &invite),
        };
        let carrier =
            endpoint.map(|endpoint| Box::new(super::outward::carrier_of(&endpoint, &options)));
        let caller = Caller {
            party: Party {
                trunk: Some(trunk.id),
                ..caller_of(&invite, options.trusts_identity)
            },
            direction: CallDirection::Inbound,
            number,
            context,
            carrier,
            site: None,
        };
        self.begin_call(key, flow, invite, found_by, caller);
    }

    /// What was dialled. A carrier that calls the contact which was registered tells the number in To only.
    fn called_number(&self, context: &str, asked: String, invite: &Message) -> String {
        if self.state.way_in(context, &asked).is_some() {
            return asked;
        }
        let to = invite.to().ok();
        let told = to.as_ref().and_then(|to| to.uri.user());
        told.filter(|told| self.state.way_in(context, told).is_some())
            .map_or(asked, str::to_owned)
    }

    /// Where a number called from outside leads.
    pub(crate) fn route_in(
        &mut self,
        slot: &Slot,
        number: &str,
        incall: &Incall,
    ) -> Result<Route, Refusal> {
        let state = self.state.clone();
        let callee = Party {
            number: number.to_owned(),
            ..Party::default()
        };
        let line = match &incall.destination {
            Destination::None => None,
            Destination::Hangup { cause } => {
                let (code, reason) = match cause {
                    HangupCause::Normal => (404, "Not Found"),
                    HangupCause::Busy => (486, "Busy Here"),
                    HangupCause::Congestion => (503, "Service Unavailable"),
                };
                return Err(refusal(code, reason, callee));
            }
            Destination::User { user, .. } => state
                .users()
                .get(user)
                .and_then(|user| state.lines().get(user.lines.first()?)),
            Destination::Extension { exten, context } => state
                .extension(context, exten)
                .and_then(|extension| state.lines().get(&extension.line?)),
        };
        let ring_seconds = match &incall.destination {
            Destination::User { ring_seconds, .. } => *ring_seconds,
            Destination::None | Destination::Hangup { .. } | Destination::Extension { .. } => None,
        };
        match line {
            Some(line) => self.route_to_line(slot, number, line, ring_seconds),
            None => Err(refusal(404, "Not Found", callee)),
        }
    }
}

/// Whether a carrier may call from there, and by that transport.
fn may_call(options: &TrunkOptions, flow: &Flow) -> bool {
    let transports = &options.transports;
    (transports.is_empty() || transports.contains(&flow.transport))
        && options.addresses.permits(flow.peer.ip())
}

/// Where the carrier of a trunk is: its own address, and that of its registrar.
pub(super) fn servers_of(
    state: &State,
    trunk: &Trunk,
    endpoint: Option<&SipEndpoint>,
) -> Vec<Server> {
    let own = endpoint
        .filter(|endpoint| endpoint.host != "dynamic")
        .map(|endpoint| {
            let options = TrunkOptions::of(endpoint);
            Server {
                host: endpoint.host.clone(),
                port: options.port,
                transport: options.transport,
            }
        });
    let registrar = state.register_of_trunk(trunk.id).map(|register| Server {
        host: register.remote_host.clone(),
        port: register.remote_port,
        transport: register.transport,
    });
    own.into_iter().chain(registrar).collect()
}

/// Who calls, as the carrier says: by P-Asserted-Identity where it is believed, else by From.
fn caller_of(invite: &Message, trusted: bool) -> Party {
    let asserted = invite
        .headers
        .get(Name::PAssertedIdentity)
        .filter(|_| trusted)
        .and_then(|value| NameAddr::parse(value).ok());
    let Some(address) = asserted.or_else(|| invite.from().ok()) else {
        return Party::default();
    };
    let number = address.uri.user().unwrap_or_default();
    let hidden = number.eq_ignore_ascii_case("anonymous");
    Party {
        number: if hidden {
            String::new()
        } else {
            number.to_owned()
        },
        name: address
            .display_text()
            .map(|name| name.to_string())
            .filter(|name| !name.is_empty() && !hidden),
        ..Party::default()
    }
}
