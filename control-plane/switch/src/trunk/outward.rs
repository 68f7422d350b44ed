//! From a number to the carriers that reach it.

use std::sync::Arc;

use carillon_call::{Carrier, Refusal, Route, Target};
use carillon_model::{
    CallDirection, CallerFormat, Outcall, OutcallNumber, Party, SipEndpoint, Trunk, TrunkId,
    TrunkOptions, User,
};
use carillon_sip::{Host, Scheme, Uri};

use super::Server;
use crate::Switch;
use crate::calls::Slot;
use crate::route::refusal;

/// How long a number outside rings where nobody says it: most carriers end it earlier.
const RING_S: u32 = 180;
/// Carriers are tried one after another, as the contacts of one phone are.
const ONE_AFTER_ANOTHER: &str = "carriers";

impl Switch {
    /// The ways by which a number leaves: trunks in their order, but those that have as many calls as they may.
    pub(crate) fn route_out(
        &mut self,
        slot: &Slot,
        dialled: &str,
        outcall: &Outcall,
        rule: &OutcallNumber,
    ) -> Result<Route, Refusal> {
        let number = rule.rewritten(dialled);
        let (caller, anonymous) = self.outside_identity(slot, outcall, rule);
        let mut callee = Party {
            number: dialled.to_owned(),
            ..Party::default()
        };
        let mut targets = Vec::new();
        for trunk in &outcall.trunks {
            let Some(trunk) = self.state.trunks().get(trunk).cloned() else {
                continue;
            };
            let found = self.targets_of_trunk(slot, &trunk, &number, &caller, anonymous);
            if !found.is_empty() && callee.trunk.is_none() {
                callee.trunk = Some(trunk.id);
            }
            targets.extend(found);
        }
        if targets.is_empty() {
            return Err(refusal(503, "Service Unavailable", callee));
        }
        Ok(Route {
            callee,
            targets,
            ring_ms: u64::from(outcall.ring_seconds.unwrap_or(RING_S)) * 1000,
            direction: Some(CallDirection::Outbound),
        })
    }

    fn targets_of_trunk(
        &mut self,
        slot: &Slot,
        trunk: &Trunk,
        number: &str,
        caller: &Party,
        anonymous: bool,
    ) -> Vec<Target> {
        let Some(endpoint) = self.state.endpoint_of_trunk(trunk.id).cloned() else {
            return Vec::new();
        };
        let options = TrunkOptions::of(&endpoint);
        let silent = self.is_trunk_reachable(trunk.id) == Some(false);
        if silent || self.is_trunk_full(slot, trunk.id, &options) {
            return Vec::new();
        }
        let Some((server, ways)) = self.ways_of_trunk(trunk, &endpoint, &options) else {
            return Vec::new();
        };
        let format = CallerFormat::named(&trunk.outgoing_caller_id_format);
        let carrier = Carrier {
            domain: server.host.clone(),
            from_user: options.from_user.clone(),
            from_domain: options.from_domain.clone(),
            identity: options.identity,
            caller: Party {
                number: format.written(&caller.number, &options.numbering),
                ..caller.clone()
            },
            anonymous,
            ..carrier_of(&endpoint, &options)
        };
        let flows: Vec<_> = ways.iter().filter_map(|way| self.flow_to(way)).collect();
        let Some(uri) = request_uri(number, &server) else {
            return Vec::new();
        };
        let target = |flow: carillon_model::Flow| Target {
            uri: uri.as_str().to_owned(),
            path: Vec::new(),
            flow,
            advertised: self.advertised(&flow),
            instance: Some(ONE_AFTER_ANOTHER.to_owned()),
            reg_id: None,
            carrier: Some(Box::new(carrier.clone())),
        };
        flows.into_iter().map(target).collect()
    }

    /// The carrier's server, and the ways to it: its own address, or that of its registrar.
    pub(crate) fn ways_of_trunk(
        &mut self,
        trunk: &Trunk,
        endpoint: &SipEndpoint,
        options: &TrunkOptions,
    ) -> Option<(Server, Vec<super::ServerWay>)> {
        let server = if endpoint.host == "dynamic" {
            let register = self.state.register_of_trunk(trunk.id)?;
            Server {
                host: register.remote_host.clone(),
                port: register.remote_port,
                transport: register.transport,
            }
        } else {
            Server {
                host: endpoint.host.clone(),
                port: options.port,
                transport: options.transport,
            }
        };
        let ways = self.ways_to_server(&server);
        Some((server, ways))
    }

