//! ACKs of our 2xx, and what happens without them.

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::Message;

use crate::accept::answer;
use crate::bye::Why;
use crate::call::Call;
use crate::exchange::Stage;
use crate::leg::Incoming;
use crate::turn::Turn;
use crate::{LegId, Output};

impl Call {
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn<'_>, leg: LegId, ack: &Message) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let Ok(cseq) = ack.cseq() else { return };
        let Incoming::Unacked(unacked) = &side.incoming else {
            return;
        };
        if unacked.asked.cseq != cseq.number {
            return;
        }
        let offered = unacked.offered;
        side.incoming = Incoming::Idle;
        self.release_at_last(turn, leg);
        let waits = |exchange: &mut crate::exchange::Exchange| {
            exchange.from == leg && exchange.stage == Stage::Answering
        };
        if let Some(exchange) = self.exchange.take_if(|exchange| offered && waits(exchange)) {
            self.answer_acknowledged(turn, leg, exchange.to, ack);
        }
        if self.callee_leg().is_some() {
            self.put(Output::CommitLazily);
        }
    }

    /// Who asks for something within the dialog has had the 2xx that opened it, wherever its ACK has gone: to an owner that
    /// had no time to take it down, perhaps.
    pub(crate) fn acknowledged_evidently(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        if let Incoming::Unacked(unacked) = &side.incoming
            && unacked.asked.opens_dialog()
            && !unacked.offered
        {
            side.incoming = Incoming::Idle;
            self.release_at_last(turn, leg);
        }
    }

    /// The ACK brings the answer to an offer of the other side, whose 2xx has waited for it.
    fn answer_acknowledged(&mut self, turn: &mut Turn<'_>, from: LegId, to: LegId, ack: &Message) {
        let passed = answer(ack)
            .ok()
            .flatten()
            .and_then(|sdp| self.pass_answer(turn, from, to, &sdp));
        let Some((message, flow)) = passed else {
            self.finish(turn, Why::answered(111, "ACK without a usable answer"));
            return;
        };
        self.put(Output::Ack {
            leg: to,
            message,
            flow,
        });
        self.put_media();
    }

    fn pass_answer(
        &mut self,
        turn: &mut Turn<'_>,
        from: LegId,
        to: LegId,
        sdp: &Bytes,
    ) -> Option<(Message, Flow)> {
        let side = self.legs.get_mut(&from)?;
        side.sdp.agreed();
        let sdp = side.sdp.heard(sdp.clone());
        side.sdp.remote = Some(sdp.clone());
        let local = self.local_of(to)?;
        let other = self.legs.get_mut(&to)?;
        let cseq = other.owed_ack?;
        let body = other.sdp.answer(&sdp, &local).ok()?;
        Some((other.ack(turn, cseq, Some(body)), other.flow))
    }

    /// The time of a 2xx without ACK: again, or the call is over (RFC 3261 §13.3.1.4).
    pub(crate) fn unacked_due(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let Incoming::Unacked(unacked) = &mut side.incoming else {
            return;
        };
        if unacked.give_up_at_ms <= turn.now_ms {
            side.incoming = Incoming::Idle;
            self.release_at_last(turn, leg);
            self.caller_lost(turn);
            return;
        }
        unacked.repeated();
        let (transaction, message, flow) = (
            unacked.asked.transaction.clone(),
            unacked.response.clone(),
            unacked.asked.flow,
        );
        self.put(Output::Respond {
            leg,
            transaction,
            message,
            flow,
        });
    }
}
