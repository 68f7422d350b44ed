//! Finding the callee and sending it INVITEs.

use bytes::Bytes;
use carillon_sip::{Message, Method, Name, NameAddr, Uri};

use crate::accept::Declined;
use crate::call::Call;
use crate::compose::{SDP, abilities, address_of, caller};
use crate::fork::{Fork, ForkState, SentInvite};
use crate::offer::Negotiation;
use crate::phase::Phase;
use crate::session_timer::MIN_INTERVAL_S;
use crate::turn::{Turn, contact};
use crate::{LegId, MAX_FORKS, Output, Refusal, Route};

/// How long a media server may take to open ports.
const MEDIA_WAIT_MS: u64 = 3_000;
/// How long a contact may stay without any response until the next one of its instance is tried.
const FLOW_WAIT_MS: u64 = 2_000;
/// Rings that nobody limits end here.
const MAX_RING_MS: u64 = 10 * 60 * 1000;
const USER_AGENT: &str = concat!("Carillon/", env!("CARGO_PKG_VERSION"));

impl Call {
    pub(crate) fn routed(&mut self, turn: &mut Turn<'_>, route: Route) {
        if !matches!(self.phase, Phase::Routing { .. }) {
            return;
        }
        self.callee = route.callee;
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

    /// Sends the INVITE of a fork, the first one or one with another session timer.
    pub(crate) fn invite(&mut self, turn: &mut Turn<'_>, index: usize) {
        let before = self.forks[index].invite.as_ref();
        let interval_s = before.map_or(self.interval_s(), |invite| invite.session_interval_s);
        let built = self.invitation(turn, index, interval_s);
        let has_next = self.next_of_instance(index).is_some();
        let fork = &mut self.forks[index];
        let Some((invite, flow)) = built else {
            fork.state = ForkState::Over { code: 480 };
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

    pub(crate) fn interval_s(&self) -> u32 {
        self.policy
            .session_interval_s
            .max(self.policy.min_session_interval_s)
            .max(MIN_INTERVAL_S)
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
        interval_s: u32,
    ) -> Option<(SentInvite, carillon_model::Flow)> {
        let offer = self.offer_to(turn, index)?;
        let fork = &self.forks[index];
        let target = &fork.target;
        let (key, via) = turn.transaction(target.flow.transport, target.advertised);
        let uri: Uri = target.uri.parse().ok()?;
        let mut message = Message::request(Method::Invite, uri.without_headers());
        let headers = &mut message.headers;
        headers.push(Name::Via, via);
        for route in &target.path {
            headers.push(Name::Route, route.clone());
        }
        headers.push(Name::MaxForwards, self.hops_left.to_string());
        let cseq = self.identify(turn, index, &mut message);
        let headers = &mut message.headers;
        headers.push(Name::CSeq, format!("{cseq} INVITE"));
        headers.push(
            Name::Contact,
            contact(target.flow.transport, target.advertised),
        );
        if self.policy.asserted_identity && !self.private && !self.caller.number.is_empty() {
            let domain = self.policy.domain.as_deref();
            headers.push(
                Name::PAssertedIdentity,
                caller(&self.caller, domain, target.advertised, false).to_bytes(),
            );
        }
        if self.private {
            headers.push(Name::Privacy, "id");
        }
        headers.push(Name::UserAgent, Bytes::from_static(USER_AGENT.as_bytes()));
        abilities(&mut message, offer.is_some());
        message
            .headers
            .push(Name::SessionExpires, interval_s.to_string());
        message.headers.push(
            Name::MinSe,
            interval_s
                .min(self.policy.min_session_interval_s.max(MIN_INTERVAL_S))
                .to_string(),
        );
        if let Some(offer) = offer {
            message.set_body(SDP, offer);
        }
        let flow = target.flow;
        Some((
            SentInvite {
                key,
                cseq,
                message,
                session_interval_s: interval_s,
            },
            flow,
        ))
    }

    /// From, To and Call-ID: those of the INVITE before, or new ones. Gives the number of the new INVITE.
    fn identify(&self, turn: &mut Turn<'_>, index: usize, message: &mut Message) -> u32 {
        let fork = &self.forks[index];
        if let Some(before) = &fork.invite {
            for name in [Name::From, Name::To, Name::CallId] {
                let value = before
                    .message
                    .headers
                    .get(name.clone())
                    .cloned()
                    .unwrap_or_default();
                message.headers.push(name, value);
            }
            return before.cseq + 1;
        }
        let domain = self.policy.domain.as_deref();
        let from = caller(&self.caller, domain, fork.target.advertised, self.private)
            .with_tag(&turn.tag());
        let to = NameAddr::new(address_of(
            &self.callee.number,
            domain,
            fork.target.advertised,
        ));
        message.headers.push(Name::From, from.to_bytes());
        message.headers.push(Name::To, to.to_bytes());
        message.headers.push(Name::CallId, turn.call_id());
        1
    }

    /// The offer for a fork, of the caller's with the media server's address. `None`: there is no address for it.
    fn offer_to(&mut self, turn: &mut Turn<'_>, index: usize) -> Option<Option<Bytes>> {
        let Some(offer) = self.caller_sdp() else {
            return Some(None);
        };
        let local = self.media.local(self.termination_of_fork(index))?;
        let fork = &mut self.forks[index];
        if fork.invite.is_none() {
            fork.sdp = Negotiation::new(turn.session_id());
        }
        fork.sdp.offer(&offer, &local).ok().map(Some)
    }

    pub(crate) fn caller_sdp(&self) -> Option<Bytes> {
        self.legs.get(&LegId::CALLER)?.sdp.remote.clone()
    }
}
