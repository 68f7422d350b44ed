//! All machines, one thread, virtual time.

mod death;
mod pump;
mod shell;
mod streams;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use carillon_cluster::{ProposeError, Role, Runtime};
use carillon_model::{Command, Outcome, State};
use openraft_rt_sim::SimRuntime;

use crate::carrier::Carrier;
use crate::common::{Commons, Letter};
use crate::lane::Lane;
use crate::machines::Machines;
use crate::media::MediaServer;
use crate::network::{Host, Network, Weather};
use crate::node::{ControlNode, Death, member, sip_address};
use crate::oracle::Oracle;
use crate::phone::Phone;
use crate::trace::Trace;
use crate::transport::{SimReplica, raft_id};
use crate::{Dice, Planted, clock, company};
use shell::Said;

/// Control nodes of a world.
pub(crate) const NODES: u8 = 3;
/// Media servers of a world.
pub(crate) const MEDIA_SERVERS: u8 = 2;
/// Phones of a world.
pub(crate) const PHONES: u8 = 4;

/// Coming up in fair weather.
const FIRST_LIGHT_MS: u64 = 20_000;

/// What went against what was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub what: String,
    /// When, in microseconds since the world began.
    pub at_us: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.at_us / 1_000_000, self.at_us % 1_000_000);
        write!(f, "at {seconds}.{rest:06} s: {}", self.what)
    }
}

impl std::error::Error for Failure {}

/// Whether everything went as promised.
pub type Verdict = Result<(), Failure>;

/// A failure now.
pub(crate) fn failure(what: fmt::Arguments<'_>) -> Failure {
    Failure {
        what: what.to_string(),
        at_us: clock::now_us(),
    }
}

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err($crate::world::failure(format_args!($($what)+)));
        }
    };
}
pub(crate) use ensure;

/// How a world is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Tell what happens.
    pub shown: bool,
    /// A bug that is to be found.
    pub planted: Option<Planted>,
}

/// A datagram on its way.
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) octets: Bytes,
}

/// A write of an administrator, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write(usize);

/// What became of a write.
#[derive(Default)]
pub(super) struct Pending {
    /// The user that it makes.
    user: Option<String>,
    outcome: Option<Result<Outcome, ProposeError>>,
}

/// A cluster with its phones.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) commons: Commons,
    pub(crate) options: Options,
    pub(crate) nodes: Vec<ControlNode>,
    pub(crate) media: Vec<MediaServer>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) carrier: Carrier,
    pub(crate) oracle: Oracle,
    pub(crate) machines: Machines,
    /// By their time of arrival, then in the order in which they were sent.
    air: BTreeMap<(u64, u64), Datagram>,
    sent: u64,
    peers: BTreeMap<(u8, u8), Lane<Said>>,
    streams_opened: u64,
    writes: Vec<Pending>,
}

