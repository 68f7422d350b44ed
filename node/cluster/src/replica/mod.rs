//! One node of the cluster, whatever carries its messages and whatever time it runs in.

mod background;
mod membership;
mod propose;
mod serve;
mod status;
mod together;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use carillon_link::NodeId;
use carillon_telemetry::{Metrics, RaftMetrics};
use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::{Semaphore, mpsc};

pub use serve::ChannelHandler;

use crate::admin::{Admin, AdminOutcome, Administration};
use crate::changes::{Changes, Published};
use crate::config::{Retention, Timing};
use crate::raft::log::Log;
use crate::raft::machine::Machine;
use crate::raft::network::{Addresses, Network};
use crate::raft::types::{Member, TypeConfig};
use crate::time::ClusterTime;
use crate::transport::{Destination, Transport};
use crate::verify::Comparisons;
use crate::{HistoryQuery, HistoryRow, LogStore, ProposeError, Replicated, Runtime, Stamp};

/// Commands of this node that may wait for their commit.
const MAX_WAITING: usize = 2_048;
/// Checkpoints that the verifier may be behind.
const CHECKPOINTS_QUEUED: usize = 8;

/// How a replica is to run.
pub struct Settings {
    /// The node's number.
    pub node: NodeId,
    /// A number that no other process of the cluster has, now or ever: commands are told apart by it.
    pub client: u64,
    /// Raft's clock.
    pub timing: Timing,
    /// How much log to keep.
    pub retention: Retention,
    /// How often the nodes compare their states.
    pub digest_interval: Duration,
}

/// One node's part of the cluster. Cheap to clone.
pub struct Replica<M: Replicated, R: Runtime, T: Transport> {
    inner: Arc<Inner<M, R, T>>,
}

impl<M: Replicated, R: Runtime, T: Transport> Clone for Replica<M, R, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

struct Inner<M: Replicated, R: Runtime, T: Transport> {
    settings: Settings,
    metrics: RaftMetrics,
    addresses: Addresses,
    raft: Raft<TypeConfig<R>, Machine<M, R>>,
    transport: T,
    store: Arc<dyn LogStore>,
    published: Arc<Published<M>>,
    time: Arc<ClusterTime>,
    open: Mutex<propose::Open>,
    together: Mutex<together::Together>,
    waiting: Semaphore,
    /// Held by whoever changes the set of voters.
    changing: tokio::sync::Mutex<()>,
    channels: Mutex<BTreeMap<String, ChannelHandler>>,
    comparisons: Comparisons,
    heard_from_leader_ms: AtomicU64,
    out_of_duty: ArcSwapOption<String>,
}

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    /// Starts the node on what its store holds.
    pub async fn start(
        settings: Settings,
        store: Arc<dyn LogStore>,
        transport: T,
    ) -> anyhow::Result<Self> {
        Self::start_counting(settings, Metrics::new().raft, store, transport).await
    }

    /// As `start`, and counts in `metrics`.
    pub async fn start_counting(
        settings: Settings,
        metrics: RaftMetrics,
        store: Arc<dyn LogStore>,
        transport: T,
    ) -> anyhow::Result<Self> {
        let config = Arc::new(settings.timing.raft(settings.retention)?);
        let published = Arc::new(Published::new());
        let (checkpoints, checkpoints_taken) = mpsc::channel(CHECKPOINTS_QUEUED);
        let time = Arc::new(ClusterTime::new(R::now_ms()));
        let machine = Machine::<M, R>::new(
            settings.node,
            time.clone(),
            store.clone(),
            published.clone(),
            checkpoints,
            metrics.clone(),
        );
        let addresses = Addresses::default();
        let network = Network {
            local: settings.node,
            transport: transport.clone(),
            store: store.clone(),
            addresses: addresses.clone(),
            metrics: metrics.clone(),
        };
        let raft = Raft::new(
            settings.node,
            config,
            network,
            Log::new(store.clone()),
            machine,
        )
        .await?;
        let inner = Inner {
            settings,
            metrics,
            addresses,
            raft,
            transport,
            store,
            published,
            time,
            open: Mutex::default(),
            together: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
            changing: tokio::sync::Mutex::default(),
            channels: Mutex::default(),
            comparisons: Comparisons::default(),
            heard_from_leader_ms: AtomicU64::new(0),
            out_of_duty: ArcSwapOption::empty(),
        };
        let replica = Self {
            inner: Arc::new(inner),
        };
        replica.spawn_background(checkpoints_taken);
        Ok(replica)
    }

    /// Makes this node the first of a new cluster, alone or with others that start empty at the same time.
    pub async fn initialize(&self, members: BTreeMap<NodeId, Member>) -> anyhow::Result<()> {
        if !self.inner.raft.is_initialized().await? {
            self.inner.raft.initialize(members).await?;
        }
        Ok(())
    }

    /// This node's number.
    pub fn node(&self) -> NodeId {
        self.inner.settings.node
    }

    /// The state as this node has it: at most a heartbeat behind the leader's while there is a quorum. Takes no lock.
    pub fn state(&self) -> Arc<M::State> {
        self.inner.published.state()
    }

    /// As `state`, with the last command in it.
    pub fn stamped_state(&self) -> (Stamp, Arc<M::State>) {
        self.inner.published.stamped()
    }

    /// The cluster's time as this node would stamp it, Unix milliseconds.
    pub(crate) fn time_ms(&self) -> u64 {
        self.inner.time.now_ms(R::now_ms())
    }

    /// What the cluster knows about itself.
    pub fn administration(&self) -> Arc<Administration> {
        self.inner.published.administration()
    }

    /// What happens to the state from now on.
    pub fn changes(&self) -> Changes<M> {
        self.inner.published.subscribe()
    }

    /// Waits until `holds` of this node's state.
    pub async fn until(&self, holds: impl FnMut(&M::State) -> bool + Send) -> Arc<M::State> {
        self.inner.published.until(holds).await
    }

    /// Waits until this node has applied everything through `index`.
    pub async fn applied(&self, index: u64) {
        self.inner.published.reached(index).await;
    }

    /// Reads rows of history as this node has them.
    pub fn history(&self, query: &HistoryQuery) -> io::Result<Vec<HistoryRow>> {
        self.inner.store.history(query)
    }

    pub(crate) async fn administer(
        &self,
        admin: Admin,
        limit: Duration,
    ) -> Result<AdminOutcome, ProposeError> {
        let outcome = self
            .submit(&crate::admin::Body::<M::Command>::Admin(admin), limit)
            .await?;
        crate::codec::decode(&outcome).map_err(|error| ProposeError::Stopped(error.to_string()))
    }

    /// Where a node is, by the membership that this node knows.
    pub(crate) fn destination(&self, node: NodeId) -> Option<Destination> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&node)?;
        Some(Destination {
            node,
            address: member.address,
        })
    }

    /// Everybody's number and address.
    pub(crate) fn members(&self) -> BTreeMap<NodeId, Member> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.nodes();
        nodes.map(|(id, member)| (*id, member.clone())).collect()
    }

    /// What carries this node's messages.
    pub fn transport(&self) -> &T {
        &self.inner.transport
    }

    fn leader(&self) -> Option<NodeId> {
        self.inner.raft.metrics().borrow_watched().current_leader
    }

    /// Ends the node's part without handing anything over.
    pub async fn stop(&self) {
        self.inner.raft.shutdown().await.ok();
    }
}
