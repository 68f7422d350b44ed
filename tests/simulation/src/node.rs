//! Control nodes: a disk that stays, and processes that come and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon_cluster::{Member, MemoryStore, ProposeError, Retention, Runtime, Settings, Timing};
use carillon_model::{
    Command, ControlNode as Described, FloatingAddress, NodeCommand, NodeId, NodeState, Outcome,
    Random, SipListener, Transport,
};
use carillon_switch::Switch;
use openraft_rt_sim::SimRuntime;

use crate::common::{Commons, Letter, Process};
use crate::disk;
use crate::machines::floating;
use crate::media::MediaLink;
use crate::network::Host;
use crate::process::Gate;
use crate::transport::{SimReplica, SimTransport, raft_id};
use crate::world::Datagram;
use crate::{Dice, Planted, clock};

pub(crate) const SIP_PORT: u16 = 5060;
const CLUSTER_PORT: u16 = 7400;
/// Small, so that a short history has snapshots.
const RETENTION: Retention = Retention {
    logs_between_snapshots: 60,
    logs_kept: 20,
    logs_purged_together: 10,
};
const SESSION_INTERVAL_S: u32 = 90;
const COMPARED_EVERY: Duration = Duration::from_secs(5);
const START_LIMIT: Duration = Duration::from_secs(5);
const START_PAUSE_US: u64 = 200_000;

/// A control node.
pub(crate) struct ControlNode {
    pub(crate) number: u8,
    dice: Dice,
    planted: Option<Planted>,
    store: MemoryStore,
    lives: u64,
    /// It has a floating address.
    floats: bool,
    pub(crate) life: Option<Life>,
}

/// A process of a node, from its start to its end.
pub(crate) struct Life {
    pub(crate) number: u64,
    pub(crate) gate: Gate,
    pub(crate) replica: SimReplica,
    /// Serves once the node has taken its place in the cluster.
    pub(crate) switch: Option<Switch>,
    pub(crate) others: BTreeMap<u8, Other>,
    pub(crate) media: BTreeMap<u8, MediaLink>,
    pub(crate) quorum: bool,
    pub(crate) next_tick_us: u64,
    pub(crate) next_sweep_ms: u64,
    pub(crate) stopped: Option<Stopped>,
}

/// What comes for a process that does not run now.
pub(crate) struct Stopped {
    pub(crate) since_us: u64,
    pub(crate) letters: Vec<Letter>,
    /// Full, it loses what comes.
    pub(crate) socket: Vec<Datagram>,
}

/// How a process ends without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// The machine has no power: what was not flushed is gone.
    Power,
    /// SIGKILL: what was written is there.
    Kill,
}

/// Another node, as this one sees it.
pub(crate) struct Other {
    pub(crate) heard_us: u64,
    pub(crate) up: Option<bool>,
    pub(crate) said_alive_us: u64,
}

pub(crate) fn member(node: u8) -> Member {
    Member {
        name: Host::Node(node).to_string(),
        address: Host::Node(node).at(CLUSTER_PORT),
    }
}

pub(crate) fn sip_address(node: u8) -> SocketAddr {
    Host::Node(node).at(SIP_PORT)
}

impl ControlNode {
    pub(crate) fn new(number: u8, dice: Dice, planted: Option<Planted>) -> Self {
        Self {
            number,
            dice,
            planted,
            store: disk::empty(planted),
            lives: 0,
            floats: false,
            life: None,
        }
    }

    /// From its next start on it has a floating address.
    pub(crate) fn float(&mut self) {
        self.floats = true;
    }

    pub(crate) fn id(&self) -> NodeId {
        NodeId(self.number.into())
    }

    pub(crate) fn replica(&self) -> Option<&SimReplica> {
        self.life.as_ref().map(|life| &life.replica)
    }

    pub(crate) fn switch(&mut self) -> Option<&mut Switch> {
        self.life.as_mut()?.switch.as_mut()
    }

    /// Whether it takes messages.
    pub(crate) fn serves(&self) -> bool {
        self.is_running() && self.life.as_ref().is_some_and(|life| life.switch.is_some())
    }