impl World {
    /// Everything is off.
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let network = Network::new(Dice::new(seed, "network"));
        let commons = Commons::new(network, Trace::new(options.shown));
        let nodes = (1..=NODES).map(|number| {
            let dice = Dice::new(seed, &format!("node {number}"));
            ControlNode::new(number, dice, options.planted)
        });
        let phones = (1..=PHONES).map(|number| {
            let dice = Dice::new(seed, &format!("phone {number}"));
            Phone::new(number, sip_address(1 + number % NODES), dice)
        });
        Self {
            dice: Dice::new(seed, "story"),
            commons,
            options,
            nodes: nodes.collect(),
            media: (1..=MEDIA_SERVERS).map(MediaServer::new).collect(),
            phones: phones.collect(),
            carrier: Carrier::default(),
            oracle: Oracle::default(),
            machines: Machines::default(),
            air: BTreeMap::new(),
            sent: 0,
            peers: BTreeMap::new(),
            streams_opened: 0,
            writes: Vec::new(),
        }
    }

    /// Founds the cluster and its company, in fair weather.
    pub(crate) async fn light(&mut self) -> Verdict {
        for number in 1..=NODES {
            self.start(number).await?;
        }
        let members = (1..=NODES).map(|number| (raft_id(number), member(number)));
        let founder = self.replica(1).cloned().expect("started just now");
        let founded = founder.initialize(members.collect()).await;
        ensure!(founded.is_ok(), "founding: {founded:?}");
        for command in company::first_commands() {
            let write = self.write(1, command);
            self.until("the company is founded", FIRST_LIGHT_MS, |world| {
                world.outcome(write).is_some()
            })
            .await?;
            let outcome = self.outcome(write);
            let refused = matches!(
                outcome,
                None | Some(Err(_) | Ok(Outcome::Rejected(_) | Outcome::ImportRejected(_)))
            );
            ensure!(!refused, "founding the company: {outcome:?}");
        }
        self.until("everything is up", FIRST_LIGHT_MS, Self::is_up)
            .await
    }

    /// Every node serves and has all media servers.
    pub(crate) fn is_up(&mut self) -> bool {
        self.nodes.iter().all(|node| {
            node.serves()
                && node.life.as_ref().is_some_and(|life| {
                    life.media.len() == usize::from(MEDIA_SERVERS)
                        && life.media.values().all(|link| link.stream.is_some())
                })
        })
    }

    /// Starts a node that is off.
    pub(crate) async fn start(&mut self, node: u8) -> Verdict {
        let commons = self.commons.clone();
        let started = self.node(node).start(&commons).await;
        started.map_err(|error| failure(format_args!("starting node {node}: {error:#}")))
    }

    /// Cuts all nodes' power at once.
    pub(crate) fn cut_power(&mut self) {
        for node in 1..=NODES {
            self.die(node, Death::Power);
        }
    }

    /// Starts whatever is off, and lets go on what is stopped.
    pub(crate) async fn restore_power(&mut self) -> Verdict {
        for node in 1..=NODES {
            if self.node(node).life.is_none() {
                self.start(node).await?;
            }
            self.resume(node);
        }
        for server in 1..=MEDIA_SERVERS {
            self.start_media(server);
        }
        Ok(())
    }

    /// The weather outside and inside of the cluster.
    pub(crate) fn weather(&mut self, outside: Weather, inside: Weather) {
        let mut common = self.commons.lock();
        common.show(format_args!("weather: {outside:?}, inside {inside:?}"));
        common.network.outside = outside;
        common.network.inside = inside;
    }

    /// As bad as the seed wants it, everywhere.
    pub(crate) fn rough_weather(&mut self) {
        let outside = Weather::rough(&mut self.dice);
        let inside = Weather::rough_inside(&mut self.dice);
        self.weather(outside, inside);
    }

    /// Nothing gets from one to the other.
    pub(crate) fn cut_one_way(&mut self, from: Host, to: Host) {
        let mut common = self.commons.lock();
        common.show(format_args!("nothing gets from {from} to {to}"));
        common.network.cut_one_way(from, to);
    }

    /// Nothing gets either way.
    pub(crate) fn cut(&mut self, one: Host, other: Host) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Ends all faults of the network.
    pub(crate) fn calm(&mut self) {
        self.weather(Weather::CALM, Weather::CALM);
        let mut common = self.commons.lock();
        common.show(format_args!("the network is whole"));
        common.network.heal();
    }

    /// An administrator asks node `node` for this.
    pub(crate) fn write(&mut self, node: u8, command: Command) -> Write {
        let write = Write(self.writes.len());
        self.writes.push(Pending::default());
        let Some(replica) = self.replica(node).cloned() else {
            let why = ProposeError::Stopped("it is off".to_owned());
            self.writes[write.0].outcome = Some(Err(why));
            return write;
        };
        let commons = self.commons.clone();
        self.run_at(node, async move {
            let outcome = replica.propose(command).await;
            let write = write.0;
            commons.post(Letter::Written { write, outcome });
        });
        write
    }

    /// An administrator adds an employee by way of a node. Once that is acknowledged it is a promise.
    pub(crate) fn employ(&mut self, node: u8, number: u32) -> Write {
        let (uuid, command) = company::employee(number);
        let write = self.write(node, command);
        self.writes[write.0].user = Some(uuid);
        write
    }

    pub(super) fn written(&mut self, write: usize, outcome: Result<Outcome, ProposeError>) {
        let pending = &mut self.writes[write];
        if let (Some(uuid), Ok(Outcome::Created(_))) = (&pending.user, &outcome) {
            self.oracle.user_made(uuid.clone());
        }
        pending.outcome = Some(outcome);
    }

    /// What the administrator was told.
    pub(crate) fn outcome(&self, write: Write) -> Option<&Result<Outcome, ProposeError>> {
        self.writes[write.0].outcome.as_ref()
    }

    /// An administrator reads by way of a node, and wants to see everything that was acknowledged before.
    pub(crate) fn read(&self, node: u8) {
        let Some(replica) = self.replica(node).cloned() else {
            return;
        };
        let commons = self.commons.clone();
        let users = self.oracle.users().to_vec();
        self.run_at(node, async move {
            // Without a quorum there is no answer, which is no wrong one.
            if let Ok(state) = replica.linearizable().await {
                commons.post(Letter::Read { node, users, state });
            }
        });
    }

    /// Runs something in a node's process.
    pub(crate) fn run_at(&self, node: u8, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(life) = &self.nodes[usize::from(node) - 1].life {
            SimRuntime::detach(life.gate.within(work));
        }
    }

    /// The state as a node has it; nothing where it is off.
    pub(crate) fn state(&self, node: u8) -> Option<std::sync::Arc<State>> {
        self.replica(node).map(SimReplica::state)
    }

    /// Who leads, as the leader itself sees it.
    pub(crate) fn leader(&self) -> Option<u8> {
        let running = self.nodes.iter().filter(|node| node.is_running());
        let leads = |replica: &SimReplica| replica.status().role == Role::Leader;
        running
            .into_iter()
            .find(|node| node.replica().is_some_and(leads))
            .map(|node| node.number)
    }

    /// A phone by its number, from 1.
    pub(crate) fn phone(&mut self, number: u8) -> &mut Phone {
        &mut self.phones[usize::from(number) - 1]
    }

    pub(crate) fn node(&mut self, number: u8) -> &mut ControlNode {
        &mut self.nodes[usize::from(number) - 1]
    }

    pub(crate) fn media_server(&mut self, number: u8) -> &mut MediaServer {
        &mut self.media[usize::from(number) - 1]
    }

    pub(crate) fn replica(&self, node: u8) -> Option<&SimReplica> {
        self.nodes[usize::from(node) - 1].replica()
    }

    /// Lets the world go on until something holds; a failure when that takes too long.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        limit_ms: u64,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Verdict {
        let deadline_us = clock::now_us() + limit_ms * 1000;
        loop {
            self.pump();
            if holds(self) {
                return Ok(());
            }
            ensure!(
                clock::now_us() < deadline_us,
                "not within {limit_ms} ms: {what}"
            );
            self.wait(deadline_us).await;
        }
    }

    /// Lets the world go on for so long.
    pub(crate) async fn run(&mut self, time_ms: u64) {
        let deadline_us = clock::now_us() + time_ms * 1000;
        loop {
            self.pump();
            if clock::now_us() >= deadline_us {
                return;
            }
            self.wait(deadline_us).await;
        }
    }

    /// Waits until something is due or has happened.
    async fn wait(&mut self, deadline_us: u64) {
        let now_us = clock::now_us();
        let next_us = self.next_us().unwrap_or(u64::MAX).min(deadline_us);
        let time = Duration::from_micros(next_us.saturating_sub(now_us).max(1));
        let commons = self.commons.clone();
        SimRuntime::within(time, commons.posted()).await;
    }

    /// A number for all that has happened, and how much that was.
    pub(crate) fn history(&self) -> (u64, u64) {
        let common = self.commons.lock();
        (common.trace.hash(), common.trace.events())
    }

    /// Takes everything apart, so that nothing holds itself.
    pub(crate) fn dismantle(mut self) {
        self.cut_power();
        self.commons.lock().processes.clear();
    }
}
