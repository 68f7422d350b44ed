//! The ways to the phones, when a node has gone by whose sockets they were reached.

use std::net::SocketAddr;

use carillon_model::{Flow, Random};
use carillon_sip::Name;
use carillon_sip::transaction::ClientKey;

use crate::call::Call;
use crate::exchange::{Exchange, Stage};
use crate::fork::{Fork, ForkState};
use crate::leg::{Incoming, Leg, Purpose, Sent};
use crate::refresh::{Refresh, Renew};
use crate::turn::{Turn, contact};
use crate::{LegId, Output, Target};

/// How a phone is reached from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As before.
    Same,
    /// By this flow; and our address on its listener.
    Moved(Flow, SocketAddr),
    /// Not until it comes by itself: its connection has gone.
    Lost,
}

impl Call {
    /// A node has gone by whose sockets phones were reached; the call is still ours. `way` says how each flow goes on.
    /// Phones whose way has changed get a re-INVITE with the same session, so that they follow the new Contact. Poll
    /// the outputs.
    pub fn relocate(&mut self, now_ms: u64, random: &mut dyn Random, way: impl Fn(&Flow) -> Way) {
        let turn = &mut Turn::new(now_ms, random, self.node);
        let legs = self.move_legs(&way);
        let forks = self.move_forks(&way);
        if legs.is_empty() && forks.is_empty() {
            return;
        }
        self.put(Output::Commit);
        legs.iter().for_each(|leg| self.withdraw(turn, *leg));
        if self.callee_leg().is_some() {
            self.renew_some(turn, Renew::Owner, |leg| legs.contains(&leg.id));
        }
        for index in forks {
            self.question(turn, index);
        }
        self.fire_due(turn);
    }

