//! The one task that owns the switch: waits for whatever happens next, hands it over, does what comes out.

mod addresses;
mod observe;
mod trunks;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use carillon_cluster::{Administration, Change, Changes, Cluster, ProposeError};
use carillon_model::{Command, Event, Outcome, State, Transport};
use carillon_switch::{Input, Output, ProposalFailure, Server, ServerWay, Switch};
use carillon_telephony::Telephony;
use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep_until};

use crate::addresses::Addresses;
use crate::brain::observe::Observer;
use crate::clock::Clock;
use crate::limits::{LOOK_UPS_MAX, PROPOSALS_MAX};
use crate::media::{self, MediaEvent, MediaServers};
use crate::peers::{Peers, Presence};
use crate::resolve::Resolver;
use crate::sockets::{Inbound, Sockets};

/// Messages taken from the queue at a time.
const MESSAGES_PER_TURN: usize = 64;
/// How often the brain looks at its quorum, its peers and its clocks.
const TICK: Duration = Duration::from_millis(50);
/// Between two wake-ups for what is due: a call leaves a dozen deadlines behind, most of which find nothing to do any more, and those of
/// many calls are looked at together.
const TIMEOUT_INTERVAL: Duration = Duration::from_millis(10);
/// Between two looks of the leader at what is to be done for all.
const DUTY_INTERVAL_MS: u64 = 2_000;

/// What happens next.
enum Action {
    Received(Vec<Inbound>),
    Changed(Change<Telephony>),
    Proposed(Proposed),
    Resolved(Server, Vec<ServerWay>),
    Media(MediaEvent),
    Address(Input),
    Timeout,
    Tick,
    Drain,
    Leave,
    Stop,
}

struct Proposed {
    proposal: u64,
    outcome: Result<Outcome, ProposalFailure>,
}

/// What the rest of the process may ask of the brain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Drain,
    Leave,
    Stop,
}

/// Numbers for the rest of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// Calls that this node owns.
    pub calls: usize,
    /// Records of ended calls that are not committed yet.
    pub records: usize,
}

/// Everything that the brain works with.
pub(crate) struct Parts {
    pub(crate) switch: Switch,
    pub(crate) clock: Clock,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) inbound: mpsc::Receiver<Inbound>,
    pub(crate) cluster: Cluster<Telephony>,
    pub(crate) peers: Peers,
    pub(crate) media: MediaServers,
    pub(crate) media_events: mpsc::Receiver<MediaEvent>,
    pub(crate) addresses: Addresses,
    pub(crate) addresses_said: mpsc::Receiver<Input>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) live: watch::Sender<Live>,
}

pub(crate) struct Brain {
    switch: Switch,
    clock: Clock,
    sockets: Arc<Sockets>,
    inbound: mpsc::Receiver<Inbound>,
    cluster: Cluster<Telephony>,
    changes: Changes<Telephony>,
    proposed: mpsc::Receiver<Proposed>,
    propose: mpsc::Sender<Proposed>,
    resolver: Option<Resolver>,
    resolve: mpsc::Sender<(Server, Vec<ServerWay>)>,
    resolved: mpsc::Receiver<(Server, Vec<ServerWay>)>,
    peers: Peers,
    media: MediaServers,
    media_events: mpsc::Receiver<MediaEvent>,
    addresses: Addresses,
    addresses_said: mpsc::Receiver<Input>,
    orders: mpsc::Receiver<Order>,
    observer: Observer,
    tick: Interval,
    /// When the switch was last told that time has passed.
    timed_out: Instant,
    /// Until when the switch has nothing to do. Kept, because a new one costs the runtime a wake-up.
    due: Pin<Box<Sleep>>,
    quorum: bool,
    next_sweep_ms: u64,
    next_announcement_ms: u64,
}

