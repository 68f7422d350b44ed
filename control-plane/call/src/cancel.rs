//! CANCEL: the caller's, and ours to the forks.

use carillon_model::CallStatus;
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Method, Name};

use crate::accept::Declined;
use crate::bye::Why;
use crate::call::Call;
use crate::compose::reason;
use crate::fork::ForkState;
use crate::leg::{Incoming, Purpose, Sent};
use crate::turn::{PATIENCE_MS, Turn};
use crate::{LegId, Output};

impl Call {
    /// The caller's CANCEL. One of a re-INVITE changes nothing: the other side answers that at once anyway.
    pub(crate) fn cancelled(&mut self, turn: &mut Turn<'_>, leg: LegId, transaction: &ServerKey) {
        let Some(side) = self
            .legs
            .get(&leg)
            .filter(|_| leg == LegId::CALLER && self.answered_at_ms.is_none())
        else {
            return;
        };
        if matches!(&side.incoming, Incoming::Asked(asked) if asked.transaction == *transaction) {
            self.caller_gives_up(turn);
        }
    }

    pub(crate) fn caller_gives_up(&mut self, turn: &mut Turn<'_>) {
        self.finish(
            turn,
            Why::refused(CallStatus::Cancelled, 16, "", Declined::new(487)),
        );
    }

    /// Every fork that may still answer is told to stop.
    pub(crate) fn cancel_forks(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.forks.len() {
            let give_up_at_ms = turn.now_ms + PATIENCE_MS;
            match self.forks[index].state {
                ForkState::Waiting => self.forks[index].state = ForkState::Over { code: 487 },
                ForkState::Trying { .. } => {
                    self.forks[index].state = ForkState::Unwanted { give_up_at_ms }
                }
                // A CANCEL before any response waits for one where it is sent; the phone of a lost node has had one.
                ForkState::Proceeding
                | ForkState::Questioned { .. }
                | ForkState::Reinvited { .. } => {
                    self.cancel_fork(turn, index);
                    self.forks[index].state = ForkState::Cancelled { give_up_at_ms };
                }
                ForkState::Unwanted { .. }
                | ForkState::Cancelled { .. }
                | ForkState::Over { .. }
                | ForkState::Won => {}
            }
        }
    }

    /// A contact ends its early dialog by itself: it will not answer.
    pub(crate) fn fork_gives_up(&mut self, turn: &mut Turn<'_>, index: usize) {
        if matches!(
            self.forks[index].state,
            ForkState::Proceeding | ForkState::Questioned { .. } | ForkState::Reinvited { .. }
        ) {
            self.cancel_fork(turn, index);
            self.forks[index].state = ForkState::Cancelled {
                give_up_at_ms: turn.now_ms + PATIENCE_MS,
            };
            self.judge_forks(turn);
        }
    }

    /// Why a phone that is told to stop need not show a missed call (RFC 3326).
    pub(crate) fn answered_elsewhere(&self) -> Option<String> {
        self.callee_leg()
            .map(|_| reason(200, 26, "Call completed elsewhere"))
    }

    /// The CANCEL has the request line, Via, Route, From, To and Call-ID of its INVITE (RFC 3261 §9.1).
    pub(crate) fn cancel_fork(&mut self, turn: &mut Turn<'_>, index: usize) {
        let elsewhere = self.answered_elsewhere();
        let fork = &mut self.forks[index];
        let Some(invite) = fork.first_invite().filter(|_| !fork.lost) else {
            return;
        };
        let Some(uri) = invite.message.uri() else {
            return;
        };
        let mut message = Message::request(Method::Cancel, uri.clone());
        for (name, value) in invite.message.headers.iter() {
            if matches!(
                name,
                Name::Via | Name::Route | Name::MaxForwards | Name::From | Name::To | Name::CallId
            ) {
                message.headers.push(name.clone(), value.clone());
            }
        }
        message
            .headers
            .push(Name::CSeq, format!("{} CANCEL", invite.cseq));
        if let Some(reason) = elsewhere {
            message.headers.push(Name::Reason, reason);
        }
        let (transaction, _) = turn.transaction(fork.target.flow.transport, fork.target.advertised);
        let (leg, flow, cseq) = (fork.leg, fork.target.flow, invite.cseq);
        let give_up_at_ms = turn.give_up_at_ms();
        fork.sent.push(Sent {
            key: transaction,
            cseq,
            purpose: Purpose::Cancel,
            give_up_at_ms,
            message: None,
        });
        self.put(Output::Request {
            leg,
            transaction,
            message,
            flow,
        });
    }
}
