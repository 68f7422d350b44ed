//! A re-INVITE or UPDATE of one side, carried to the other.

use bytes::Bytes;
use carillon_sip::{Message, Method, Name};
use serde::{Deserialize, Serialize};

use crate::accept::answer;
use crate::asked::Asked;
use crate::best::q850_of;
use crate::bye::Why;
use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::glare::{MAX_COLLISIONS, wait_ms};
use crate::leg::{Answered, Incoming, Leg, Purpose, Sent};
use crate::refresh::Renew;
use crate::session_timer::{Agreed, Timers, raised_interval_s};
use crate::turn::Turn;
use crate::{LegId, Output};

/// An exchange of session descriptions through the call. There is one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) from: LegId,
    pub(crate) to: LegId,
    /// The request, when it was an UPDATE; an INVITE is kept by its leg.
    pub(crate) update: Option<Asked>,
    /// The offer of `from`; without one the other side makes it.
    offer: Option<Bytes>,
    pub(crate) stage: Stage,
    collisions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// The other side is asked.
    Asking,
    /// It was busy with a request of its own: again at this time.
    Waiting { retry_at_ms: u64 },
    /// Its offer is in our 2xx, and the ACK will bring the answer.
    Answering,
}

impl Exchange {
    pub(crate) fn new(from: LegId, to: LegId, stage: Stage) -> Self {
        Self {
            from,
            to,
            update: None,
            offer: None,
            stage,
            collisions: 0,
        }
    }
}

impl Call {
    pub(crate) fn start_exchange(
        &mut self,
        turn: &mut Turn<'_>,
        from: LegId,
        to: LegId,
        update: Option<Asked>,
        offer: Option<Bytes>,
    ) {
        self.exchange = Some(Exchange {
            update,
            offer,
            ..Exchange::new(from, to, Stage::Asking)
        });
        self.ask_other_side(turn);
    }

    /// Sends the request to the other side: an UPDATE as such if it knows that, else a re-INVITE.
    pub(crate) fn ask_other_side(&mut self, turn: &mut Turn<'_>) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        let to = exchange.to;
        exchange.stage = Stage::Asking;
        let local = self.local_of(to);
        let side = self.legs.get_mut(&to);
        let (Some(local), Some(side)) = (local, side) else {
            return;
        };
        let body = exchange
            .offer
            .as_ref()
            .map(|offer| side.sdp.offer(offer, &local))
            .transpose();
        let Ok(body) = body else {
            self.decline_exchange(&exchange, 488);
            return;
        };
        let as_update = exchange.update.is_some() && side.peer.update;
        let method = if as_update {
            Method::Update
        } else {
            Method::Invite
        };
        let session = side.session.of_request();
        let min_s = side.min_interval_s.to_string();
        let timers = side.runs_timers();
        // Stored before it is sent: what an heir sends must be newer.
        self.put(Output::Commit);
        let sent = self.send(turn, to, method, Purpose::Exchange, |message| {
            abilities(message, false, timers);
            if let Some(session) = session {
                message.headers.push(Name::SessionExpires, session);
                message.headers.push(Name::MinSe, min_s);
            }
            if let Some(body) = body {
                message.set_body(SDP, body);
            }
        });
        if sent.is_none() {
            self.decline_exchange(&exchange, 500);
            return;
        }
        self.exchange = Some(exchange);
    }

    pub(crate) fn exchange_finished(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        sent: &Sent,
        code: u16,
        response: Option<&Message>,
    ) {
        let ours = |exchange: &mut Exchange| exchange.to == leg && exchange.stage == Stage::Asking;
        let Some(mut exchange) = self.exchange.take_if(ours) else {
            self.acknowledge_late(turn, leg, sent, code, response);
            return;
        };
        if let (200..300, Some(response)) = (code, response) {
            self.other_side_accepts(turn, exchange, sent, response);
            return;
        }
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        side.sdp.refused();
        match code {
            491 if exchange.collisions < MAX_COLLISIONS => {
                exchange.collisions += 1;
                let wait_ms = wait_ms(turn, side.dialog.role);
                exchange.stage = Stage::Waiting {
                    retry_at_ms: turn.now_ms + wait_ms,
                };
                self.exchange = Some(exchange);
            }
            422 if exchange.collisions < MAX_COLLISIONS && raise(side, response) => {
                exchange.collisions += 1;
                self.exchange = Some(exchange);
                self.ask_other_side(turn);
            }
            // The dialog is over (RFC 3261 §12.2.1.2).
            408 | 481 => {
                side.gone(code);
                self.exchange = Some(exchange);
                self.finish(
                    turn,
                    Why::answered(q850_of(code), "The other side has gone"),
                );
            }
            _ => self.decline_exchange(&exchange, passed_on(code)),
        }
    }

    fn other_side_accepts(
        &mut self,
        turn: &mut Turn<'_>,
        exchange: Exchange,
        sent: &Sent,
        response: &Message,
    ) {
        let Some(side) = self.legs.get_mut(&exchange.to) else {
            return;
        };
        let timers = Timers::of(&self.policy, side.carrier.as_deref());
        side.renew = Renew::No;
        side.peer.learn(response);
        side.dialog.refresh_target(response);
        let asked_s = side.session.interval_s().unwrap_or(timers.interval_s);
        side.refreshed(Agreed::settled(response, timers, asked_s), turn.now_ms);
        let is_invite = response
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        let sdp = answer(response).ok().flatten();
        let sdp = sdp.map(|sdp| side.sdp.heard(sdp));
        if exchange.offer.is_some() {
            side.sdp.agreed();
            if is_invite {
                let (message, flow) = (side.ack(turn, sent.cseq, None), side.flow);
                self.put(Output::Ack {
                    leg: exchange.to,
                    message,
                    flow,
                });
            }
            match sdp {
                Some(sdp) => self.take_answer(turn, exchange, sdp),
                None => self.decline_exchange(&exchange, 500),
            }
        } else if let Some(sdp) = sdp {
            side.owed_ack = Some(sent.cseq);
            side.sdp.remote = Some(sdp.clone());
            self.pass_offer(turn, exchange, &sdp);
        } else {
            let (message, flow) = (side.ack(turn, sent.cseq, None), side.flow);
            self.put(Output::Ack {
                leg: exchange.to,
                message,
                flow,
            });
            self.decline_exchange(&exchange, 500);
        }
    }

