//! Keeping a session alive (RFC 4028 §7.2, §10), and noticing that nobody does.

use bytes::Bytes;
use carillon_sip::{Message, Method, Name};
use serde::{Deserialize, Serialize};

use crate::accept::answer;
use crate::best::q850_of;
use crate::bye::Why;
use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::exchange::raise;
use crate::glare::wait_ms;
use crate::leg::{Incoming, Leg, Purpose, Sent};
use crate::session_timer::{Agreed, Timers};
use crate::turn::{PATIENCE_MS, Turn};
use crate::{LegId, Output};

/// How long after a refresh that could not be sent, or was refused, the next one follows.
const AGAIN_MS: u64 = 5_000;
/// The same where the peer has to learn something.
const RENEW_AGAIN_MS: u64 = 1_000;
/// The same where it sends its media to ports that are no more.
const LEARN_AGAIN_MS: u64 = 100;
/// How long after a phone refused the ports of another media server they are offered again.
pub(crate) const REFUSED_AGAIN_MS: u64 = 30_000;
/// How long after a phone did not answer at all to an owner that is new to it the next try follows.
const UNHEARD_AGAIN_MS: u64 = 30_000;
/// A peer may ask for a pause of this length at most.
const MAX_PAUSE_MS: u64 = 30_000;

/// Our refresh of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refresh {
    /// The session timer says when.
    Idle,
    Sent,
    /// The last one did not succeed, or one is due for another reason.
    Waiting {
        retry_at_ms: u64,
    },
}

/// Why a leg has to be refreshed by a re-INVITE, whatever its session timer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Renew {
    No,
    /// Another node has the call: the peer is to follow its Contact, and may have hung up meanwhile.
    Owner,
    /// The media server's ports are others.
    Media,
}

impl Call {
    /// Refreshes by UPDATE where the peer knows it, else by a re-INVITE that says the same as before. Peers that have to
    /// learn of other ports are told together.
    pub(crate) fn refresh(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let mut legs = vec![leg];
        if self.has_to_learn_ports(leg) {
            let others = self.legs.values().filter(|side| {
                let due = matches!(side.refresh, Refresh::Waiting { retry_at_ms } if retry_at_ms <= turn.now_ms);
                side.id != leg && due && !side.lost && self.has_to_learn_ports(side.id)
            });
            legs.extend(others.map(|side| side.id));
        }
        legs.retain(|leg| self.may_refresh(turn, *leg));
        let mut requests = Vec::new();
        let mut is_news = false;
        for leg in legs {
            let news = self.has_to_learn_ports(leg) && !self.asks_again(leg);
            is_news |= news;
            let body = match self.legs.get_mut(&leg) {
                Some(side) if side.renew == Renew::No && side.peer.update => None,
                Some(_) if news => self.renewed_offer(leg),
                Some(side) => side.sdp.offer_again(),
                None => None,
            };
            requests.push((leg, body));
        }
        if is_news {
            // Stored before it is said: what an heir says must be newer.
            self.put(Output::Commit);
        }
        for (leg, body) in requests {
            self.send_refresh(turn, leg, body);
        }
    }

