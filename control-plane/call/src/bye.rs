//! The end of a call: from either side, from both at once, from outside.

use carillon_model::{CallCause, CallStatus};
use carillon_sip::{Message, Method, Name};

use crate::accept::Declined;
use crate::asked::Received;
use crate::best::q850_of;
use crate::call::Call;
use crate::compose::reason;
use crate::leg::{Incoming, Purpose, Release};
use crate::phase::{Ending, Phase, RecordState};
use crate::turn::Turn;
use crate::{LegId, Output};

/// How long the media server may take to say what it measured.
const QUALITY_WAIT_MS: u64 = 2_000;
const NORMAL_CLEARING: u8 = 16;

/// Why a call is ended.
pub(crate) struct Why {
    status: CallStatus,
    cause: CallCause,
    text: &'static str,
    /// What a caller gets that has no final response yet.
    refusal: Declined,
}

impl Why {
    /// An answered call ends.
    pub(crate) fn answered(q850: u8, text: &'static str) -> Self {
        let cause = CallCause { sip: 200, q850 };
        Self {
            status: CallStatus::Answered,
            cause,
            text,
            refusal: Declined::new(480),
        }
    }

    /// Nobody has answered, and the caller is told so.
    pub(crate) fn refused(
        status: CallStatus,
        q850: u8,
        text: &'static str,
        refusal: Declined,
    ) -> Self {
        Self {
            status,
            cause: CallCause {
                sip: refusal.code,
                q850,
            },
            text,
            refusal,
        }
    }
}

impl Call {
    pub(crate) fn bye_received(&mut self, turn: &mut Turn<'_>, leg: LegId, received: &Received) {
        self.respond(
            leg,
            received,
            Message::response_to(&received.message, 200, ""),
        );
        let answered = self.answered_at_ms.is_some();
        if leg == LegId::CALLER && !answered {
            // A BYE in the early dialog is as good as a CANCEL (RFC 3261 §15).
            self.caller_gives_up(turn);
            return;
        }
        if let Some(side) = self.legs.get_mut(&leg) {
            side.release = Release::Done;
            side.owed_ack = None;
            if let Incoming::Unacked(_) = side.incoming {
                side.incoming = Incoming::Idle;
            }
        }
        self.finish(turn, Why::answered(NORMAL_CLEARING, "Normal call clearing"));
    }

    pub(crate) fn hang_up(&mut self, turn: &mut Turn<'_>) {
        let why = if self.answered_at_ms.is_some() {
            Why::answered(NORMAL_CLEARING, "Hung up by the operator")
        } else {
            Why::refused(
                CallStatus::Failed,
                NORMAL_CLEARING,
                "Hung up by the operator",
                Declined::new(480),
            )
        };
        self.finish(turn, why);
    }

    /// The caller gets this final response, and the call is over.
    pub(crate) fn refuse_caller(&mut self, turn: &mut Turn<'_>, declined: &Declined) {
        let refusal = Declined {
            code: declined.code,
            headers: declined.headers.clone(),
        };
        let (status, q850) = (
            crate::best::status_of(declined.code),
            q850_of(declined.code),
        );
        self.finish(turn, Why::refused(status, q850, "", refusal));
    }

    /// The INVITE was not even good for a dialog; its refusal is out.
    pub(crate) fn failed_at_once(&mut self, turn: &mut Turn<'_>, code: u16) {
        self.finish(
            turn,
            Why::refused(CallStatus::Failed, q850_of(code), "", Declined::new(code)),
        );
    }

    /// A peer did not acknowledge, refresh or answer: it has gone.
    pub(crate) fn caller_lost(&mut self, turn: &mut Turn<'_>) {
        let why = if self.answered_at_ms.is_some() {
            Why::answered(102, "No answer from the phone")
        } else {
            Why::refused(CallStatus::Failed, 102, "No PRACK", Declined::new(504))
        };
        self.finish(turn, why);
    }

