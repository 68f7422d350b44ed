use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use carillon_call::{LegId, Way};
use carillon_model::{CallId, Event, Flow, MediaServerId, NodeId, Random, Seeded, State};
use carillon_protocol::Request;
use carillon_sip::auth::Guard;
use carillon_sip::transaction::{self, ClientKey, Layer, ServerKey};

use crate::calls::Calls;
use crate::floating::Floating;
use crate::heirs::Heirs;
use crate::leave::Going;
use crate::memory::Memory;
use crate::moves::Moves;
use crate::offenders::Offenders;
use crate::proposals::Proposals;
use crate::qualify::Qualifier;
use crate::reach::Reach;
use crate::records::Records;
use crate::registrar::{Batches, Locals};
use crate::tenure::Tenure;
use crate::trunk::Trunks;
use crate::{Config, Counters, Input, Load, Notice, Output};

/// One control node's SIP brain.
pub struct Switch {
    pub(crate) config: Config,
    pub(crate) now_ms: u64,
    pub(crate) random: Seeded,
    pub(crate) state: Arc<State>,
    /// Whether calls of an earlier life of this node have been looked for.
    pub(crate) resumed: bool,
    pub(crate) tenure: Tenure,
    pub(crate) heirs: Heirs,
    /// Which node was handed a request of a dialog.
    pub(crate) trails: Memory<NodeId>,
    /// Dialogs of calls that have ended.
    pub(crate) ended: Memory<()>,
    /// Dialogs of nodes that are down and of which the replica knew nothing, and since when they are asked for.
    pub(crate) sought: Memory<u64>,
    pub(crate) going: Going,
    pub(crate) quorum: bool,
    pub(crate) transactions: Layer,
    pub(crate) guard: Guard,
    pub(crate) offenders: Offenders,
    pub(crate) calls: Calls,
    /// Whose requests of ours are on their way.
    pub(crate) clients: BTreeMap<ClientKey, Asker>,
    /// Whose requests of peers have a transaction.
    pub(crate) servers: BTreeMap<ServerKey, (CallId, LegId)>,
    pub(crate) media_up: BTreeSet<MediaServerId>,
    /// Releases of sessions of ended calls at servers that could not be reached then.
    pub(crate) unreleased: VecDeque<(MediaServerId, Request)>,
    pub(crate) moves: Moves,
    pub(crate) nodes_down: BTreeSet<NodeId>,
    pub(crate) batches: Batches,
    pub(crate) locals: Locals,
    pub(crate) proposals: Proposals,
    pub(crate) records: Records,
    pub(crate) qualifier: Qualifier,
    pub(crate) trunks: Trunks,
    pub(crate) floating: Floating,
    pub(crate) counters: Counters,
    pub(crate) outputs: VecDeque<Output>,
}

/// Who gets the response to a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Leg(CallId, LegId),
    Qualifier,
    Trunks,
}