    /// Whether nothing else is going on with the peer; if not, it is asked again soon.
    fn may_refresh(&mut self, turn: &Turn<'_>, leg: LegId) -> bool {
        let busy = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.from == leg || exchange.to == leg);
        let learns = self.has_to_learn_ports(leg);
        let Some(side) = self.legs.get_mut(&leg) else {
            return false;
        };
        let again_ms = match side.renew {
            _ if learns => LEARN_AGAIN_MS,
            Renew::No => AGAIN_MS,
            Renew::Owner | Renew::Media => RENEW_AGAIN_MS,
        };
        side.refresh = Refresh::Waiting {
            retry_at_ms: turn.now_ms + again_ms,
        };
        !(busy || side.invites() || side.is_asked())
    }

    fn send_refresh(&mut self, turn: &mut Turn<'_>, leg: LegId, body: Option<Bytes>) {
        let Some(side) = self.legs.get(&leg) else {
            return;
        };
        let (session, min_s) = (side.session.of_request(), side.min_interval_s);
        let timers = side.runs_timers();
        let method = match side.renew {
            Renew::No if side.peer.update => Method::Update,
            Renew::No | Renew::Owner | Renew::Media => Method::Invite,
        };
        let sent = self.send(turn, leg, method, Purpose::Refresh, |message| {
            abilities(message, false, timers);
            refreshing(message, session, min_s, body);
        });
        if let (Some(side), Some(_)) = (self.legs.get_mut(&leg), sent) {
            side.refresh = Refresh::Sent;
        }
    }

    /// A phone that has refused the new ports towards a new owner is first asked whether it is there at all.
    fn asks_again(&self, leg: LegId) -> bool {
        let side = self.legs.get(&leg);
        side.is_some_and(|side| side.renew == Renew::Owner && side.refuses_media)
    }

    /// The other side's session at the ports that the media server has now.
    fn renewed_offer(&mut self, leg: LegId) -> Option<Bytes> {
        let other = self.other(leg)?;
        let source = self.legs.get(&other)?.sdp.remote.clone()?;
        let local = self.local_of(leg)?;
        self.legs.get_mut(&leg)?.sdp.offer(&source, &local).ok()
    }

    /// Both sides are told of something new by a re-INVITE, as soon as they are free.
    pub(crate) fn renew(&mut self, turn: &mut Turn<'_>, why: Renew) {
        self.renew_some(turn, why, |_| true);
    }

    pub(crate) fn renew_some(
        &mut self,
        turn: &mut Turn<'_>,
        why: Renew,
        which: impl Fn(&Leg) -> bool,
    ) {
        let legs = self.legs.values_mut();
        for leg in legs.filter(|leg| !leg.is_released() && which(leg)) {
            // What is said of the session is settled when it is said; how an answer is read, here.
            if leg.renew == Renew::No || why == Renew::Owner {
                leg.renew = why;
            }
            leg.refresh = Refresh::Waiting {
                retry_at_ms: turn.now_ms,
            };
        }
    }

    pub(crate) fn refresh_finished(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        sent: &Sent,
        code: u16,
        response: Option<&Message>,
    ) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        if let (200..300, Some(response)) = (code, response) {
            self.refreshed(turn, leg, sent, response);
            return;
        }
        side.sdp.refused();
        let to_new_owner = side.renew == Renew::Owner;
        let learns = self.media.unsettled && side.renew != Renew::No;
        let pause_ms = match code {
            _ if learns && is_dislike(code) && !(to_new_owner && side.refuses_media) => {
                side.refuses_media = true;
                self.outputs.push_back(Output::CommitLazily);
                // One that has hung up towards a dead node says 488 as well: it is asked with the session that it knows.
                if to_new_owner { 0 } else { REFUSED_AGAIN_MS }
            }
            // Silence need not mean that the phone has gone: the new owner may stand behind its NAT.
            408 | 503 if to_new_owner => UNHEARD_AGAIN_MS,
            491 if to_new_owner => return self.glared(turn, leg),
            481 if side.may_be_early() => RENEW_AGAIN_MS,
            // The dialog is over (RFC 3261 §12.2.1.2, RFC 4028 §10); phones that hung up towards a dead node say 488 too.
            408 | 481 | 488 if code != 488 || to_new_owner => {
                side.gone(code);
                self.finish(turn, Why::answered(q850_of(code), "Session timer expired"));
                return;
            }
            405 | 501 if side.peer.update => {
                side.peer.update = false;
                0
            }
            422 if raise(side, response) => 0,
            491 => wait_ms(turn, side.dialog.role),
            _ => retry_after_ms(response),
        };
        side.refresh = Refresh::Waiting {
            retry_at_ms: turn.now_ms + pause_ms,
        };
    }

    fn refreshed(&mut self, turn: &mut Turn<'_>, leg: LegId, sent: &Sent, response: &Message) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let timers = Timers::of(&self.policy, side.carrier.as_deref());
        side.renew = Renew::No;
        side.glare_since_ms = None;
        if let Incoming::Unacked(_) = side.incoming {
            // Who answers within the dialog has had the 2xx that opened it; the ACK went to the former owner.
            side.incoming = Incoming::Idle;
        }
        side.peer.learn(response);
        side.dialog.refresh_target(response);
        let asked_s = side.session.interval_s().unwrap_or(timers.interval_s);
        side.refreshed(Agreed::settled(response, timers, asked_s), turn.now_ms);
        if response
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite)
        {
            let changed = take_answer(side, response);
            let (message, flow) = (side.ack(turn, sent.cseq, None), side.flow);
            self.put(Output::Ack { leg, message, flow });
            if changed {
                self.put_media();
            }
        }
        // An heir must not end the session by the old deadline.
        self.put(Output::CommitLazily);
    }

    /// The phone has asked the former owner for something, or has hung up towards it: nobody knows which. An UPDATE says
    /// where we are now to those that follow one, the re-INVITE comes again, and after the time in which a request ends
    /// by itself the call is over.
    fn glared(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let retry_at_ms = turn.now_ms + turn.between_ms(2_100, 4_000);
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let first = side.glare_since_ms.is_none();
        let since_ms = *side.glare_since_ms.get_or_insert(turn.now_ms);
        if turn.now_ms >= since_ms + PATIENCE_MS {
            self.finish(turn, Why::answered(102, "The phone has gone"));
            return;
        }
        side.refresh = Refresh::Waiting { retry_at_ms };
        let timers = side.runs_timers();
        if first && side.peer.update {
            self.send(turn, leg, Method::Update, Purpose::Probe, |message| {
                abilities(message, false, timers);
            });
        }
    }

    pub(crate) fn probed(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        code: u16,
        response: Option<&Message>,
    ) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        match (code, response) {
            (200..300, Some(response)) => side.dialog.refresh_target(response),
            (481, _) => {
                side.gone(code);
                self.finish(turn, Why::answered(q850_of(code), "The phone has gone"));
            }
            _ => {}
        }
    }

    /// Nobody has refreshed the session in time.
    pub(crate) fn expired(&mut self, turn: &mut Turn<'_>) {
        self.finish(turn, Why::answered(102, "Session timer expired"));
    }
}

/// What a phone says that is there and does not want this session.
fn is_dislike(code: u16) -> bool {
    matches!(code, 400 | 403 | 406 | 415 | 488 | 600 | 603 | 606)
}

fn refreshing(message: &mut Message, session: Option<String>, min_s: u32, body: Option<Bytes>) {
    if let Some(session) = session {
        message.headers.push(Name::SessionExpires, session);
        message.headers.push(Name::MinSe, min_s.to_string());
    }
    if let Some(body) = body {
        message.set_body(SDP, body);
    }
}

/// `true`: the peer answers the same offer otherwise than before.
fn take_answer(side: &mut Leg, response: &Message) -> bool {
    side.sdp.agreed();
    let Ok(Some(sdp)) = answer(response) else {
        return false;
    };
    let sdp = side.sdp.heard(sdp);
    let changed = side.sdp.remote.as_ref() != Some(&sdp);
    side.sdp.remote = Some(sdp);
    changed
}

fn retry_after_ms(response: Option<&Message>) -> u64 {
    let asked_s = response.and_then(Message::retry_after);
    asked_s.map_or(AGAIN_MS, |seconds| {
        (u64::from(seconds) * 1000).clamp(1_000, MAX_PAUSE_MS)
    })
}
