//! Answers that come too late or twice: each makes a dialog, which is acknowledged and ended at once.

use carillon_sip::dialog::Dialog;
use carillon_sip::{Message, Method, Name};

use crate::call::Call;
use crate::leg::{Leg, Purpose, Release, Sent};
use crate::turn::Turn;
use crate::{MAX_STRAYS, Output};

impl Call {
    /// Acknowledges a 2xx that nobody wants any more, and sends BYE (RFC 3261 §13.2.2.4, §9.1).
    pub(crate) fn end_stray(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        dialog: Dialog,
        response: &Message,
    ) {
        let elsewhere = self.answered_elsewhere();
        let fork = &self.forks[index];
        let Ok(cseq) = response.cseq() else { return };
        let offered = fork.invite.as_ref().is_some_and(|invite| invite.offers);
        let mut leg = Leg::new(fork.leg, dialog, fork.target.flow, fork.target.advertised);
        leg.sdp = fork.sdp.clone();
        leg.release = Release::Done;
        let answer = if offered {
            None
        } else {
            leg.sdp.refuse(&response.body)
        };
        let ack = leg.ack(turn, cseq.number, answer);
        let (key, mut bye) = leg.request(turn, Method::Bye);
        if let Some(reason) = elsewhere {
            bye.headers.push(Name::Reason, reason);
        }
        let number = leg.dialog.local_cseq();
        leg.sent.push(Sent {
            key,
            cseq: number,
            purpose: Purpose::Bye,
            give_up_at_ms: turn.give_up_at_ms(),
            message: None,
        });
        let (id, flow) = (leg.id, leg.flow);
        self.put(Output::Ack {
            leg: id,
            message: ack,
            flow,
        });
        self.put(Output::Request {
            leg: id,
            transaction: key,
            message: bye,
            flow,
        });
        if self.strays.len() < MAX_STRAYS {
            self.strays.push(leg);
        }
    }

    /// A repeated 2xx whose ACK was lost. `true`: its dialog was known.
    pub(crate) fn acknowledge_again(&mut self, response: &Message) -> bool {
        let Ok(cseq) = response.cseq() else {
            return false;
        };
        let Ok(to) = response.to() else { return false };
        let tag = to.tag().unwrap_or_default();
        let call_id = response.call_id().unwrap_or_default();
        let known = self
            .legs
            .values()
            .map(Box::as_ref)
            .chain(&self.strays)
            .find(|leg| leg.dialog.remote_tag == *tag && leg.dialog.call_id == *call_id);
        let Some(leg) = known else { return false };
        if let Some(ack) = leg.acked.as_ref().filter(|ack| ack.cseq == cseq.number) {
            let (leg, message, flow) = (leg.id, ack.message.clone(), leg.flow);
            self.put(Output::Ack { leg, message, flow });
        }
        true
    }
}