    /// Ends whatever there is: each leg that was invited gets a final response, a BYE or a CANCEL.
    pub(crate) fn finish(&mut self, turn: &mut Turn<'_>, why: Why) {
        if matches!(self.phase, Phase::Ending { .. } | Phase::Ended) {
            return;
        }
        // An answered call stays answered, whatever ends it.
        let talked = self.answered_at_ms.is_some();
        let cause = if talked {
            CallCause {
                sip: 200,
                ..why.cause
            }
        } else {
            why.cause
        };
        let status = if talked {
            CallStatus::Answered
        } else {
            why.status
        };
        let ending = Ending {
            status,
            cause,
            at_ms: turn.now_ms,
        };
        self.give_back_requests(&why.refusal, why.cause.q850, why.text);
        self.settle_acks(turn);
        let record = if self.media.is_held() {
            RecordState::WaitsForQuality {
                until_ms: turn.now_ms + QUALITY_WAIT_MS,
            }
        } else {
            RecordState::Due
        };
        self.phase = Phase::Ending { ending, record };
        self.ringback.stop();
        let text = reason(0, why.cause.q850, why.text);
        for leg in self.legs.keys().copied().collect::<Vec<_>>() {
            self.release(turn, leg, &text);
        }
        self.cancel_forks(turn);
        self.release_media();
    }

    /// Requests that wait for the other side get their final response (RFC 3261 §15.1.2).
    fn give_back_requests(&mut self, refusal: &Declined, q850: u8, text: &str) {
        let mut responses = Vec::new();
        let unanswered = self.answered_at_ms.is_none();
        for (id, leg) in &mut self.legs {
            let Incoming::Asked(asked) = &leg.incoming else {
                continue;
            };
            let first = *id == LegId::CALLER && unanswered;
            let mut response = if first {
                asked.response(refusal.code, leg.dialog.local())
            } else {
                asked.plain_response(487)
            };
            if first {
                refusal.write(&mut response);
                if !text.is_empty() {
                    response.headers.push(Name::Reason, reason(0, q850, text));
                }
            }
            responses.push((*id, asked.transaction.clone(), response, asked.flow));
            leg.incoming = Incoming::Idle;
        }
        let updates = self
            .exchange
            .take()
            .and_then(|exchange| Some((exchange.from, exchange.update?)));
        let relays = self.relays.drain(..).map(|relay| (relay.from, relay.asked));
        for (leg, asked) in updates.into_iter().chain(relays) {
            let response = asked.plain_response(487);
            responses.push((leg, asked.transaction, response, asked.flow));
        }
        for (leg, transaction, message, flow) in responses {
            self.put(Output::Respond {
                leg,
                transaction,
                message,
                flow,
            });
        }
    }

    /// A 2xx with an offer that will never have a real answer is acknowledged with a refusal of all its media.
    fn settle_acks(&mut self, turn: &mut Turn<'_>) {
        let mut acks = Vec::new();
        for (id, leg) in &mut self.legs {
            if let Some(cseq) = leg.owed_ack {
                let answer = leg
                    .sdp
                    .remote
                    .clone()
                    .and_then(|offer| leg.sdp.refuse(&offer));
                acks.push((*id, leg.ack(turn, cseq, answer), leg.flow));
            }
        }
        for (leg, message, flow) in acks {
            self.put(Output::Ack { leg, message, flow });
        }
    }

    /// Sends the BYE of a leg, now or when its ACK is there.
    fn release(&mut self, turn: &mut Turn<'_>, leg: LegId, reason: &str) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        if side.is_released() {
            return;
        }
        if side.dialog.state == carillon_sip::dialog::DialogState::Early {
            side.release = Release::Done;
            return;
        }
        if let Incoming::Unacked(_) = side.incoming
            && side.is_asked()
        {
            side.release = Release::Wanted {
                reason: reason.to_owned(),
            };
            return;
        }
        side.release = Release::Done;
        self.send(turn, leg, Method::Bye, Purpose::Bye, |bye| {
            bye.headers.push(Name::Reason, reason.to_owned())
        });
    }

    /// The ACK that a BYE waited for has come, or will never come.
    pub(crate) fn release_at_last(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let Release::Wanted { reason } = side.release.clone() else {
            return;
        };
        side.release = Release::Done;
        self.send(turn, leg, Method::Bye, Purpose::Bye, |bye| {
            bye.headers.push(Name::Reason, reason)
        });
    }
}
