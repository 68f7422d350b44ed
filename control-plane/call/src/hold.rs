//! A side changes its session: hold, resume, another codec, another address.

use carillon_sip::{Message, Name};

use crate::LegId;
use crate::accept::{Declined, offer, session};
use crate::asked::{Asked, Received};
use crate::call::Call;
use crate::glare::retry_after_s;
use crate::leg::Incoming;
use crate::session_timer::Timers;
use crate::turn::Turn;

impl Call {
    pub(crate) fn reinvited(&mut self, turn: &mut Turn<'_>, leg: LegId, received: &Received) {
        self.acknowledged_evidently(turn, leg);
        if let Some(busy) = self.busy(turn, leg) {
            self.decline(leg, received, &busy);
            return;
        }
        let (asked, sdp) = match self.review_change(leg, received) {
            Ok(reviewed) => reviewed,
            Err(declined) => {
                self.decline(leg, received, &declined);
                return;
            }
        };
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        side.peer.learn(&received.message);
        side.dialog.refresh_target(&received.message);
        let unchanged = sdp.is_some() && sdp == side.sdp.remote;
        let standing = side.sdp.local().cloned();
        side.incoming = Incoming::Asked(asked);
        match self.other(leg) {
            // Said before, so answered as before: it keeps the session alive and changes nothing.
            _ if unchanged => self.accept_invite(turn, leg, standing, false),
            Some(other) => self.start_exchange(turn, leg, other, None, sdp),
            None => {
                if let Some(side) = self.legs.get_mut(&leg) {
                    side.incoming = Incoming::Idle;
                }
                self.decline(leg, received, &Declined::new(488));
            }
        }
    }

    pub(crate) fn updated(&mut self, turn: &mut Turn<'_>, leg: LegId, received: &Received) {
        self.acknowledged_evidently(turn, leg);
        let changes = !received.message.body.is_empty();
        let answered = self
            .legs
            .get(&leg)
            .is_some_and(|side| !matches!(side.incoming, Incoming::Asked(_)));
        if let Some(busy) = self.busy(turn, leg).filter(|_| changes) {
            self.decline(leg, received, &busy);
            return;
        }
        let (asked, sdp) = match self.review_change(leg, received) {
            Ok(reviewed) => reviewed,
            Err(declined) => {
                self.decline(leg, received, &declined);
                return;
            }
        };
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        side.peer.learn(&received.message);
        side.dialog.refresh_target(&received.message);
        let unchanged = sdp == side.sdp.remote;
        let standing = side.sdp.local().cloned();
        match (sdp, self.other(leg)) {
            (None, _) => {
                let session = asked.session.filter(|_| answered);
                self.accept_update(turn, leg, asked.with_session(session), None);
            }
            (Some(_), _) if unchanged && answered => self.accept_update(turn, leg, asked, standing),
            (Some(sdp), Some(other)) if answered => {
                self.start_exchange(turn, leg, other, Some(asked), Some(sdp))
            }
            // Before the answer the session is what the first offer has made it.
            (Some(_), _) => self.decline(leg, received, &Declined::new(488)),
        }
    }

    /// Why a change cannot be made now (RFC 3261 §14.2, RFC 3311 §5.2).
    fn busy(&self, turn: &mut Turn<'_>, leg: LegId) -> Option<Declined> {
        let side = self.legs.get(&leg)?;
        let later = |turn: &mut Turn<'_>| {
            Declined::new(500).with(Name::RetryAfter, retry_after_s(turn).to_string())
        };
        match (&side.incoming, &self.exchange) {
            (Incoming::Asked(_), _) => Some(later(turn)),
            (_, Some(exchange)) if exchange.from == leg && exchange.update.is_some() => {
                Some(later(turn))
            }
            (Incoming::Unacked(_), _) | (Incoming::Idle, Some(_)) => Some(Declined::new(491)),
            (Incoming::Idle, None) => side.invites().then(|| Declined::new(491)),
        }
    }

    fn review_change(
        &self,
        leg: LegId,
        received: &Received,
    ) -> Result<(Asked, Option<bytes::Bytes>), Declined> {
        let mut asked = Asked::of(received).ok_or(Declined::new(400))?;
        let side = self.legs.get(&leg).ok_or(Declined::new(481))?;
        let mut peer = side.peer;
        peer.learn(&received.message);
        let timers = Timers::of(&self.policy, side.carrier.as_deref());
        asked.session = session(&received.message, peer, timers)?;
        Ok((asked, offer(&received.message, &side.sdp)?))
    }

    /// A final response that refuses a request inside a dialog.
    pub(crate) fn decline(&mut self, leg: LegId, received: &Received, declined: &Declined) {
        let mut response = Message::response_to(&received.message, declined.code, "");
        declined.write(&mut response);
        self.respond(leg, received, response);
    }
}