    /// What was asked of a peer by a way that is no more says that we are where we are not: it is not repeated by another
    /// way, and asked anew.
    fn withdraw(&mut self, turn: &Turn<'_>, leg: LegId) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        let asks = |sent: &mut Sent| match sent.purpose {
            Purpose::Exchange | Purpose::Refresh | Purpose::Probe => true,
            Purpose::Relay | Purpose::Prack | Purpose::Cancel | Purpose::Bye => false,
        };
        let withdrawn: Vec<Sent> = side.sent.extract_if(.., asks).collect();
        if side.refresh == Refresh::Sent {
            side.refresh = Refresh::Idle;
        }
        let concerns =
            |exchange: &&mut Exchange| exchange.to == leg && exchange.stage == Stage::Asking;
        if let Some(exchange) = self.exchange.as_mut().filter(concerns) {
            exchange.stage = Stage::Waiting {
                retry_at_ms: turn.now_ms,
            };
        }
        for sent in withdrawn {
            self.put(Output::Abandon {
                transaction: sent.key,
            });
        }
    }

    /// A node by whose sockets phones were called does not answer; it may be there all the same. Phones that have said
    /// nothing yet are called by another way, where there is one. Poll the outputs.
    pub fn detour(&mut self, now_ms: u64, random: &mut dyn Random, way: impl Fn(&Flow) -> Way) {
        let turn = &mut Turn::new(now_ms, random, self.node);
        let mut moved = Vec::new();
        for (index, fork) in self.forks.iter_mut().enumerate() {
            if let (ForkState::Trying { .. }, Way::Moved(flow, advertised)) =
                (fork.state, way(&fork.target.flow))
            {
                fork.moved(flow, advertised);
                moved.push(index);
            }
        }
        for index in moved {
            self.question(turn, index);
        }
    }

    /// The INVITE of a fork has not left: it goes another way, with an INVITE that says so.
    pub(crate) fn unsent(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        key: ClientKey,
        (flow, advertised): (Flow, SocketAddr),
    ) {
        let is_it = |fork: &Fork| {
            let invite = fork.invite.as_ref().filter(|_| fork.leg == leg);
            invite.is_some_and(|invite| invite.key == key)
        };
        let Some(index) = self.forks.iter().position(is_it) else {
            return;
        };
        let fork = &mut self.forks[index];
        fork.moved(flow, advertised);
        match fork.is_alive() {
            true => self.ring_anew(turn, index),
            // Nobody wants it any more, and nobody has heard of it.
            false => self.fork_refuses(turn, index, 487, None),
        }
    }

    /// Where phones are reached that this call needs: for who watches over nodes.
    pub fn ways(&self) -> impl Iterator<Item = &Flow> {
        let legs = self.legs.values().filter(|leg| !leg.is_released());
        let forks = self
            .forks
            .iter()
            .filter(|fork| !fork.is_quiet())
            .map(|fork| &fork.target.flow);
        legs.map(|leg| &leg.flow).chain(forks)
    }

    /// Legs and forks whose phone cannot be reached until it comes by itself, and where it was.
    pub fn lost(&self) -> impl Iterator<Item = (LegId, Flow)> {
        let legs = self.legs.values().filter(|leg| leg.lost);
        let forks = self.forks.iter().filter(|fork| fork.lost);
        legs.map(|leg| (leg.id, leg.flow))
            .chain(forks.map(|fork| (fork.leg, fork.target.flow)))
    }

    /// A phone that was to be reached by any connection to its address has answered by this one: who goes on with the call
    /// goes on with that. A carrier has no connection of its own, and is dialled by whoever needs it.
    pub(crate) fn settle_flow(&mut self, leg: LegId, flow: Flow) {
        let settles = |target: &Target| {
            let named = (target.flow.node, target.flow.transport, target.flow.peer);
            target.flow.transport.is_reliable()
                && target.flow.connection == 0
                && target.carrier.is_none()
                && named == (flow.node, flow.transport, flow.peer)
        };
        let mut forks = self.forks.iter_mut();
        if let Some(fork) = forks.find(|fork| fork.leg == leg && settles(&fork.target)) {
            fork.target.flow = flow;
        }
    }

    /// A phone that was lost has come by this flow.
    pub(crate) fn found(&mut self, turn: &mut Turn<'_>, leg: LegId, flow: Flow) {
        if let Some(side) = self.legs.get_mut(&leg).filter(|side| side.lost) {
            side.moved(flow, flow.local);
            side.renew = Renew::Owner;
            side.refresh = Refresh::Waiting {
                retry_at_ms: turn.now_ms,
            };
        }
        let fork = self
            .forks
            .iter()
            .position(|fork| fork.leg == leg && fork.lost);
        if let Some(index) = fork {
            let target = &mut self.forks[index].target;
            (target.flow, target.advertised) = (flow, flow.local);
            self.forks[index].lost = false;
            self.question(turn, index);
        }
        self.put(Output::Commit);
        self.fire_due(turn);
    }

    /// The legs whose way is another one now.
    pub(crate) fn move_legs(&mut self, way: &impl Fn(&Flow) -> Way) -> Vec<LegId> {
        let mut moved = Vec::new();
        let legs = self.legs.values_mut().map(Box::as_mut);
        for leg in legs.chain(&mut self.strays) {
            match way(&leg.flow) {
                Way::Same => {}
                Way::Moved(flow, advertised) => {
                    leg.moved(flow, advertised);
                    moved.push(leg.id);
                }
                Way::Lost => leg.lost = true,
            }
            let asked = match &mut leg.incoming {
                Incoming::Idle => continue,
                Incoming::Asked(asked) => asked,
                Incoming::Unacked(unacked) => {
                    // The ACK of the 2xx that is repeated is to come here.
                    let contact = leg.dialog.contact.clone();
                    unacked.response.headers.set(Name::Contact, contact);
                    &mut unacked.asked
                }
            };
            if let Way::Moved(flow, _) = way(&asked.flow) {
                asked.flow = flow;
            }
        }
        let update = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.update.as_mut());
        if let Some(asked) = update
            && let Way::Moved(flow, _) = way(&asked.flow)
        {
            asked.flow = flow;
        }
        moved
    }

    /// The forks that may still answer and whose way is another one now.
    pub(crate) fn move_forks(&mut self, way: &impl Fn(&Flow) -> Way) -> Vec<usize> {
        let mut moved = Vec::new();
        for (index, fork) in self.forks.iter_mut().enumerate() {
            match way(&fork.target.flow) {
                Way::Same => {}
                Way::Moved(flow, advertised) => {
                    fork.moved(flow, advertised);
                    moved.push(index);
                }
                Way::Lost => fork.lost = fork.invite.is_some() && !fork.is_quiet(),
            }
        }
        moved
    }
}

impl Fork {
    fn moved(&mut self, flow: Flow, advertised: SocketAddr) {
        (self.target.flow, self.target.advertised) = (flow, advertised);
        let contact = contact(flow.transport, advertised);
        for dialog in self.early.iter_mut() {
            dialog.contact = contact.clone();
        }
    }
}

impl Leg {
    fn moved(&mut self, flow: Flow, advertised: SocketAddr) {
        (self.flow, self.advertised, self.lost) = (flow, advertised, false);
        self.dialog.contact = contact(flow.transport, advertised);
    }
}
