//! Going on with a stored value: after a restart, or in the place of a node that has gone.

use carillon_model::{CallStatus, Epoch, Flow, NodeId, Random};
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Name};

use crate::accept::Declined;
use crate::bye::Why;
use crate::call::Call;
use crate::exchange::Stage;
use crate::fork::ForkState;
use crate::leg::{Incoming, Leg, Purpose};
use crate::phase::Phase;
use crate::refresh::{Refresh, Renew};
use crate::turn::Turn;
use crate::{LegId, Output, Way};

/// Q.850: temporary failure.
const TEMPORARY_FAILURE: u8 = 41;

/// How long a peer has to acknowledge a 2xx of the former owner before it is told of the new one.
const ACK_WAIT_MS: u64 = 1_000;

/// Who goes on with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub node: NodeId,
    pub epoch: Epoch,
}

impl Call {
    /// Makes a decoded value the owner's. CSeq numbers go on above those that were set aside, media revisions above those
    /// that may have been put. `way` says how the new owner reaches a peer that was reached by a flow.
    ///
    /// Both sides of an answered call get a re-INVITE with the same session: they follow the new Contact, and one that
    /// has hung up meanwhile says so. A call that rings goes on: what was sent by sockets that are still there is
    /// waited for, contacts that rang towards another address are asked whether they have answered. Poll the outputs.
    pub fn resume(
        &mut self,
        now_ms: u64,
        random: &mut dyn Random,
        owner: Owner,
        way: impl Fn(&Flow) -> Way,
    ) {
        (self.node, self.epoch) = (owner.node, owner.epoch);
        let turn = &mut Turn::new(now_ms, random, self.node);
        self.media.skip_revisions();
        self.legs
            .values_mut()
            .map(Box::as_mut)
            .chain(&mut self.strays)
            .for_each(take_over);
        for fork in &mut self.forks {
            for dialog in fork.early.iter_mut() {
                dialog.take_over(dialog.contact.clone());
            }
            // Provisional responses need not be stored, and a CANCEL that comes too early does no harm.
            if let ForkState::Trying { .. } = fork.state {
                fork.state = ForkState::Proceeding;
            }
        }
        self.move_legs(&way);
        let moved = self.move_forks(&way);
        // Responses to what was asked have gone to the former owner: ask again. A repeated INFO comes as a new one.
        self.relays.clear();
        if let Some(exchange) = self
            .exchange
            .as_mut()
            .filter(|exchange| exchange.stage == Stage::Asking)
        {
            exchange.stage = Stage::Waiting {
                retry_at_ms: now_ms,
            };
        }
        match self.phase {
            Phase::Talking { .. } => {
                self.put_media();
                // The next heir must not use the same numbers.
                self.put(Output::Commit);
                self.renew(turn, Renew::Owner);
                self.wait_for_ports(turn);
                self.say_answers_again(turn);
                self.resume_forks(turn, moved);
            }
            Phase::Ringing { .. } => {
                self.put(Output::Commit);
                self.resume_forks(turn, moved);
                if self.has_lost_its_caller() {
                    let refusal = Declined::new(503);
                    let status = CallStatus::Failed;
                    self.finish(turn, Why::refused(status, TEMPORARY_FAILURE, "", refusal));
                }
            }
            // Nobody but the caller has heard of it.
            Phase::Routing { .. } | Phase::Placing { .. } => {
                self.refuse_caller(turn, &Declined::new(503).with(Name::RetryAfter, "1"));
            }
            Phase::New | Phase::Ending { .. } | Phase::Ended => {}
        }
        self.fire_due(turn);
    }

    /// Peers whose ACK has not come get their 2xx again, and are asked a while later: one that has never had it knows of
    /// no dialog.
    fn say_answers_again(&mut self, turn: &Turn<'_>) {
        for leg in self.legs.values_mut() {
            let Incoming::Unacked(unacked) = &mut leg.incoming else {
                continue;
            };
            unacked.begin_again(turn.now_ms);
            if let Refresh::Waiting { retry_at_ms } = &mut leg.refresh {
                *retry_at_ms = turn.now_ms + ACK_WAIT_MS;
            }
        }
    }

    fn resume_forks(&mut self, turn: &mut Turn<'_>, moved: Vec<usize>) {
        self.adopt_forks(&moved);
        for index in moved {
            self.question(turn, index);
        }
    }

    /// INVITEs of peers that wait for their final response: how each was to be answered, a response to it, and where
    /// it came from. For the new owner's transactions.
    pub fn awaiting(&self) -> impl Iterator<Item = (LegId, ServerKey, Message, Flow)> {
        self.legs.values().filter_map(|leg| match &leg.incoming {
            Incoming::Asked(asked) => Some((
                leg.id,
                asked.transaction.clone(),
                asked.plain_response(100),
                asked.flow,
            )),
            Incoming::Idle | Incoming::Unacked(_) => None,
        })
    }
}

fn take_over(leg: &mut Leg) {
    leg.dialog.take_over(leg.dialog.contact.clone());
    leg.sent.retain(|sent| match sent.purpose {
        Purpose::Exchange | Purpose::Refresh | Purpose::Relay | Purpose::Probe => false,
        Purpose::Prack | Purpose::Cancel | Purpose::Bye => true,
    });
    leg.refresh = Refresh::Idle;
    leg.glare_since_ms = None;
}
