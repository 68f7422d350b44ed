//! Contacts that rang towards a node that has gone.
//!
//! Whatever they answer to its INVITE goes to that node. So each is asked whether it has answered: an ACK, in case it
//! has, a CANCEL with the Via of the INVITE, in case it has not, and then a re-INVITE. Who accepts that talks; any
//! other has been silenced, and rings again for an INVITE of ours.

use carillon_sip::{Method, Name};

use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::fork::{ForkState, Question};
use crate::turn::Turn;
use crate::{LegId, Output};

/// What a phone needs to stop ringing.
const SILENCE_MS: u64 = 150;
/// Between two questions to a phone that has not heard all of the first: the CANCEL is repeated meanwhile.
const ASK_AGAIN_MS: u64 = 600;
/// Answers that say nothing after which a phone is rung anew all the same.
const QUESTIONS_UNCLEAR_MAX: u8 = 4;
/// A phone that has no such dialog any more may not even say so.
const ANSWER_MS: u64 = 800;

impl Call {
    /// Asks a contact whether it has answered the INVITE of a node that has gone, and stops its ringing if not.
    pub(crate) fn question(&mut self, turn: &mut Turn<'_>, index: usize) {
        match self.forks[index].state {
            ForkState::Trying { .. }
            | ForkState::Proceeding
            | ForkState::Questioned { .. }
            | ForkState::Reinvited { .. } => {
                self.acknowledge_blindly(turn, index);
                self.cancel_fork(turn, index);
                self.forks[index].state = ForkState::Questioned {
                    ask_at_ms: turn.now_ms + SILENCE_MS,
                };
            }
            ForkState::Unwanted { give_up_at_ms } | ForkState::Cancelled { give_up_at_ms } => {
                self.cancel_fork(turn, index);
                self.forks[index].state = ForkState::Cancelled { give_up_at_ms };
            }
            ForkState::Waiting | ForkState::Over { .. } | ForkState::Won => {}
        }
    }

    /// An ACK ends the repetitions of a 200 that nobody has heard; a phone that rings does not mind.
    fn acknowledge_blindly(&mut self, turn: &mut Turn<'_>, index: usize) {
        let fork = &self.forks[index];
        let Some(invite) = fork.first_invite().filter(|invite| invite.offers) else {
            return;
        };
        let (leg, flow) = (fork.leg, fork.target.flow);
        let mut acks = Vec::new();
        for dialog in fork.early.iter() {
            let (_, via) = turn.transaction(flow.transport, fork.target.advertised);
            acks.push(dialog.ack(invite.cseq, via));
        }
        for message in acks {
            self.put(Output::Ack { leg, message, flow });
        }
    }

    /// The time of a contact that was asked is up.
    pub(crate) fn questioned_due(&mut self, turn: &mut Turn<'_>, index: usize) {
        match self.forks[index].state {
            ForkState::Questioned { .. } => {
                if !self.reinvite_early(turn, index) {
                    self.ring_anew(turn, index);
                }
            }
            ForkState::Reinvited { .. } => self.ring_anew(turn, index),
            ForkState::Waiting
            | ForkState::Trying { .. }
            | ForkState::Proceeding
            | ForkState::Unwanted { .. }
            | ForkState::Cancelled { .. }
            | ForkState::Over { .. }
            | ForkState::Won => {}
        }
    }

    /// A re-INVITE in the dialog that the contact made when it rang. `false`: it never said that it did.
    fn reinvite_early(&mut self, turn: &mut Turn<'_>, index: usize) -> bool {
        let fork = &mut self.forks[index];
        let (flow, advertised) = (fork.target.flow, fork.target.advertised);
        let Some(invite) = fork.invite.as_mut().filter(|invite| invite.offers) else {
            return false;
        };
        let Some(dialog) = fork.early.iter_mut().next() else {
            return false;
        };
        let (key, via) = turn.transaction(flow.transport, advertised);
        let mut message = dialog.request(Method::Invite, via);
        let timers = fork.target.carrier.as_ref();
        let timers = timers.is_none_or(|carrier| carrier.runs_timers());
        abilities(&mut message, false, timers);
        for name in [Name::SessionExpires, Name::MinSe] {
            if let Some(value) = invite.message.headers.get(name.clone()).cloned() {
                message.headers.push(name, value);
            }
        }
        message.set_body(SDP, invite.message.body.clone());
        if fork.question.is_none() {
            let rang = invite.clone();
            fork.question = Some(Box::new(Question { rang, unclear: 0 }));
        }
        (invite.key, invite.cseq) = (key, dialog.local_cseq());
        invite.message = message.clone();
        fork.state = ForkState::Reinvited {
            until_ms: turn.now_ms + ANSWER_MS,
        };
        let leg = fork.leg;
        self.put(Output::Request {
            leg,
            transaction: key,
            message,
            flow,
        });
        true
    }

    /// A phone that is asked says no. One whose 200 waits for its ACK says 491, one that rings on 500: it has not heard the
    /// ACK or the CANCEL, which are lost now and then, and is asked again. Any other has been silenced.
    pub(crate) fn question_refused(&mut self, turn: &mut Turn<'_>, index: usize, code: u16) {
        let question = self.forks[index].question.as_mut();
        let unclear = question.filter(|question| {
            matches!(code, 491 | 500) && question.unclear < QUESTIONS_UNCLEAR_MAX
        });
        let Some(question) = unclear else {
            return self.ring_anew(turn, index);
        };
        question.unclear += 1;
        self.acknowledge_blindly(turn, index);
        self.forks[index].state = ForkState::Questioned {
            ask_at_ms: turn.now_ms + ASK_AGAIN_MS,
        };
    }

    /// It does not ring any more: it is called again, by an INVITE that answers come back for.
    pub(crate) fn ring_anew(&mut self, turn: &mut Turn<'_>, index: usize) {
        let fork = &mut self.forks[index];
        (fork.invite, fork.question) = (None, None);
        fork.early.clear();
        fork.heard.clear();
        self.invite_later(turn, index);
    }

    /// What comes back for INVITEs that a former owner has sent, by sockets that are still there, is ours. One to which nothing
    /// had come back may never have arrived, and nobody repeats it any more: it is sent again as it was.
    pub(crate) fn adopt_forks(&mut self, moved: &[usize]) {
        let adopted: Vec<Output> = self
            .forks
            .iter()
            .enumerate()
            .filter(|(index, fork)| !fork.is_quiet() && !moved.contains(index))
            .filter_map(|(_, fork)| {
                let invite = fork.invite.as_ref()?;
                let (leg, transaction, flow) = (fork.leg, invite.key, fork.target.flow);
                let message = invite.message.clone();
                let unheard = fork.is_alive() && fork.early.iter().next().is_none();
                Some(match unheard {
                    false => Output::Adopt {
                        leg,
                        transaction,
                        message,
                        flow,
                    },
                    true => Output::Request {
                        leg,
                        transaction,
                        message,
                        flow,
                    },
                })
            })
            .collect();
        self.outputs.extend(adopted);
    }

    /// The caller cannot be answered any more, and nobody has: its phone notices by itself, and nobody is to ring for it.
    pub(crate) fn has_lost_its_caller(&self) -> bool {
        let lost = self.legs.get(&LegId::CALLER).is_some_and(|leg| leg.lost);
        lost && self.callee_leg().is_none()
    }
}