    /// Whether there is a process, and it is not stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| life.stopped.is_none())
    }

    /// What waits for the process, where there is one that is stopped.
    pub(crate) fn stopped(&mut self) -> Option<&mut Stopped> {
        self.life.as_mut()?.stopped.as_mut()
    }

    /// Starts a process on what the disk holds.
    pub(crate) async fn start(&mut self, commons: &Commons) -> anyhow::Result<()> {
        self.lives += 1;
        let life = self.lives;
        let settings = Settings {
            node: raft_id(self.number),
            client: self.dice.next_u64(),
            timing: Timing::default(),
            retention: RETENTION,
            digest_interval: COMPARED_EVERY,
        };
        let transport = SimTransport {
            commons: commons.clone(),
            node: self.number,
            life,
        };
        let flusher = Dice::new(self.dice.next_u64(), "disk");
        let gate = Gate::default();
        SimRuntime::detach(gate.within(disk::flush(self.store.clone(), flusher)));
        let store = Arc::new(self.store.clone());
        let starting = SimReplica::start(settings, store, transport);
        let replica = gate.within(starting).await?;
        let process = Process {
            life,
            gate: gate.clone(),
            listener: Arc::new(replica.clone()),
        };
        {
            let mut common = commons.lock();
            common.show(format_args!("{} starts", Host::Node(self.number)));
            common.processes.insert(self.number, process);
        }
        let watch = watch(commons.clone(), replica.clone(), self.number, life);
        SimRuntime::detach(gate.within(watch));
        let floating = self.floats.then(|| floating(self.number));
        let announce = announce(
            commons.clone(),
            replica.clone(),
            (self.number, life),
            floating,
        );
        SimRuntime::detach(gate.within(announce));
        self.life = Some(Life {
            number: life,
            gate,
            replica,
            switch: None,
            others: BTreeMap::new(),
            media: BTreeMap::new(),
            quorum: true,
            next_tick_us: clock::now_us(),
            next_sweep_ms: 0,
            stopped: None,
        });
        Ok(())
    }

    /// The node is ready: its switch takes up its work.
    pub(crate) fn serve(&mut self) {
        let listener = SipListener {
            transport: Transport::Udp,
            address: sip_address(self.number),
        };
        let mut config = carillon_switch::Config::new(self.id(), vec![listener]);
        // Calls that both phones have forgotten end within minutes.
        config.policy.session_interval_s = SESSION_INTERVAL_S;
        config.floating = self.floats.then(|| floating(self.number));
        let seed = self.dice.seed();
        if let Some(life) = &mut self.life {
            life.switch = Some(Switch::new(config, seed));
        }
    }

    /// The process ends where it stands.
    pub(crate) fn die(&mut self, death: Death, commons: &Commons) -> Option<Life> {
        let life = self.life.take()?;
        {
            let mut common = commons.lock();
            common.show(format_args!("{} dies: {death:?}", Host::Node(self.number)));
            common.processes.remove(&self.number);
        }
        life.gate.shut();
        // One disk alone: what a majority has is not lost with it.
        let disk_dies = self.planted == Some(Planted::ReuseId) && self.number == 1;
        self.store = match death {
            Death::Power if disk_dies => disk::empty(self.planted),
            Death::Power => self.store.after_power_cut(),
            Death::Kill => self.store.after_kill(),
        };
        Some(life)
    }
}

/// Tells the world of every change of the state that this node sees.
async fn watch(commons: Commons, replica: SimReplica, node: u8, life: u64) {
    let mut changes = replica.changes();
    drop(replica);
    while let Some(change) = changes.next().await {
        commons.post(Letter::Changed { node, life, change });
    }
}

/// Takes the node's place in the cluster, as the daemon does before it opens its doors.
async fn announce(
    commons: Commons,
    replica: SimReplica,
    (node, life): (u8, u64),
    floating: Option<FloatingAddress>,
) {
    let host = Host::Node(node);
    let described = Described {
        id: NodeId(node.into()),
        name: host.to_string(),
        address: host.ip(),
        sip: vec![SipListener {
            transport: Transport::Udp,
            address: sip_address(node),
        }],
        floating,
        api: None,
        cluster: host.at(CLUSTER_PORT),
        state: NodeState::Active,
        epoch: carillon_model::Epoch::default(),
        version: "simulated".to_owned(),
    };
    loop {
        let command = Command::Node(NodeCommand::Start(described.clone()));
        match replica.propose_within(command, START_LIMIT).await {
            Ok(Outcome::Started(_)) => break,
            Err(ProposeError::Stopped(_)) => return,
            Ok(_) | Err(_) => clock::pass_us(START_PAUSE_US).await,
        }
    }
    commons.post(Letter::Started { node, life });
}
