//! Finding the callee and sending it INVITEs.

use std::net::SocketAddr;
use std::str::FromStr;

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::{Message, Method, Name, NameAddr, Text, Uri};

use crate::accept::Declined;
use crate::call::Call;
use crate::compose::{SDP, abilities, address_of, caller};
use crate::fork::{Fork, ForkState, SentInvite};
use crate::offer::Negotiation;
use crate::phase::Phase;
use crate::session_timer::Timers;
use crate::turn::{Turn, contact};
use crate::{Carrier, LegId, MAX_FORKS, Output, Refusal, Route};

/// How long a media server may take to open ports.
const MEDIA_WAIT_MS: u64 = 3_000;
/// How long a contact may stay without any response until the next one of its instance is tried.
const FLOW_WAIT_MS: u64 = 2_000;
/// Rings that nobody limits end here.
const MAX_RING_MS: u64 = 10 * 60 * 1000;
const USER_AGENT: &str = concat!("Carillon/", env!("CARGO_PKG_VERSION"));

struct Names {
    from: Bytes,
    to: Bytes,
    call_id: Text,
    local_tag: Text,
    cseq: u32,
}

impl Call {
    pub(crate) fn routed(&mut self, turn: &mut Turn<'_>, route: Route) {
        if !matches!(self.phase, Phase::Routing { .. }) {
            return;
        }
        self.callee = route.callee;
        self.direction = route.direction.unwrap_or(self.direction);
        let mut targets = route.targets;
        targets.truncate(MAX_FORKS);
        let legs = (1..).map(LegId);
        self.forks = legs
            .zip(targets)
            .map(|(leg, target)| Fork::new(leg, target))
            .collect();
        if self.forks.is_empty() {
            self.refuse_caller(turn, &Declined::new(480));
            return;
        }
        let ring_ms = route.ring_ms.min(MAX_RING_MS);
        self.phase = Phase::Placing {
            ring_ms,
            until_ms: turn.now_ms + MEDIA_WAIT_MS,
        };
        self.put_media();
    }

    pub(crate) fn not_routed(&mut self, turn: &mut Turn<'_>, refusal: Refusal) {
        if !matches!(self.phase, Phase::Routing { .. }) {
            return;
        }
        if !refusal.callee.number.is_empty() {
            self.callee = refusal.callee;
        }
        let code = if (400..700).contains(&refusal.code) {
            refusal.code
        } else {
            500
        };
        let mut declined = Declined::new(code);
        if let Some(seconds) = refusal.retry_after_s {
            declined = declined.with(Name::RetryAfter, seconds.to_string());
        }
        self.refuse_caller(turn, &declined);
    }

    /// The media server has opened its ports: the phones ring once the call is stored.
    pub(crate) fn placed(&mut self, turn: &mut Turn<'_>, ring_ms: u64) {
        self.phase = Phase::Ringing {
            until_ms: turn.now_ms + ring_ms,
        };
        self.put(Output::Commit);
        for index in 0..self.forks.len() {
            if !self.forks[..index]
                .iter()
                .any(|earlier| earlier.same_instance(&self.forks[index]))
            {
                self.invite(turn, index);
            }
        }
        self.judge_forks(turn);
    }

    /// An INVITE that was not known when the call was stored: whoever takes over has to know that this phone rings.
    pub(crate) fn invite_later(&mut self, turn: &mut Turn<'_>, index: usize) {
        self.put(Output::Commit);
        self.invite(turn, index);
    }

    /// Sends the INVITE of a fork, the first one or one with another session timer.
    pub(crate) fn invite(&mut self, turn: &mut Turn<'_>, index: usize) {
        let fork = &self.forks[index];
        let timers = Timers::of(&self.policy, fork.target.carrier.as_deref());
        let before = fork.invite.as_ref();
        let interval_s = before.map_or(timers.interval_s, |invite| invite.session_interval_s);
        let built = self.invitation(turn, index, timers, interval_s);
        let has_next = self.next_of_instance(index).is_some();
        let fork = &mut self.forks[index];
        let Some((invite, flow)) = built else {
            // Most often: the caller has no codec that the carrier is to be offered.
            let carrier = fork.target.carrier.is_some();
            let code = if carrier { 488 } else { 480 };
            fork.state = ForkState::Over { code };
            return;
        };
        fork.state = ForkState::Trying {
            next_at_ms: has_next.then_some(turn.now_ms + FLOW_WAIT_MS),
        };
        let (leg, transaction, message) = (fork.leg, invite.key, invite.message.clone());
        fork.invite = Some(invite);
        self.put(Output::Request {
            leg,
            transaction,
            message,
            flow,
        });
    }

    /// The contact that is tried after this one.
    pub(crate) fn next_of_instance(&self, index: usize) -> Option<usize> {
        let fork = &self.forks[index];
        self.forks
            .iter()
            .position(|other| other.state == ForkState::Waiting && other.same_instance(fork))
    }

