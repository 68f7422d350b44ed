//! The office: who is where, how long everything takes, and the ladder of what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use carillon_model::{
    CallRecord, Command, Flow, HistoryRow, MediaCommand, MediaServer, MediaServerId, MediaState,
    NodeId, Outcome, SipListener, SiteId, Stamp, State, Transport,
};
use carillon_protocol::{Reply, Request};
use carillon_sip::{Framing, Message};
use carillon_switch::{Config, Input, Notice, Output, ProposalFailure, Server, Switch};

use super::carrier::Carrier;
use super::machines::Machines;
use super::phone::{Phone, written};
use super::server::FakeServer;

/// How long a message, a commit and an answer of a media server take.
pub(crate) const MESSAGE_MS: u64 = 1;
/// How long a node waits for what becomes of a proposal.
const PROPOSAL_LIMIT_MS: u64 = 1_000;
const COMMIT_MS: u64 = 5;
const MEDIA_MS: u64 = 2;
/// How long a node is silent until the others say so.
const MISSED_MS: u64 = 700;

pub(crate) struct Office {
    pub(crate) now_ms: u64,
    pub(crate) state: State,
    pub(crate) index: u64,
    /// How far the clock by which commands are stamped is ahead of the nodes' own.
    pub(crate) leader_ahead_ms: u64,
    pub(crate) nodes: BTreeMap<NodeId, Switch>,
    /// Processes that are stopped, and what waits for them.
    pub(crate) stopped: BTreeMap<NodeId, (Switch, Vec<Input>)>,
    pub(crate) phones: BTreeMap<String, Phone>,
    pub(crate) media: BTreeMap<MediaServerId, FakeServer>,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(crate) ladder: String,
    pub(crate) notices: Vec<Notice>,
    pub(crate) records: Vec<CallRecord>,
    /// What becomes of proposals while there is no quorum.
    pub(crate) failing: Option<ProposalFailure>,
    /// Proposals that are lost without a word.
    pub(crate) silent_quorum: bool,
    pub(crate) proposed: usize,
    /// A node that hears nothing from the others any more, while they hear it.
    pub(crate) deaf: Option<NodeId>,
    pub(crate) carrier: Option<Carrier>,
    /// Names that a node wanted to have looked up.
    pub(crate) resolved: Vec<Server>,
    pub(crate) machines: Machines,
}

pub(crate) enum Event {
    ToNode(NodeId, Input),
    ToPhone {
        name: String,
        by: NodeId,
        bytes: Bytes,
    },
    Commit {
        node: NodeId,
        proposal: u64,
        command: Box<Command>,
    },
    Lost {
        node: NodeId,
        proposal: u64,
        why: ProposalFailure,
    },
}

pub(crate) fn sip_address(node: u64) -> SocketAddr {
    format!("10.1.0.{node}:5060").parse().unwrap()
}

pub(crate) fn listeners(node: u64) -> Vec<SipListener> {
    [Transport::Udp, Transport::Tcp]
        .map(|transport| SipListener {
            transport,
            address: sip_address(node),
        })
        .to_vec()
}

impl Office {
    /// Nodes 1 to `nodes`, one media server, nobody registered. alice is 101, bob 102, carol 103.
    pub(crate) fn new(nodes: u64) -> Self {
        Self::with(nodes, |_| {})
    }

    pub(crate) fn with(nodes: u64, change: impl Fn(&mut Config)) -> Self {
        let mut office = Self {
            now_ms: 1_795_000_000_000,
            state: State::default(),
            index: 0,
            leader_ahead_ms: 0,
            nodes: BTreeMap::new(),
            stopped: BTreeMap::new(),
            phones: BTreeMap::new(),
            media: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            ladder: String::new(),
            notices: Vec::new(),
            records: Vec::new(),
            failing: None,
            silent_quorum: false,
            proposed: 0,
            deaf: None,
            carrier: None,
            resolved: Vec::new(),
            machines: Machines::default(),
        };
        for number in 1..=nodes {
            let mut config = Config::new(NodeId(number), listeners(number));
            config.first_connection = 1;
            change(&mut config);
            office.machines.floats(NodeId(number), config.floating);
            office
                .nodes
                .insert(NodeId(number), Switch::new(config, [number as u8; 32]));
        }
        office.furnish(nodes);
        office.tell_everybody(Vec::new());
        office.add_media_server(1);
        office.run(10);
        office.ladder();
        office
    }

