//! A contact of the callee answers.

use bytes::Bytes;
use carillon_sip::dialog::Dialog;
use carillon_sip::{Message, Name, Text};

use crate::accept::answer;
use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::exchange::{Exchange, Stage};
use crate::features::Features;
use crate::fork::ForkState;
use crate::leg::{Incoming, Leg};
use crate::phase::Phase;
use crate::session_timer::{Agreed, Session, Timers};
use crate::turn::{Turn, contact};
use crate::{LegId, Output};

impl Call {
    /// A 2xx of a fork: the first one wins, each later one is acknowledged and ended.
    pub(crate) fn fork_answers(&mut self, turn: &mut Turn<'_>, index: usize, response: &Message) {
        let wins = matches!(self.phase, Phase::Ringing { .. }) && self.forks[index].is_alive();
        let Some(dialog) = self.answered_dialog(index, response) else {
            // Not even a dialog: there is nobody to acknowledge.
            self.forks[index].state = ForkState::Over { code: 500 };
            self.judge_forks(turn);
            return;
        };
        let sdp = self.answered_sdp(index, response, &dialog.remote_tag);
        if !wins || sdp.is_none() {
            if self.forks[index].state != ForkState::Won {
                self.forks[index].state = ForkState::Over {
                    code: if wins { 488 } else { 200 },
                };
            }
            self.end_stray(turn, index, dialog, response);
            self.judge_forks(turn);
            return;
        }
        self.forks[index].state = ForkState::Won;
        self.connect(turn, index, dialog, response, sdp.unwrap_or_default());
    }

    fn answered_dialog(&mut self, index: usize, response: &Message) -> Option<Dialog> {
        let fork = &mut self.forks[index];
        let to = fork.invite.as_ref()?.message.uri()?.clone();
        let contact = contact(fork.target.flow.transport, fork.target.advertised);
        fork.early.confirm(response, &contact, &to).ok()
    }

    /// The session description of the answer: in the 2xx, or in a provisional response before.
    fn answered_sdp(
        &mut self,
        index: usize,
        response: &Message,
        remote_tag: &Text,
    ) -> Option<Bytes> {
        let fork = &mut self.forks[index];
        if let Ok(Some(sdp)) = answer(response) {
            return Some(fork.sdp.heard(sdp));
        }
        fork.heard_from(remote_tag).sdp.clone()
    }

    fn connect(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        dialog: Dialog,
        response: &Message,
        sdp: Bytes,
    ) {
        let fork = &mut self.forks[index];
        let callee = fork.leg;
        let invite = fork
            .invite
            .as_mut()
            .expect("an answered fork has its INVITE");
        let (cseq, asked_s) = (invite.cseq, invite.session_interval_s);
        invite.forget_details();
        fork.question = None;
        let mut leg = Leg::new(callee, dialog, fork.target.flow, fork.target.advertised);
        leg.peer = Features::of(response);
        leg.carrier = fork.target.carrier.clone();
        let timers = Timers::of(&self.policy, leg.carrier.as_deref());
        let agreed = Agreed::settled(response, timers, asked_s);
        leg.session = agreed.map_or(Session::Off, |agreed| Session::start(agreed, turn.now_ms));
        leg.sdp = std::mem::take(&mut fork.sdp);
        leg.sdp.remote = Some(sdp);
        let delayed = self.caller_sdp().is_none();
        if delayed {
            leg.owed_ack = Some(cseq);
        } else {
            leg.sdp.agreed();
            let (message, flow) = (leg.ack(turn, cseq, None), leg.flow);
            self.put(Output::Ack {
                leg: callee,
                message,
                flow,
            });
        }
        self.legs.insert(callee, Box::new(leg));
        self.phase = Phase::Talking { callee };
        self.media.early = None;
        self.put_media();
        self.cancel_forks(turn);
        if self
            .ringback
            .unacked
            .as_ref()
            .is_some_and(|reliable| reliable.has_sdp)
        {
            self.ringback.holds_answer = true;
        } else {
            self.answer_caller(turn);
        }
    }

    /// The 2xx for the caller, once both dialogs are stored.
    pub(crate) fn answer_caller(&mut self, turn: &mut Turn<'_>) {
        let Some(callee) = self.callee_leg() else {
            return;
        };
        let Some(sdp) = self
            .legs
            .get(&callee)
            .and_then(|leg| leg.sdp.remote.clone())
        else {
            return;
        };
        self.fork_caller_dialog(turn, callee);
        let delayed = self.caller_sdp().is_none();
        let told = self.ringback.sdp_from == Some(callee);
        let given = self.ringback.sdp_acked && told;
        // Within a dialog an answer cannot change: the caller learns of other ports by an offer.
        let body = match self.media.unsettled && told {
            true => self.standing_answer(),
            false => self.answer_for_caller(&sdp),
        };
        self.ringback.stop();
        let Some(leg) = self.legs.get_mut(&LegId::CALLER) else {
            return;
        };
        let Incoming::Asked(asked) = std::mem::replace(&mut leg.incoming, Incoming::Idle) else {
            return;
        };
        let mut response = asked.dialog_response(200, leg.dialog.local());
        response
            .headers
            .push(Name::Contact, leg.dialog.contact.clone());
        abilities(&mut response, true, leg.runs_timers());
        if let Some(session) = asked.session {
            session.write(&mut response, leg.peer);
            leg.session = Session::start(session, turn.now_ms);
        }
        if let Some(body) = body.filter(|_| !given) {
            response.set_body(SDP, body);
        }
        leg.dialog.confirm_answered();
        self.answered_at_ms = Some(turn.now_ms);
        let (transaction, flow) = (asked.transaction.clone(), asked.flow);
        leg.expect_ack(turn.now_ms, asked, response.clone(), delayed);
        if delayed {
            self.exchange = Some(Exchange::new(LegId::CALLER, callee, Stage::Answering));
        }
        self.put(Output::Commit);
        self.put(Output::Respond {
            leg: LegId::CALLER,
            transaction,
            message: response,
            flow,
        });
    }

    /// A caller that was given the session of another contact gets this one in a dialog of its own, as from a proxy
    /// that forks: within a dialog an answer cannot change (RFC 3261 §13.2.1).
    fn fork_caller_dialog(&mut self, turn: &mut Turn<'_>, callee: LegId) {
        if self.ringback.sdp_from.is_none_or(|given| given == callee) {
            return;
        }
        let Some(leg) = self.legs.get_mut(&LegId::CALLER) else {
            return;
        };
        let Incoming::Asked(asked) = &leg.incoming else {
            return;
        };
        let forked = leg.dialog.forked(&asked.to(), &turn.tag());
        let before = std::mem::replace(&mut leg.dialog, forked);
        self.ringback.other_tags.push(before.local_tag);
    }

    fn standing_answer(&self) -> Option<Bytes> {
        self.legs.get(&LegId::CALLER)?.sdp.local().cloned()
    }

    /// What the caller is given of a callee's session description.
    pub(crate) fn answer_for_caller(&mut self, sdp: &Bytes) -> Option<Bytes> {
        let local = self.media.local(crate::media::CALLER)?;
        let leg = self.legs.get_mut(&LegId::CALLER)?;
        if leg.sdp.remote.is_some() {
            leg.sdp.answer(sdp, &local).ok()
        } else {
            leg.sdp.offer(sdp, &local).ok()
        }
    }
}
