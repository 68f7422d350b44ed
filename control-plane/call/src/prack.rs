//! PRACK (RFC 3262) from the caller, and ours to the forks.

use carillon_sip::{Message, Method, Name};

use crate::accept::Declined;
use crate::asked::Received;
use crate::call::Call;
use crate::leg::{Purpose, Sent};
use crate::turn::Turn;
use crate::{LegId, MAX_SENT, Output};

impl Call {
    pub(crate) fn pracked(&mut self, turn: &mut Turn<'_>, leg: LegId, received: &Received) {
        let Ok(rack) = received.message.rack() else {
            self.decline(leg, received, &Declined::new(400));
            return;
        };
        let expected = leg == LegId::CALLER && rack.cseq.method == Method::Invite;
        let Some(reliable) = self
            .ringback
            .unacked
            .take_if(|reliable| expected && reliable.rseq == rack.response)
        else {
            self.decline(leg, received, &Declined::new(481));
            return;
        };
        self.ringback.sdp_acked |= reliable.has_sdp;
        if received.message.body.is_empty() {
            self.respond(
                leg,
                received,
                Message::response_to(&received.message, 200, ""),
            );
        } else {
            // A new offer before the answer (RFC 3262 §5): the callee is not asked.
            self.decline(leg, received, &Declined::new(488));
        }
        if self.ringback.holds_answer {
            self.ringback.holds_answer = false;
            self.answer_caller(turn);
        } else {
            self.tell_caller_next(turn);
        }
    }

    /// Acknowledges a reliable provisional response of a fork. `false`: it is a repetition, or came too early.
    pub(crate) fn prack(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        response: &Message,
        remote_tag: &str,
    ) -> bool {
        let reliable = response
            .require()
            .any(|token| token.eq_ignore_ascii_case("100rel"));
        let Some(rseq) = response.rseq().filter(|_| reliable) else {
            return true;
        };
        let fork = &mut self.forks[index];
        let heard = fork.heard_from(remote_tag);
        if heard.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        heard.rseq = Some(rseq);
        let (target, cseq) = (
            &fork.target,
            fork.invite.as_ref().map_or(1, |invite| invite.cseq),
        );
        let (key, via) = turn.transaction(target.flow.transport, target.advertised);
        let flow = target.flow;
        let Some(dialog) = fork.early.with_remote_tag(remote_tag) else {
            return true;
        };
        if fork.sent.len() == MAX_SENT {
            return true;
        }
        let mut message = dialog.request(Method::Prack, via);
        message
            .headers
            .push(Name::RAck, format!("{rseq} {cseq} INVITE"));
        let cseq = dialog.local_cseq();
        fork.sent.push(Sent {
            key,
            cseq,
            purpose: Purpose::Prack,
            give_up_at_ms: turn.give_up_at_ms(),
            message: None,
        });
        let leg = fork.leg;
        self.put(Output::Request {
            leg,
            transaction: key,
            message,
            flow,
        });
        true
    }
}