impl Switch {
    /// A node that knows nothing yet; it takes up its work with the first [`Input::State`].
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let transactions = Layer::new(transaction::Config {
            timers: config.timers,
            transactions: config.limits.transactions,
            ..transaction::Config::default()
        });
        let state = Arc::new(State::default());
        Self {
            now_ms: 0,
            random: Seeded::new(seed),
            guard: Guard::new(state.realm()),
            state,
            resumed: false,
            tenure: Tenure::default(),
            heirs: Heirs::default(),
            trails: Memory::new(),
            ended: Memory::new(),
            sought: Memory::new(),
            going: Going::Staying,
            quorum: true,
            transactions,
            offenders: Offenders::new(),
            calls: Calls::new(),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            media_up: BTreeSet::new(),
            unreleased: VecDeque::new(),
            moves: Moves::default(),
            nodes_down: BTreeSet::new(),
            batches: Batches::new(),
            locals: Locals::default(),
            proposals: Proposals::new(),
            records: Records::new(),
            qualifier: Qualifier::new(),
            trunks: Trunks::default(),
            floating: Floating::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now_ms: u64, input: Input) {
        self.wake(now_ms);
        self.fence_trunks();
        self.fence_addresses();
        match input {
            Input::Received { flow, bytes } => self.received(flow, bytes),
            Input::State { state, events } => self.state_changed(state, &events),
            Input::Proposed { proposal, outcome } => self.proposed(proposal, outcome),
            Input::Media { server, reply } => self.media_said(server, reply),
            Input::MediaServerUp(server) => self.media_server_up(server),
            Input::MediaServerDown(server) => self.media_server_down(server),
            Input::NodeUp(node) => self.node_up(node),
            Input::NodeDown(node) => self.node_down(node),
            Input::Quorum(present) => self.quorum = present,
            Input::SendFailed { flow } => self.send_failed(flow),
            Input::FlowClosed { flow } => {
                self.send_failed(flow);
                self.flow_closed(flow);
            }
            Input::ForwardFailed { flow, bytes } => self.forward_failed(flow, bytes),
            Input::Resolved { server, ways } => self.resolved(&server, ways),
            Input::AddressHeld(holding) => self.address_held(holding),
            Input::AddressFailed(holding) => self.address_failed(holding),
            Input::AddressProbed { address, taken } => self.address_probed(address, taken),
            Input::AddressDropped(address) => self.address_dropped(address),
            Input::Drain => self.drain(),
            Input::Leave => self.leave(),
        }
        self.settle();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.wake(now_ms);
        self.tenure_due();
        self.heirs_due();
        self.moves_due();
        self.calls_due();
        self.registers_due();
        self.records_due();
        self.qualify_due();
        self.trunks_due();
        self.addresses_due();
        self.settle();
    }

