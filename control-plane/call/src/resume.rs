//! Going on with a stored value: after a restart, or in the place of a node that has gone.

use std::net::SocketAddr;

use carillon_model::{Epoch, Flow, NodeId, Random};
use carillon_sip::Name;

use crate::Output;
use crate::call::Call;
use crate::exchange::Stage;
use crate::fork::ForkState;
use crate::leg::{Incoming, Leg, Purpose};
use crate::phase::Phase;
use crate::refresh::{Refresh, Renew};
use crate::turn::{Turn, contact};

/// Who goes on with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub node: NodeId,
    pub epoch: Epoch,
}

impl Call {
    /// Makes a decoded value the owner's. CSeq numbers go on above those that were set aside, media revisions above those
    /// that may have been put. `place` says by which flow of the new owner a peer is reached, and our address on that
    /// flow's listener; a leg that it says nothing about stays where it was.
    ///
    /// Both sides of an answered call get a re-INVITE with the same session: they follow the new Contact, and one that
    /// has hung up meanwhile says so. A call that rings goes on waiting for what was sent before. Poll the outputs.
    pub fn resume(
        &mut self,
        now_ms: u64,
        random: &mut dyn Random,
        owner: Owner,
        place: impl Fn(&Flow) -> Option<(Flow, SocketAddr)>,
    ) {
        (self.node, self.epoch) = (owner.node, owner.epoch);
        let turn = &mut Turn::new(now_ms, random, self.node);
        self.media.skip_revisions();
        for leg in self.legs.values_mut().chain(&mut self.strays) {
            if let Some((flow, advertised)) = place(&leg.flow) {
                (leg.flow, leg.advertised) = (flow, advertised);
            }
            take_over(leg);
        }
        for fork in &mut self.forks {
            if let Some((flow, advertised)) = place(&fork.target.flow) {
                (fork.target.flow, fork.target.advertised) = (flow, advertised);
            }
            let contact = contact(fork.target.flow.transport, fork.target.advertised);
            fork.early
                .iter_mut()
                .for_each(|dialog| dialog.take_over(contact.clone()));
            // Provisional responses are not stored, and a CANCEL that comes too early does no harm.
            if let ForkState::Trying { .. } = fork.state {
                fork.state = ForkState::Proceeding;
            }
        }
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
        if let Phase::Talking { .. } = self.phase {
            self.put_media();
            // The next heir must not use the same numbers.
            self.put(Output::Commit);
            self.renew(turn, Renew::Owner);
            self.fire_due(turn);
        }
    }
}

fn take_over(leg: &mut Leg) {
    leg.dialog
        .take_over(contact(leg.flow.transport, leg.advertised));
    leg.sent.retain(|sent| match sent.purpose {
        Purpose::Exchange | Purpose::Refresh | Purpose::Relay => false,
        Purpose::Prack | Purpose::Cancel | Purpose::Bye => true,
    });
    leg.refresh = Refresh::Idle;
    // The ACK of the 2xx that is repeated is to come here.
    if let Incoming::Unacked(unacked) = &mut leg.incoming {
        unacked
            .response
            .headers
            .set(Name::Contact, leg.dialog.contact.clone());
    }
}