    fn take_answer(&mut self, turn: &mut Turn<'_>, exchange: Exchange, sdp: Bytes) {
        let local = self.local_of(exchange.from);
        if let Some(side) = self.legs.get_mut(&exchange.to) {
            side.sdp.remote = Some(sdp.clone());
        }
        let Some(side) = self.legs.get_mut(&exchange.from) else {
            return;
        };
        side.sdp.remote.clone_from(&exchange.offer);
        let Some(body) = local.and_then(|local| side.sdp.answer(&sdp, &local).ok()) else {
            self.decline_exchange(&exchange, 500);
            return;
        };
        self.put_media();
        match exchange.update {
            Some(asked) => self.accept_update(turn, exchange.from, asked, Some(body)),
            None => self.accept_invite(turn, exchange.from, Some(body), false),
        }
    }

    fn pass_offer(&mut self, turn: &mut Turn<'_>, mut exchange: Exchange, sdp: &Bytes) {
        let local = self.local_of(exchange.from);
        let Some(side) = self.legs.get_mut(&exchange.from) else {
            return;
        };
        let Some(body) = local.and_then(|local| side.sdp.offer(sdp, &local).ok()) else {
            self.decline_exchange(&exchange, 500);
            self.finish(turn, Why::answered(88, "Incompatible media"));
            return;
        };
        exchange.stage = Stage::Answering;
        let from = exchange.from;
        self.exchange = Some(exchange);
        self.accept_invite(turn, from, Some(body), true);
    }

    /// 200 to a re-INVITE.
    pub(crate) fn accept_invite(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        body: Option<Bytes>,
        offered: bool,
    ) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let Incoming::Asked(asked) = std::mem::replace(&mut side.incoming, Incoming::Idle) else {
            return;
        };
        side.renew = Renew::No;
        let response = accepted(side, turn, &asked, body);
        let (transaction, flow) = (asked.transaction.clone(), asked.flow);
        side.expect_ack(turn.now_ms, asked, response.clone(), offered);
        self.put(Output::Commit);
        self.put(Output::Respond {
            leg,
            transaction,
            message: response,
            flow,
        });
    }

    /// 200 to an UPDATE.
    pub(crate) fn accept_update(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        asked: Asked,
        body: Option<Bytes>,
    ) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let response = accepted(side, turn, &asked, body);
        side.answered = Answered::of(&asked, &response);
        self.put(Output::Commit);
        self.put(Output::Respond {
            leg,
            transaction: asked.transaction,
            message: response,
            flow: asked.flow,
        });
    }

    fn decline_exchange(&mut self, exchange: &Exchange, code: u16) {
        let Some(side) = self.legs.get_mut(&exchange.from) else {
            return;
        };
        let asked = match &exchange.update {
            Some(asked) => asked.clone(),
            None => match std::mem::replace(&mut side.incoming, Incoming::Idle) {
                Incoming::Asked(asked) => asked,
                other @ (Incoming::Idle | Incoming::Unacked(_)) => {
                    side.incoming = other;
                    return;
                }
            },
        };
        let response = asked.plain_response(code);
        let leg = exchange.from;
        self.put(Output::Respond {
            leg,
            transaction: asked.transaction,
            message: response,
            flow: asked.flow,
        });
    }

    /// An answer to a re-INVITE that nobody waits for any more still needs its ACK.
    fn acknowledge_late(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        sent: &Sent,
        code: u16,
        response: Option<&Message>,
    ) {
        let is_invite = response
            .and_then(|r| r.cseq().ok())
            .is_some_and(|cseq| cseq.method == Method::Invite);
        let Some(side) = self
            .legs
            .get_mut(&leg)
            .filter(|_| is_invite && (200..300).contains(&code))
        else {
            return;
        };
        let (message, flow) = (side.ack(turn, sent.cseq, None), side.flow);
        self.put(Output::Ack { leg, message, flow });
    }
}

fn accepted(side: &mut Leg, turn: &Turn<'_>, asked: &Asked, body: Option<Bytes>) -> Message {
    let mut response = asked.plain_response(200);
    response
        .headers
        .push(Name::Contact, side.dialog.contact.clone());
    abilities(&mut response, true, side.runs_timers());
    if let Some(session) = asked.session {
        session.write(&mut response, side.peer);
        side.refreshed(Some(session), turn.now_ms);
    }
    if let Some(body) = body {
        response.set_body(SDP, body);
    }
    response
}

/// The interval that a 422 wants.
pub(crate) fn raise(side: &mut Leg, response: Option<&Message>) -> bool {
    let Some(interval_s) = side.session.interval_s() else {
        return false;
    };
    let Some(raised_s) = response.and_then(|response| raised_interval_s(response, interval_s))
    else {
        return false;
    };
    side.session = side.session.with_interval(raised_s);
    side.min_interval_s = raised_s;
    true
}

/// What one side gets of the other's refusal: challenges and a wish to be left alone are between us and the other.
fn passed_on(code: u16) -> u16 {
    match code {
        401 | 402 | 403 | 407 | 421 | 422 | 503 => 500,
        400..700 => code,
        _ => 500,
    }
}