    /// When [`Switch::handle_timeout`] is wanted next; sometimes earlier than it finds anything to do.
    pub fn poll_timeout(&self) -> Option<u64> {
        let speaks = !self.is_in_doubt();
        [
            self.transactions.poll_timeout().filter(|_| speaks),
            self.calls.next_ms().filter(|_| speaks),
            self.tenure.next_ms(),
            self.heirs.next_ms(),
            self.moves.next_ms().filter(|_| speaks),
            self.batches.next_ms(),
            self.proposals.next_ms(),
            self.records.next_ms(),
            self.qualifier.next_ms(),
            self.trunks.next_ms(),
            self.floating.next_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has been done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The calls that this node takes for its own.
    pub fn calls(&self) -> impl Iterator<Item = CallId> {
        self.calls.values().map(|slot| slot.call.id())
    }

    /// Whether this machine has a floating address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.floating.has(address)
    }

    /// What is held now. A draining node may stop when it holds no calls and no records.
    pub fn load(&self) -> Load {
        let transactions = self.transactions.load();
        Load {
            calls: self.calls.len(),
            transactions: transactions.servers + transactions.clients,
            proposals: self.proposals.len() - self.tenure.waiting(),
            records: self.records.len(),
        }
    }

    /// Executes what the transactions say until they say nothing more.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.transactions.poll_output() {
                self.transaction_said(output);
            }
            let due = !self.is_in_doubt()
                && self
                    .transactions
                    .poll_timeout()
                    .is_some_and(|at_ms| at_ms <= self.now_ms);
            if !due {
                break;
            }
            self.transactions.handle_timeout(self.now_ms);
        }
        self.propose_batch();
    }

    fn transaction_said(&mut self, output: transaction::Output) {
        use transaction::Output as Said;
        match output {
            Said::Send { flow, bytes } => self.put(Output::Send { flow, bytes }),
            Said::Request { key, flow, message } => self.requested(key, flow, message),
            Said::Ack { flow: _, message } => self.acknowledged(message),
            Said::Cancelled { key, cancel: _ } => {
                if let Some((call, leg)) = self.servers.get(&key).copied() {
                    self.drive(
                        call,
                        carillon_call::Input::Cancelled {
                            leg,
                            transaction: key,
                        },
                    );
                }
            }
            Said::Response { key, flow, message } => match self.clients.get(&key).copied() {
                Some(Asker::Leg(call, leg)) => {
                    let input = carillon_call::Input::Response {
                        leg,
                        transaction: key,
                        message,
                        flow,
                    };
                    self.drive(call, input);
                }
                Some(Asker::Qualifier) => self.contact_answered(key),
                Some(Asker::Trunks) => self.carrier_answered(key, &message),
                None => {}
            },
            Said::StrayResponse { flow, message } => self.stray_response(flow, message),
            Said::Failed { key, why } => match self.clients.get(&key).copied() {
                Some(Asker::Leg(call, leg)) => {
                    let input = carillon_call::Input::Failed {
                        leg,
                        transaction: key,
                        why,
                    };
                    self.drive(call, input);
                }
                Some(Asker::Qualifier) => self.contact_silent(key),
                Some(Asker::Trunks) => self.carrier_failed(key),
                None => {}
            },
            // The call has its own time limits for what it asks and answers.
            Said::ServerTimeout { key: _ } => {}
            Said::ClientEnded { key } => drop(self.clients.remove(&key)),
            Said::ServerEnded { key } => drop(self.servers.remove(&key)),
        }
    }

    fn send_failed(&mut self, flow: Flow) {
        self.transactions
            .handle_input(self.now_ms, transaction::Input::SendFailed { flow });
    }

    fn state_changed(&mut self, state: Arc<State>, events: &[Event]) {
        let before = std::mem::replace(&mut self.state, state);
        self.note_cluster_time();
        self.note_ended(&before, events);
        if self.guard.realm() != self.state.realm() {
            self.guard = Guard::new(self.state.realm());
        }
        self.tenure_due();
        // A state that comes without its events may have new trunks as well.
        let mut trunks = events.is_empty();
        let mut addresses = events.is_empty();
        for event in events {
            match event {
                Event::HangupRequested(call) => {
                    self.drive(*call, carillon_call::Input::Hangup);
                }
                Event::CallPut(call) => self.call_stored(*call),
                Event::CallEnded(call) => self.call_ended_elsewhere(*call),
                Event::BindingsChanged(endpoint) => {
                    self.contacts_changed(*endpoint);
                    self.look_for_lost(*endpoint);
                }
                Event::NodeChanged(_) => {
                    self.heirs.look_at(self.now_ms);
                    addresses = true;
                }
                Event::MediaServerChanged(_) => self.moves.look_at(self.now_ms),
                Event::ConfigChanged { .. } => trunks = true,
                Event::LeaseChanged { .. } => (trunks, addresses) = (true, true),
                Event::Initialised | Event::TrunkReported(_) | Event::SecretChanged { .. } => {}
            }
        }
        if trunks {
            self.trunks_due();
        }
        if addresses {
            self.addresses_due();
        }
    }

    pub(crate) fn put(&mut self, mut output: Output) {
        if let Output::Send { flow, .. } = &mut output {
            *flow = self.way_out(*flow);
        }
        self.counters.count(&output);
        self.outputs.push_back(output);
    }

    /// What would go by a socket of a node that has gone, or is down, goes by one of ours: one that ended just now, or hears
    /// nobody, may have handed us the request that is answered.
    fn way_out(&self, flow: Flow) -> Flow {
        let node = flow.node;
        if !self.heirs.has_gone(node) && !self.nodes_down.contains(&node) {
            return flow;
        }
        match Reach::of(&self.config, &self.floating, self.nodes_lost()).way(&flow) {
            Way::Moved(own, _) => own,
            Way::Same | Way::Lost => flow,
        }
    }

    pub(crate) fn tell(&mut self, notice: Notice) {
        self.put(Output::Notice(notice));
    }

    /// A number that nobody can guess.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random.next_u64()
    }
}