impl Brain {
    pub(crate) fn new(parts: Parts) -> Self {
        let (propose, proposed) = mpsc::channel(PROPOSALS_MAX);
        let (resolve, resolved) = mpsc::channel(LOOK_UPS_MAX);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changes = parts.cluster.changes();
        let observer = Observer::new(parts.sockets.metrics.clone(), parts.live);
        Self {
            switch: parts.switch,
            clock: parts.clock,
            sockets: parts.sockets,
            inbound: parts.inbound,
            cluster: parts.cluster,
            changes,
            proposed,
            propose,
            resolver: None,
            resolve,
            resolved,
            peers: parts.peers,
            media: parts.media,
            media_events: parts.media_events,
            addresses: parts.addresses,
            addresses_said: parts.addresses_said,
            orders: parts.orders,
            observer,
            tick,
            timed_out: Instant::now(),
            due: Box::pin(sleep_until(Instant::now())),
            quorum: true,
            next_sweep_ms: 0,
            next_announcement_ms: 0,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        let state = self.cluster.state();
        self.learn(state, Vec::new());
        loop {
            match self.select().await {
                Action::Stop => break,
                action => self.apply(action),
            }
        }
        self.addresses.stop().await;
        self.peers.leave();
    }

    /// Waits for what happens next. What was decided elsewhere goes before what comes from outside.
    async fn select(&mut self) -> Action {
        let deadline = self
            .switch
            .poll_timeout()
            .map(|at_ms| self.clock.instant(at_ms))
            .map(|at| at.max(self.timed_out + TIMEOUT_INTERVAL));
        if let Some(at) = deadline
            && at != self.due.deadline()
        {
            self.due.as_mut().reset(at);
        }
        let mut received = Vec::new();
        tokio::select! {
            biased;
            order = self.orders.recv() => match order {
                Some(Order::Drain) => Action::Drain,
                Some(Order::Leave) => Action::Leave,
                Some(Order::Stop) | None => Action::Stop,
            },
            change = self.changes.next() => match change {
                Some(change) => Action::Changed(change),
                None => Action::Stop,
            },
            Some(proposed) = self.proposed.recv() => Action::Proposed(proposed),
            Some(event) = self.media_events.recv() => Action::Media(event),
            Some(said) = self.addresses_said.recv() => Action::Address(said),
            Some((server, ways)) = self.resolved.recv() => Action::Resolved(server, ways),
            () = self.due.as_mut(), if deadline.is_some() => Action::Timeout,
            _ = self.tick.tick() => Action::Tick,
            _ = self.inbound.recv_many(&mut received, MESSAGES_PER_TURN) => Action::Received(received),
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Received(received) => {
                for inbound in received {
                    self.receive(inbound);
                }
            }
            Action::Changed(change) => self.changed(change),
            Action::Proposed(Proposed { proposal, outcome }) => {
                // The commit was published before its outcome was told: the switch sees it first.
                while let Some(Some(change)) = self.changes.next().now_or_never() {
                    self.changed(change);
                }
                self.input(Input::Proposed { proposal, outcome });
            }
            Action::Media(event) => self.media_said(event),
            Action::Address(said) => self.input(said),
            Action::Resolved(server, ways) => self.input(Input::Resolved { server, ways }),
            Action::Timeout => {
                self.timed_out = Instant::now();
                self.switch.handle_timeout(self.clock.now_ms());
                self.drain();
            }
            Action::Tick => self.look_around(),
            Action::Drain => self.input(Input::Drain),
            Action::Leave => {
                self.peers.leave();
                self.input(Input::Leave);
            }
            Action::Stop => {}
        }
    }

    fn media_said(&mut self, event: MediaEvent) {
        let input = match event {
            MediaEvent::Up(server) => Input::MediaServerUp(server),
            MediaEvent::Down(server, silent) => {
                self.observer.server_lost(server, silent);
                Input::MediaServerDown(server)
            }
            MediaEvent::Reply(server, reply) => Input::Media { server, reply },
        };
        self.input(input);
    }

    fn receive(&mut self, inbound: Inbound) {
        self.input(match inbound {
            Inbound::Message { flow, bytes } => Input::Received { flow, bytes },
            Inbound::Closed { flow } => Input::FlowClosed { flow },
            Inbound::SendFailed { flow } => Input::SendFailed { flow },
        });
    }

    fn changed(&mut self, change: Change<Telephony>) {
        let events = match change.missed {
            true => self.everything(&change.state),
            false => change.events,
        };
        self.learn(change.state, events);
    }

    /// What the switch acts on, where single events were lost: the calls of this node, and those that it takes for its
    /// own.
    fn everything(&self, state: &State) -> Vec<Event> {
        let stored = state.calls_of_node(self.sockets.node);
        let held = self.switch.calls().map(|call| match state.has_ended(call) {
            true => Event::CallEnded(call),
            false => Event::CallPut(call),
        });
        let stored = stored.map(|call| Event::CallPut(call.id));
        let servers = state.media_servers().values();
        let servers = servers.map(|server| Event::MediaServerChanged(server.id));
        held.chain(stored).chain(servers).collect()
    }

    fn learn(&mut self, state: Arc<State>, events: Vec<Event>) {
        self.input(Input::State { state, events });
    }

    fn input(&mut self, input: Input) {
        self.switch.handle_input(self.clock.now_ms(), input);
        self.drain();
    }

    /// Does what the switch wants done.
    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { flow, bytes } if flow.node == self.sockets.node => {
                    if self.sockets.send(&flow, bytes).is_err() {
                        self.again(Input::SendFailed { flow });
                    }
                }
                Output::Send { flow, bytes } => {
                    if !self.peers.send(flow, bytes) {
                        self.again(Input::SendFailed { flow });
                    }
                }
                Output::Forward { node, flow, bytes } => {
                    if let Err(bytes) = self.peers.forward(node, flow, bytes) {
                        self.again(Input::ForwardFailed { flow, bytes });
                    }
                }
                Output::Propose { proposal, command } => self.propose(proposal, command),
                Output::Media { server, request } => self.media.request(server, request),
                Output::Close { flow } if flow.node == self.sockets.node => {
                    self.sockets.close(&flow)
                }
                Output::Close { flow } => self.peers.close(flow),
                Output::Resolve { server } => self.look_up(server),
                Output::HoldAddress {
                    holding,
                    listeners,
                    announce,
                    until_ms,
                } => {
                    let ordered = self.addresses.hold(holding, listeners, announce, until_ms);
                    if let Err(failed) = ordered {
                        self.again(Input::AddressFailed(failed));
                    }
                }
                Output::DropAddress { address } => self.addresses.drop_address(address),
                Output::ProbeAddress { address } => self.addresses.probe(address),
                Output::Notice(notice) => self.observer.notice(&notice, &self.sockets),
            }
        }
    }

    /// A failure of an output, told while outputs are being taken: what follows from it comes after them.
    fn again(&mut self, input: Input) {
        self.switch.handle_input(self.clock.now_ms(), input);
    }

    fn propose(&mut self, proposal: u64, command: Command) {
        let spans = self.observer.proposing(&command);
        let cluster = self.cluster.clone();
        let answer = self.propose.clone();
        let proposing = async move {
            let outcome = cluster.propose(command).await.map_err(failure);
            drop(spans);
            // Fails only when the brain has stopped.
            let _ = answer.send(Proposed { proposal, outcome }).await;
        };
        tokio::spawn(proposing);
    }

    /// Looks a carrier's name up; the answer comes back as an input.
    fn look_up(&mut self, server: Server) {
        if self.resolver.is_none() {
            self.resolver = Resolver::of_system()
                .inspect_err(|error| tracing::warn!(%error, "no name server"))
                .ok();
        }
        let Some(resolver) = self.resolver.clone() else {
            return;
        };
        let answer = self.resolve.clone();
        let sockets = Arc::clone(&self.sockets);
        tokio::spawn(async move {
            let named = crate::resolve::Server {
                host: server.host.clone(),
                port: server.port,
                transport: server.transport,
                secure: server.transport.is_some_and(Transport::is_secure),
            };
            let ways = resolver.resolve(&named).await;
            for way in ways.iter().filter(|way| way.transport.is_secure()) {
                sockets.tls.expect(way.address, &server.host);
            }
            let ways = ways.into_iter().map(|target| ServerWay {
                transport: target.transport,
                address: target.address,
            });
            // Fails only when the brain has stopped.
            let _ = answer.send((server, ways.collect())).await;
        });
    }

    fn look_around(&mut self) {
        let state = self.cluster.state();
        let administration = self.cluster.administration();
        self.media.follow(&state, &administration);
        for presence in self.peers.look_around(&state) {
            tracing::info!(?presence, "another node");
            self.input(match presence {
                Presence::Up(node) => Input::NodeUp(node),
                Presence::Down(node) => Input::NodeDown(node),
            });
        }
        let status = self.cluster.status();
        if status.quorum != self.quorum {
            self.quorum = status.quorum;
            tracing::warn!(quorum = status.quorum, "the cluster's quorum");
            self.input(Input::Quorum(status.quorum));
        }
        if status.leader == Some(status.node) {
            self.sweep(&state);
            self.announce_media(&state, &administration);
        }
        self.observer.look(&self.switch, &state, &self.sockets);
    }

    /// The leader takes away what has expired.
    fn sweep(&mut self, state: &State) {
        let now_ms = self.clock.now_ms();
        if now_ms < self.next_sweep_ms {
            return;
        }
        self.next_sweep_ms = now_ms + DUTY_INTERVAL_MS;
        if state.has_expired(now_ms) {
            self.propose_in_background(Command::Sweep);
        }
    }

    /// A media server that was let in cannot propose: the leader does it in its place, once.
    fn announce_media(&mut self, state: &State, administration: &Administration) {
        let now_ms = self.clock.now_ms();
        if now_ms < self.next_announcement_ms {
            return;
        }
        for command in media::unannounced(state, administration) {
            // Once it is committed it is announced; until then it need not be said again.
            self.next_announcement_ms = now_ms + DUTY_INTERVAL_MS;
            self.propose_in_background(command);
        }
    }

    fn propose_in_background(&self, command: Command) {
        let cluster = self.cluster.clone();
        tokio::spawn(async move {
            if let Err(error) = cluster.propose(command).await {
                tracing::debug!(%error, "a duty of the leader was not done");
            }
        });
    }
}

fn failure(error: ProposeError) -> ProposalFailure {
    match error {
        ProposeError::Unavailable | ProposeError::Stopped(_) => ProposalFailure::NoQuorum,
        ProposeError::Unknown => ProposalFailure::Timeout,
        ProposeError::Overloaded => ProposalFailure::Overload,
    }
}