    /// Whether a trunk has as many calls as it may: those that are stored, and those of this node that are not yet.
    pub(crate) fn is_trunk_full(
        &self,
        slot: &Slot,
        trunk: TrunkId,
        options: &TrunkOptions,
    ) -> bool {
        let Some(limit) = options.call_limit else {
            return false;
        };
        let own = slot.call.id();
        let stored = self.state.calls_of_trunk(trunk).map(|call| call.id);
        let here = self.calls.values().filter(|slot| {
            let summary = slot.call.summary();
            [summary.caller.trunk, summary.callee.trunk].contains(&Some(trunk))
        });
        let mut calls: Vec<_> = stored
            .chain(here.map(|slot| slot.call.id()))
            .filter(|call| *call != own)
            .collect();
        calls.sort_unstable();
        calls.dedup();
        calls.len() >= limit as usize
    }

    /// The caller as those outside see it, and whether they see it at all.
    fn outside_identity(
        &self,
        slot: &Slot,
        outcall: &Outcall,
        rule: &OutcallNumber,
    ) -> (Party, bool) {
        let summary = slot.call.summary();
        let inside = Party {
            number: summary.caller.number.clone(),
            name: summary.caller.name.clone(),
            ..Party::default()
        };
        if let Some(text) = &rule.caller_id {
            return (party(text, &inside), false);
        }
        let user = summary
            .caller
            .user
            .and_then(|user| self.state.users().get(&user));
        let outgoing = user.and_then(|user: &Arc<User>| user.outgoing_caller_id.as_deref());
        match outgoing {
            _ if outcall.internal_caller_id => (inside, false),
            Some("anonymous") => (inside, true),
            Some("default" | "") | None => (inside, false),
            Some(text) => (party(text, &inside), false),
        }
    }
}

/// What a call has to know of its carrier in both directions.
pub(super) fn carrier_of(endpoint: &SipEndpoint, options: &TrunkOptions) -> Carrier {
    let username = options.auth_username.as_ref().unwrap_or(&endpoint.username);
    Carrier {
        username: username.clone(),
        password: endpoint.secret.clone(),
        codecs: options.codecs.clone(),
        timers: options.timers,
        rtp_timeout_ms: options
            .rtp_timeout_s
            .map(|seconds| u64::from(seconds) * 1_000),
        never_rings_in_band: options.never_rings_in_band,
        billing: options.billing.clone(),
        ..Carrier::default()
    }
}

/// `"Name" <number>`, or a number.
fn party(text: &str, otherwise: &Party) -> Party {
    let named = text.strip_suffix('>').and_then(|text| {
        let (name, number) = text.rsplit_once('<')?;
        let name = name.trim().trim_matches('"').trim();
        Some((number.trim(), name))
    });
    let (number, name) = named.unwrap_or((text.trim().trim_matches('"'), ""));
    Party {
        number: number.to_owned(),
        name: Some(name.to_owned())
            .filter(|name| !name.is_empty())
            .or_else(|| otherwise.name.clone()),
        ..Party::default()
    }
}

fn request_uri(number: &str, server: &Server) -> Option<Uri> {
    let bare = server.host.trim_matches(['[', ']']);
    let host = match bare.parse() {
        Ok(std::net::IpAddr::V4(address)) => Host::V4(address),
        Ok(std::net::IpAddr::V6(address)) => Host::V6(address),
        Err(_) => Host::Name(bare),
    };
    Uri::build(Scheme::Sip, Some(number), host, server.port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_id_is_read_as_administrators_write_it() {
        let inside = Party {
            number: "101".to_owned(),
            name: Some("Alice".to_owned()),
            ..Party::default()
        };
        let read = |text: &str| {
            let party = party(text, &inside);
            (party.number, party.name.unwrap_or_default())
        };
        let said = |number: &str, name: &str| (number.to_owned(), name.to_owned());
        assert_eq!(read("0390000000"), said("0390000000", "Alice"));
        assert_eq!(
            read("\"Head Office\" <0390000000>"),
            said("0390000000", "Head Office")
        );
    }
}