    pub(crate) fn add_media_server(&mut self, number: u32) {
        let control = format!("10.2.0.{number}:7500").parse().unwrap();
        self.apply(&Command::Media(MediaCommand::Put(MediaServer {
            id: MediaServerId(number),
            name: format!("m{number}"),
            site: SiteId(1),
            control,
            address: control.ip(),
            address_v6: None,
            weight: 10,
            ports: (10_000, 20_000),
            state: MediaState::Active,
        })));
        self.media
            .insert(MediaServerId(number), FakeServer::default());
        self.tell_everybody(Vec::new());
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.input(node, Input::MediaServerUp(MediaServerId(number)));
        }
    }

    /// A phone of a user at a node.
    pub(crate) fn place(&mut self, username: &str, node: u64) {
        let number = 10 + self.phones.len();
        let address = format!("10.3.0.{number}:5060").parse().unwrap();
        let phone = Phone::new(username, NodeId(node), sip_address(node), address);
        self.phones.insert(username.to_owned(), phone);
    }

    /// alice at node 1 and bob at the last node, both registered.
    pub(crate) fn with_alice_and_bob(nodes: u64) -> Self {
        let mut office = Self::new(nodes);
        office.settle_in(nodes);
        office
    }

    pub(crate) fn settle_in(&mut self, nodes: u64) {
        self.place("alice", 1);
        self.place("bob", nodes);
        self.register("alice");
        self.register("bob");
        self.run(100);
        self.ladder();
    }

    pub(crate) fn phone(&mut self, name: &str) -> &mut Phone {
        self.phones.get_mut(name).unwrap()
    }

    pub(crate) fn node(&self, number: u64) -> &Switch {
        &self.nodes[&NodeId(number)]
    }

    /// Octets that need not be a message.
    pub(crate) fn throw(&mut self, node: u64, peer: &str, octets: &[u8]) -> Vec<String> {
        let flow = Flow {
            node: NodeId(node),
            transport: Transport::Udp,
            local: sip_address(node),
            peer: peer.parse().unwrap(),
            connection: 0,
        };
        let bytes = Bytes::copy_from_slice(octets);
        let now_ms = self.now_ms;
        let switch = self.nodes.get_mut(&NodeId(node)).unwrap();
        switch.handle_input(now_ms, Input::Received { flow, bytes });
        let mut sent = Vec::new();
        while let Some(output) = switch.poll_output() {
            match output {
                Output::Send { bytes, .. } => {
                    sent.push(String::from_utf8_lossy(&bytes).into_owned())
                }
                Output::Notice(notice) => self.notices.push(notice),
                Output::Forward { .. }
                | Output::Propose { .. }
                | Output::Media { .. }
                | Output::Resolve { .. }
                | Output::HoldAddress { .. }
                | Output::DropAddress { .. }
                | Output::ProbeAddress { .. }
                | Output::Close { .. } => {}
            }
        }
        sent
    }

    // The world.

    pub(crate) fn input(&mut self, node: NodeId, input: Input) {
        let now_ms = self.now_ms;
        self.nodes
            .get_mut(&node)
            .unwrap()
            .handle_input(now_ms, input);
        self.carry_out(node);
    }

    /// Lets everything happen that happens within this time.
    pub(crate) fn run(&mut self, duration_ms: u64) {
        let end_ms = self.now_ms + duration_ms;
        loop {
            let event_ms = self.events.keys().next().map(|(at_ms, _)| *at_ms);
            let timer = self
                .nodes
                .iter()
                .filter_map(|(node, switch)| Some((switch.poll_timeout()?, *node)))
                .min();
            let next_ms = event_ms
                .into_iter()
                .chain(timer.map(|(at_ms, _)| at_ms))
                .min();
            let Some(at_ms) = next_ms.filter(|at_ms| *at_ms <= end_ms) else {
                break;
            };
            self.now_ms = self.now_ms.max(at_ms);
            match timer {
                Some((timer_ms, node)) if event_ms.is_none_or(|event_ms| timer_ms < event_ms) => {
                    let now_ms = self.now_ms;
                    self.nodes.get_mut(&node).unwrap().handle_timeout(now_ms);
                    self.carry_out(node);
                }
                Some(_) | None => {
                    let (_, event) = self.events.pop_first().unwrap();
                    self.happen(event);
                }
            }
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToNode(node, input) if self.nodes.contains_key(&node) => self.input(node, input),
            Event::ToNode(node, input) => {
                if let Some((_, waiting)) = self.stopped.get_mut(&node) {
                    waiting.push(input);
                }
            }
            Event::ToPhone { name, by, bytes } => {
                let message = Message::parse(&bytes, Framing::Datagram).unwrap();
                let phone = self.phones.get_mut(&name).unwrap();
                for reaction in phone.react(by, &message) {
                    // What answers goes back to where the request came from.
                    match reaction.is_request() {
                        true => self.say(&name, reaction),
                        false => self.say_to(&name, by, reaction),
                    }
                }
            }
            Event::Commit {
                node,
                proposal,
                command,
            } => {
                let outcome = self.commit(&command);
                if self.deaf == Some(node) {
                    let why = ProposalFailure::Timeout;
                    let lost = Event::Lost {
                        node,
                        proposal,
                        why,
                    };
                    self.after(PROPOSAL_LIMIT_MS, lost);
                } else if self.nodes.contains_key(&node) {
                    self.input(
                        node,
                        Input::Proposed {
                            proposal,
                            outcome: Ok(outcome),
                        },
                    );
                }
            }
            Event::Lost {
                node,
                proposal,
                why,
            } => {
                if self.nodes.contains_key(&node) {
                    self.input(
                        node,
                        Input::Proposed {
                            proposal,
                            outcome: Err(why),
                        },
                    );
                }
            }
        }
    }

    /// What a leader stamps into the next command.
    fn stamp(&mut self) -> Stamp {
        self.index += 1;
        Stamp {
            index: self.index,
            now_ms: self.now_ms + self.leader_ahead_ms,
        }
    }

    pub(crate) fn commit(&mut self, command: &Command) -> Outcome {
        let at = self.stamp();
        let applied = self.state.apply(at, command);
        self.records.extend(applied.history.iter().map(read_record));
        self.tell_everybody(applied.events);
        applied.outcome
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        let at = self.stamp();
        self.state.apply(at, command).outcome
    }

    pub(crate) fn tell_everybody(&mut self, events: Vec<carillon_model::Event>) {
        let state = Arc::new(self.state.clone());
        let deaf = self.deaf;
        let hears = self
            .nodes
            .keys()
            .copied()
            .filter(|node| deaf != Some(*node));
        for node in hears.collect::<Vec<_>>() {
            self.input(
                node,
                Input::State {
                    state: state.clone(),
                    events: events.clone(),
                },
            );
        }
        for (_, waiting) in self.stopped.values_mut() {
            waiting.push(Input::State {
                state: state.clone(),
                events: events.clone(),
            });
        }
    }

    // Faults.

    /// The process of a node ends where it stands, and after a while the others notice.
    pub(crate) fn kill(&mut self, node: u64) {
        self.nodes.remove(&NodeId(node));
        self.miss(node);
    }

    /// The process of a node is stopped; it does not know.
    pub(crate) fn stop(&mut self, node: u64) {
        let switch = self.nodes.remove(&NodeId(node)).unwrap();
        self.stopped.insert(NodeId(node), (switch, Vec::new()));
        self.miss(node);
    }

    /// It goes on: its timers come first, then what has come meanwhile.
    pub(crate) fn go_on(&mut self, node: u64) {
        let id = NodeId(node);
        let (mut switch, waiting) = self.stopped.remove(&id).unwrap();
        switch.handle_timeout(self.now_ms);
        self.nodes.insert(id, switch);
        self.carry_out(id);
        let (messages, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|input| matches!(input, Input::Received { .. }));
        for input in messages.into_iter().chain(rest) {
            self.input(id, input);
        }
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id {
                self.input(other, Input::NodeUp(id));
            }
        }
    }

    fn miss(&mut self, node: u64) {
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            let input = Input::NodeDown(NodeId(node));
            self.after(MISSED_MS, Event::ToNode(other, input));
        }
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: Event) {
        self.sequence += 1;
        self.events
            .insert((self.now_ms + delay_ms, self.sequence), event);
    }

    fn carry_out(&mut self, node: NodeId) {
        while let Some(output) = self.nodes.get_mut(&node).unwrap().poll_output() {
            match output {
                Output::Send { flow, bytes } => self.send(node, flow, bytes),
                Output::Forward {
                    node: to,
                    flow,
                    bytes,
                } => {
                    self.ladder
                        .push_str(&format!("n{node} => n{to}: {}\n", written(&bytes)));
                    self.after(
                        MESSAGE_MS,
                        Event::ToNode(to, Input::Received { flow, bytes }),
                    );
                }
                Output::Propose { proposal, command } => self.propose(node, proposal, command),
                Output::Media { server, request } => self.media_request(node, server, request),
                Output::Close { .. } => {}
                Output::Resolve { server } => self.resolved.push(server),
                Output::HoldAddress {
                    holding,
                    listeners,
                    announce: _,
                    until_ms,
                } => self.hold_address(node, holding, &listeners, until_ms),
                Output::DropAddress { address } => self.drop_address(node, address),
                Output::ProbeAddress { address } => self.probe_address(node, address),
                Output::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn send(&mut self, node: NodeId, flow: Flow, bytes: Bytes) {
        if let Some(carrier) = self
            .carrier
            .as_mut()
            .filter(|carrier| carrier.address == flow.peer)
        {
            if let Some(bytes) = carrier.hear(self.now_ms, flow.node, &bytes) {
                let answer = Input::Received { flow, bytes };
                self.after(2 * MESSAGE_MS, Event::ToNode(flow.node, answer));
            }
            return;
        }
        let found = self
            .phones
            .values()
            .find(|phone| phone.address == flow.peer);
        let Some(name) = found.map(|phone| phone.name.clone()) else {
            return;
        };
        let by = if flow.node == node {
            format!("n{node}")
        } else {
            format!("n{node} by n{}", flow.node)
        };
        self.ladder
            .push_str(&format!("{by} -> {name}: {}\n", written(&bytes)));
        let by = flow.node;
        self.after(MESSAGE_MS, Event::ToPhone { name, by, bytes });
    }

    fn propose(&mut self, node: NodeId, proposal: u64, command: Command) {
        self.proposed += usize::from(!matches!(command, Command::Lease(_)));
        match self.failing {
            _ if self.silent_quorum => {}
            Some(why) => self.after(
                COMMIT_MS,
                Event::Lost {
                    node,
                    proposal,
                    why,
                },
            ),
            None => {
                let command = Box::new(command);
                self.after(
                    COMMIT_MS,
                    Event::Commit {
                        node,
                        proposal,
                        command,
                    },
                );
            }
        }
    }

    fn media_request(&mut self, node: NodeId, id: MediaServerId, request: Request) {
        let server = self.media.get_mut(&id).unwrap();
        if let Some(reply) = server.take(id, request) {
            self.after(
                MEDIA_MS,
                Event::ToNode(node, Input::Media { server: id, reply }),
            );
        }
    }

    pub(crate) fn media_says(&mut self, node: u64, server: u32, reply: Reply) {
        self.input(
            NodeId(node),
            Input::Media {
                server: MediaServerId(server),
                reply,
            },
        );
        self.run(50);
    }

    /// What was said since the last time.
    pub(crate) fn ladder(&mut self) -> String {
        std::mem::take(&mut self.ladder)
    }

    /// All calls are over, nothing is left anywhere.
    pub(crate) fn assert_quiet(&mut self) {
        self.run(70_000);
        for (node, switch) in &self.nodes {
            let load = switch.load();
            assert_eq!(load, carillon_switch::Load::default(), "node {node}");
        }
        assert!(self.state.calls().is_empty(), "calls are stored");
        for (id, server) in &self.media {
            assert!(
                server.sessions.is_empty(),
                "media server {id} holds {:?}",
                server.sessions
            );
        }
        let calls: BTreeSet<_> = self.records.iter().map(|record| record.call).collect();
        assert_eq!(calls.len(), self.records.len(), "one record a call");
    }

    /// How the only call so far ended.
    pub(crate) fn record(&self) -> String {
        let [record] = self.records.as_slice() else {
            panic!("{} records", self.records.len())
        };
        format!(
            "{} -> {}: {:?} {}/{}, {} ms",
            record.caller.number,
            record.callee.number,
            record.status,
            record.cause.sip,
            record.cause.q850,
            record.duration_ms
        )
    }
}

fn read_record(row: &HistoryRow) -> CallRecord {
    HistoryRow::read_call_record(&row.value).unwrap()
}
