//! The duties of a control node's shell: to wait, to hand over, and to do what the switch wants done.

use bytes::Bytes;
use carillon_cluster::{Change, ProposeError};
use carillon_model::{Command, Event, Flow, NodeId, Outcome};
use carillon_switch::{Holding, Input, Output, ProposalFailure, Switch};
use carillon_telephony::Telephony;

use super::World;
use crate::clock;
use crate::common::Letter;
use crate::network::Host;
use crate::node::{Other, sip_address};
use crate::planted::{self, Planted};

const TICK_US: u64 = 50_000;
const DUTY_INTERVAL_MS: u64 = 1_000;
const ALIVE_INTERVAL_US: u64 = 100_000;
/// A node that was not heard for so long is taken for dead.
const DEAD_AFTER_US: u64 = 700_000;

/// What one node's shell says to another's.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// A message for a call of yours.
    Received {
        flow: Flow,
        bytes: Bytes,
    },
    /// Write this to a socket of yours.
    Send {
        flow: Flow,
        bytes: Bytes,
    },
    Alive,
    /// I live, and do not hear you.
    Unheard,
}

fn number(node: NodeId) -> Option<u8> {
    u8::try_from(node.0)
        .ok()
        .filter(|number| (1..=super::NODES).contains(number))
}

impl World {
    /// A node has taken its place: its switch begins with what the cluster knows.
    pub(super) fn serve(&mut self, node: u8) {
        self.node(node).serve();
        self.machines.clear(node);
        self.commons.lock().show(format_args!("node{node} serves"));
        let Some(state) = self.state(node) else {
            return;
        };
        let events = Vec::new();
        self.input(node, Input::State { state, events });
    }

    pub(crate) fn input(&mut self, node: u8, input: Input) {
        if self.is_denied(node, &input) {
            return;
        }
        let Some(switch) = self.node(node).switch() else {
            return;
        };
        switch.handle_input(clock::now_ms(), input);
        self.execute(node);
    }

    /// A planted bug answers in the switch's place.
    fn is_denied(&mut self, node: u8, input: &Input) -> bool {
        if self.options.planted != Some(Planted::DenyUnknownCalls) {
            return false;
        }
        let (Input::Received { flow, bytes }, Some(state)) = (input, self.state(node)) else {
            return false;
        };
        let id = self.node(node).id();
        let denial = planted::denial(id, &state, bytes).filter(|_| flow.node == id);
        let denied = denial.is_some();
        if let Some(bytes) = denial {
            self.datagram(flow.local, flow.peer, bytes);
        }
        denied
    }

    /// Does what the switch of a node wants done.
    pub(super) fn execute(&mut self, node: u8) {
        while let Some(output) = self.node(node).switch().and_then(Switch::poll_output) {
            match output {
                Output::Send { flow, bytes } => {
                    let renumbers = self.options.planted == Some(Planted::RestartNumbers);
                    let id = self.node(node).id();
                    let renumbered = renumbers.then(|| planted::renumbered(id, &bytes));
                    self.send(node, flow, renumbered.flatten().unwrap_or(bytes));
                }
                Output::Forward {
                    node: to,
                    flow,
                    bytes,
                } => match number(to) {
                    Some(to) => self.say(node, to, Said::Received { flow, bytes }),
                    None => self.again(node, Input::ForwardFailed { flow, bytes }),
                },
                Output::Propose { proposal, command } => self.propose(node, proposal, command),
                Output::Media { server, request } => self.ask_media(node, server, request),
                // There are no connections over UDP.
                Output::Close { flow: _ } => {}
                // Servers are named by their addresses here.
                Output::Resolve { server: _ } => {}
                Output::HoldAddress { holding, .. } => self.hold_address(node, holding),
                Output::ProbeAddress { address } => {
                    let mut holders = self.machines.holders(address);
                    let taken = holders.any(|holder| holder != node);
                    drop(holders);
                    self.again(node, Input::AddressProbed { address, taken });
                }
                Output::DropAddress { address } => {
                    self.machines.take(address, node);
                    self.again(node, Input::AddressDropped(address));
                }
                Output::Notice(notice) => {
                    let mut common = self.commons.lock();
                    common.show(format_args!("node{node}: {notice:?}"));
                    drop(common);
                    self.oracle.noticed(&notice);
                }
            }
        }
        self.machines.asleep.remove(&node);
    }