    fn invitation(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        timers: Timers,
        interval_s: u32,
    ) -> Option<(SentInvite, Flow)> {
        let names = self.names(turn, index);
        let offer = self.offer_to(turn, index)?;
        let target = &self.forks[index].target;
        let uri: Uri = target.uri.parse().ok()?;
        let (key, via) = turn.transaction(target.flow.transport, target.advertised);
        let mut message = Message::request(Method::Invite, uri.without_headers());
        let headers = &mut message.headers;
        headers.push(Name::Via, via);
        for route in &target.path {
            headers.push(Name::Route, route.clone());
        }
        headers.push(Name::MaxForwards, self.hops_left.to_string());
        headers.push(Name::From, names.from);
        headers.push(Name::To, names.to);
        headers.push(Name::CallId, names.call_id.as_octets().clone());
        headers.push(Name::CSeq, format!("{} INVITE", names.cseq));
        headers.push(
            Name::Contact,
            contact(target.flow.transport, target.advertised),
        );
        self.assert_identity(&mut message, target.advertised, target.carrier.as_deref());
        message
            .headers
            .push(Name::UserAgent, Bytes::from_static(USER_AGENT.as_bytes()));
        abilities(&mut message, offer.is_some(), timers.run());
        if let Some((expires, min)) = timers.propose(interval_s) {
            message.headers.push(Name::SessionExpires, expires);
            message.headers.push(Name::MinSe, min);
        }
        let offers = offer.is_some();
        if let Some(offer) = offer {
            message.set_body(SDP, offer);
        }
        let flow = target.flow;
        if let Some(credentials) = &mut self.forks[index].credentials {
            credentials.write(&mut message);
        }
        let (cseq, call_id, local_tag) = (names.cseq, names.call_id, names.local_tag);
        let invite = SentInvite {
            key,
            cseq,
            call_id,
            local_tag,
            offers,
            message,
            session_interval_s: interval_s,
        };
        Some((invite, flow))
    }

    fn assert_identity(
        &self,
        message: &mut Message,
        advertised: SocketAddr,
        carrier: Option<&Carrier>,
    ) {
        if let Some(carrier) = carrier {
            if carrier.anonymous {
                message.headers.push(Name::Privacy, "id");
            }
            if let Some((name, value)) = carrier.identity() {
                message.headers.push(name, value);
            }
            return;
        }
        if self.private {
            message.headers.push(Name::Privacy, "id");
        } else if self.policy.asserted_identity && !self.caller.number.is_empty() {
            let identity = caller(
                &self.caller,
                self.policy.domain.as_deref(),
                advertised,
                false,
            );
            message
                .headers
                .push(Name::PAssertedIdentity, identity.to_bytes());
        }
    }

    /// From, To, Call-ID and the next number: those of the INVITE before, or new ones.
    fn names(&self, turn: &mut Turn<'_>, index: usize) -> Names {
        let fork = &self.forks[index];
        if let Some(before) = &fork.invite {
            let value = |name| {
                before
                    .message
                    .headers
                    .get(name)
                    .cloned()
                    .unwrap_or_default()
            };
            return Names {
                from: value(Name::From),
                to: value(Name::To),
                call_id: before.call_id.clone(),
                local_tag: before.local_tag.clone(),
                cseq: before.cseq + 1,
            };
        }
        let domain = self.policy.domain.as_deref();
        let tag = turn.tag();
        let advertised = fork.target.advertised;
        let carrier = fork.target.carrier.as_deref();
        let called = Uri::from_str(&fork.target.uri).ok();
        let number = called.as_ref().and_then(Uri::user).unwrap_or_default();
        let from = carrier
            .and_then(Carrier::from)
            .unwrap_or_else(|| caller(&self.caller, domain, advertised, self.private))
            .with_tag(&tag);
        let to = carrier
            .and_then(|carrier| carrier.to(number))
            .unwrap_or_else(|| NameAddr::new(address_of(&self.callee.number, domain, advertised)));
        Names {
            from: from.to_bytes(),
            to: to.to_bytes(),
            call_id: turn.call_id().into(),
            local_tag: tag.into(),
            cseq: 1,
        }
    }

    /// The offer for a fork, of the caller's with the media server's address. `None`: there is no address for it.
    fn offer_to(&mut self, turn: &mut Turn<'_>, index: usize) -> Option<Option<Bytes>> {
        if self.forks[index].invite.is_none() {
            let fork = &mut self.forks[index];
            fork.sdp = Negotiation::new(turn.session_id(), fork.target.carrier.as_deref());
        }
        let Some(offer) = self.caller_sdp() else {
            return Some(None);
        };
        let local = self.media.local(self.termination_of_fork(index))?;
        self.forks[index].sdp.offer(&offer, &local).ok().map(Some)
    }

    pub(crate) fn caller_sdp(&self) -> Option<Bytes> {
        self.legs.get(&LegId::CALLER)?.sdp.remote.clone()
    }
}
