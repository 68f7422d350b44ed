//! The caller's INVITE.

use bytes::Bytes;
use carillon_sip::dialog::Dialog;
use carillon_sip::{Message, Name};

use crate::asked::{Asked, Received};
use crate::call::Call;
use crate::compose::{EXTENSIONS, SDP, wants_privacy};
use crate::features::Features;
use crate::leg::{Incoming, Leg};
use crate::offer::{BadSdp, Negotiation, Stream};
use crate::phase::Phase;
use crate::session_timer::{Agreed, Timers};
use crate::turn::{Turn, contact};
use crate::{LegId, Output};

/// How long the switch may look for the callee.
const ROUTE_WAIT_MS: u64 = 5_000;
/// Hops of an INVITE without Max-Forwards (RFC 3261 §16.6 step 3).
const DEFAULT_HOPS: u8 = 70;

/// A request that is not served, and what its refusal says besides.
pub(crate) struct Declined {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(Name, String)>,
}

impl Declined {
    pub(crate) fn new(code: u16) -> Self {
        Self {
            code,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: Name, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn write(&self, response: &mut Message) {
        for (name, value) in &self.headers {
            response.headers.push(name.clone(), value.clone());
        }
    }
}

impl Call {
    pub(crate) fn invited(&mut self, turn: &mut Turn<'_>, received: Received) {
        self.started_at_ms = turn.now_ms;
        let tag = turn.tag();
        let contact = contact(received.flow.transport, self.advertised);
        let dialog = Dialog::new_uas(&received.message, &tag, contact);
        let (Some(asked), Ok(dialog)) = (Asked::of(&received), dialog) else {
            let mut response = Message::response_to(&received.message, 400, "");
            response.add_to_tag(&tag);
            self.respond(LegId::CALLER, &received, response);
            self.failed_at_once(turn, 400);
            return;
        };
        let invite = &received.message;
        let mut leg = Leg::new(LegId::CALLER, dialog, received.flow, self.advertised);
        leg.peer = Features::of(invite);
        leg.carrier = self.carrier.take();
        leg.sdp = Negotiation::new(turn.session_id(), leg.carrier.as_deref());
        let review = self.review(&leg, invite);
        let (offer, session) = review
            .as_ref()
            .map_or((None, None), |ok| (ok.offer.clone(), ok.session));
        self.ringback.start(turn.rseq(), leg.peer, offer.is_some());
        self.private = wants_privacy(invite);
        leg.sdp.remote = offer;
        leg.incoming = Incoming::Asked(asked.with_session(session));
        self.legs.insert(LegId::CALLER, Box::new(leg));
        match review {
            Ok(review) => {
                self.hops_left = review.hops_left;
                self.phase = Phase::Routing {
                    until_ms: turn.now_ms + ROUTE_WAIT_MS,
                };
                self.put(Output::Route {
                    number: self.number.clone(),
                    context: self.context.clone(),
                });
            }
            Err(declined) => self.refuse_caller(turn, &declined),
        }
    }

    /// What the INVITE asks for is possible.
    fn review(&self, leg: &Leg, invite: &Message) -> Result<Review, Declined> {
        let hops = invite.max_forwards().unwrap_or(DEFAULT_HOPS);
        if hops == 0 {
            return Err(Declined::new(483));
        }
        required(invite, leg.runs_timers())?;
        let offer = offer(invite, &leg.sdp)?;
        let timers = Timers::of(&self.policy, leg.carrier.as_deref());
        let session = session(invite, leg.peer, timers)?;
        Ok(Review {
            hops_left: hops - 1,
            offer,
            session,
        })
    }
}

struct Review {
    hops_left: u8,
    offer: Option<Bytes>,
    session: Option<Agreed>,
}

/// The session timer that we agree to; one that runs too fast is refused (RFC 4028 §9).
pub(crate) fn session(
    request: &Message,
    peer: Features,
    timers: Timers,
) -> Result<Option<Agreed>, Declined> {
    Agreed::answer(request, peer, timers)
        .map_err(|small| Declined::new(422).with(Name::MinSe, small.min_s.to_string()))
}

/// Extensions that we do not have are refused (RFC 3261 §8.2.2.3).
pub(crate) fn required(request: &Message, timers: bool) -> Result<(), Declined> {
    let has = |token: &str| {
        let mut known = EXTENSIONS.iter();
        known.any(|known| known.eq_ignore_ascii_case(token))
            && (timers || !token.eq_ignore_ascii_case("timer"))
    };
    let unknown: Vec<&str> = request.require().filter(|token| !has(token)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Declined::new(420).with(Name::Unsupported, unknown.join(", ")))
}

/// The offer in a message, without what its sender may not offer; a body of another kind is refused.
pub(crate) fn offer(message: &Message, sdp: &Negotiation) -> Result<Option<Bytes>, Declined> {
    if message.body.is_empty() {
        return Ok(None);
    }
    if !message.has_sdp() {
        return Err(Declined::new(415).with(Name::Accept, SDP));
    }
    let offered = Stream::of(&message.body).and_then(|_| sdp.admitted(&message.body));
    offered.map(Some).map_err(BadSdp::declined)
}

/// The answer in a message; media may be refused in it.
pub(crate) fn answer(message: &Message) -> Result<Option<Bytes>, Declined> {
    if message.body.is_empty() {
        return Ok(None);
    }
    if !message.has_sdp() {
        return Err(Declined::new(415));
    }
    Stream::of_answer(&message.body).map_err(BadSdp::declined)?;
    Ok(Some(message.body.clone()))
}