    /// The promise of a lease: of the processes that run, never do two hold the same address.
    fn hold_address(&mut self, node: u8, holding: Holding) {
        self.machines
            .give(holding.address, node, holding.is_leased());
        let holders: Vec<u8> = self.machines.leased(holding.address).collect();
        let running = |holder: &&u8| {
            let serves = self.nodes[usize::from(**holder) - 1].serves();
            serves && !self.machines.asleep.contains(*holder)
        };
        let running: Vec<u8> = holders.iter().filter(running).copied().collect();
        self.commons.lock().show(format_args!(
            "node{node} has {} of node{}, epoch {}",
            holding.address, holding.home, holding.epoch
        ));
        self.oracle.address_held(holding.address, &running);
        self.again(node, Input::AddressHeld(holding));
    }

    /// By the socket of a floating address only where the machine has it.
    fn datagram_of(&mut self, node: u8, flow: Flow, bytes: Bytes) {
        let floats = self.machines.host_of(flow.local) != Some(Host::Node(node));
        let from = if floats {
            sip_address(node)
        } else {
            flow.local
        };
        self.datagram(from, flow.peer, bytes);
    }

    fn send(&mut self, node: u8, flow: Flow, bytes: Bytes) {
        match number(flow.node) {
            Some(own) if own == node => self.datagram_of(node, flow, bytes),
            Some(other) => self.say(node, other, Said::Send { flow, bytes }),
            None => self.again(node, Input::SendFailed { flow }),
        }
    }

    /// A failure of an output, told while outputs are being taken.
    fn again(&mut self, node: u8, input: Input) {
        if let Some(switch) = self.node(node).switch() {
            switch.handle_input(clock::now_ms(), input);
        }
    }

    fn propose(&mut self, node: u8, proposal: u64, command: Command) {
        let planted = self.options.planted;
        let Some(life) = &self.node(node).life else {
            return;
        };
        let (replica, life) = (life.replica.clone(), life.number);
        let commons = self.commons.clone();
        let hasty = planted.and_then(|planted| planted::hasty_outcome(planted, &command));
        if let Some(outcome) = hasty.clone() {
            commons.post(Letter::Proposed {
                node,
                life,
                proposal,
                outcome: Ok(outcome),
            });
        }
        self.run_at(node, async move {
            let outcome = replica.propose(command).await;
            if hasty.is_none() {
                commons.post(Letter::Proposed {
                    node,
                    life,
                    proposal,
                    outcome,
                });
            }
        });
    }

    pub(super) fn proposed(
        &mut self,
        node: u8,
        proposal: u64,
        outcome: Result<Outcome, ProposeError>,
    ) {
        let outcome = outcome.map_err(|error| match error {
            ProposeError::Unavailable | ProposeError::Stopped(_) => ProposalFailure::NoQuorum,
            ProposeError::Unknown => ProposalFailure::Timeout,
            ProposeError::Overloaded => ProposalFailure::Overload,
        });
        let ignores = self.options.planted == Some(Planted::IgnoreEpochs);
        let outcome = match ignores {
            true => outcome.map(planted::careless),
            false => outcome,
        };
        self.input(node, Input::Proposed { proposal, outcome });
    }

    pub(super) fn changed(&mut self, node: u8, change: Change<Telephony>) {
        let Change {
            state,
            at,
            events,
            missed,
        } = change;
        {
            let mut common = self.commons.lock();
            let (index, number) = (at.index, events.len());
            common.note(format_args!("node{node} applied {index} {number} {missed}"));
        }
        let id = self.node(node).id();
        let events = match missed {
            // What the switch acts on, where single events were lost.
            true => {
                let held: Vec<_> = match self.node(node).switch() {
                    Some(switch) => switch.calls().collect(),
                    None => Vec::new(),
                };
                let held = held.into_iter().map(|call| match state.has_ended(call) {
                    true => Event::CallEnded(call),
                    false => Event::CallPut(call),
                });
                let stored = state.calls_of_node(id);
                held.chain(stored.map(|call| Event::CallPut(call.id)))
                    .collect()
            }
            false => events,
        };
        self.oracle.changed(&state, &events);
        let ignores = self.options.planted == Some(Planted::IgnoreEpochs);
        let events = events
            .into_iter()
            .filter(|event| !ignores || !planted::overlooks(event))
            .collect();
        self.input(node, Input::State { state, events });
    }

    fn say(&mut self, from: u8, to: u8, said: Said) {
        let delay_us = self.commons.lock().network.delivery_us();
        let lane = self.peers.entry((from, to)).or_default();
        lane.push(clock::now_us(), delay_us, said);
    }

    pub(super) fn hear(&mut self, from: u8, to: u8, said: Said) {
        match said {
            Said::Received { flow, bytes } => self.input(to, Input::Received { flow, bytes }),
            Said::Send { flow, bytes } => {
                if self.node(to).serves() {
                    self.datagram_of(to, flow, bytes);
                }
            }
            Said::Alive => self.heard(from, to, true),
            Said::Unheard => self.heard(from, to, false),
        }
    }

    fn heard(&mut self, from: u8, to: u8, up: bool) {
        let now_us = clock::now_us();
        let id = self.node(from).id();
        let Some(other) = self
            .node(to)
            .life
            .as_mut()
            .and_then(|life| life.others.get_mut(&from))
        else {
            return;
        };
        other.heard_us = now_us;
        if other.up != Some(up) {
            other.up = Some(up);
            self.input(
                to,
                match up {
                    true => Input::NodeUp(id),
                    false => Input::NodeDown(id),
                },
            );
        }
    }

    /// What a shell looks after at intervals: the others, the quorum, the media servers, the leader's duties.
    pub(super) fn look_around(&mut self, node: u8, now_us: u64) {
        if let Some(life) = &mut self.node(node).life {
            life.next_tick_us = now_us + TICK_US;
        }
        if !self.node(node).serves() {
            return;
        }
        self.follow_media(node, now_us);
        self.look_for_others(node, now_us);
        self.look_at_quorum(node);
    }

    fn look_for_others(&mut self, node: u8, now_us: u64) {
        let Some(state) = self.state(node) else {
            return;
        };
        let all = state.nodes().values().filter_map(|known| number(known.id));
        let mut alive = Vec::new();
        let mut gone = Vec::new();
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        for number in all.filter(|number| *number != node) {
            let other = life.others.entry(number).or_insert(Other {
                heard_us: now_us,
                up: None,
                said_alive_us: 0,
            });
            if now_us - other.said_alive_us >= ALIVE_INTERVAL_US {
                other.said_alive_us = now_us;
                let said = match now_us - other.heard_us > DEAD_AFTER_US {
                    true => Said::Unheard,
                    false => Said::Alive,
                };
                alive.push((number, said));
            }
            if other.up != Some(false) && now_us - other.heard_us > DEAD_AFTER_US {
                other.up = Some(false);
                gone.push(number);
            }
        }
        for (other, said) in alive {
            self.say(node, other, said);
        }
        for other in gone {
            self.commons
                .lock()
                .show(format_args!("node{node} misses {}", Host::Node(other)));
            self.input(node, Input::NodeDown(NodeId(other.into())));
        }
    }

    fn look_at_quorum(&mut self, node: u8) {
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let status = life.replica.status();
        let changed = life.quorum != status.quorum;
        life.quorum = status.quorum;
        let now_ms = clock::now_ms();
        let leads = status.leader == Some(status.node);
        let sweeps = leads && now_ms >= life.next_sweep_ms;
        if sweeps {
            life.next_sweep_ms = now_ms + DUTY_INTERVAL_MS;
        }
        let replica = life.replica.clone();
        if changed {
            let quorum = status.quorum;
            self.commons
                .lock()
                .show(format_args!("node{node} has a quorum: {quorum}"));
            self.input(node, Input::Quorum(quorum));
        }
        if sweeps && replica.state().has_expired(now_ms) {
            self.run_at(node, async move {
                replica.propose(Command::Sweep).await.ok();
            });
        }
    }
}
