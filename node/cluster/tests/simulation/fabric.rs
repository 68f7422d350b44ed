//! Nodes on one thread in virtual time: a network and disks that fail by a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft_rt_sim::SimRuntime;
use tokio::sync::oneshot;

use carillon_cluster::{
    CallError, Destination, HistoryRow, MemoryStore, Message, NodeId, Replica, Replicated, Runtime,
    Settings, SnapshotOffer, Transport,
};

/// A replica in virtual time.
pub(crate) type SimReplica<M> = Replica<M, SimRuntime, SimTransport<M>>;

/// How the network behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weather {
    /// Of 1000 messages, so many are lost.
    pub(crate) lost_per_mille: u64,
    /// The shortest time that a message takes.
    pub(crate) delay_min_us: u64,
    /// The longest.
    pub(crate) delay_max_us: u64,
    /// The longest time that a disk takes to sync.
    pub(crate) sync_max_us: u64,
}

impl Weather {
    /// A good local network and good disks.
    pub(crate) const FAIR: Self = Self {
        lost_per_mille: 0,
        delay_min_us: 100,
        delay_max_us: 1_000,
        sync_max_us: 2_000,
    };

    /// A network that loses much and takes its time.
    pub(crate) const FOUL: Self = Self {
        lost_per_mille: 80,
        delay_min_us: 100,
        delay_max_us: 30_000,
        sync_max_us: 15_000,
    };
}

struct World<M: Replicated> {
    random: SplitMix,
    weather: Weather,
    slow_disks: Option<u64>,
    cut: BTreeSet<(NodeId, NodeId)>,
    up: BTreeMap<NodeId, SimReplica<M>>,
}

/// The network between the nodes of one simulated cluster. Clones are the same network.
pub(crate) struct Fabric<M: Replicated> {
    world: Arc<Mutex<World<M>>>,
}

impl<M: Replicated> Clone for Fabric<M> {
    fn clone(&self) -> Self {
        Self {
            world: self.world.clone(),
        }
    }
}

impl<M: Replicated> Fabric<M> {
    /// A fair network whose accidents derive from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let world = World {
            random: SplitMix(seed),
            weather: Weather::FAIR,
            slow_disks: None,
            cut: BTreeSet::new(),
            up: BTreeMap::new(),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    fn world(&self) -> MutexGuard<'_, World<M>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how the network and the disks behave.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.world().weather = weather;
    }

    /// Lets every sync take up to `sync_max_us`, in any weather.
    pub(crate) fn slow_disks(&self, sync_max_us: u64) {
        self.world().slow_disks = Some(sync_max_us);
    }

    /// Lets nothing through from `from` to `to`; the other direction stays as it is.
    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.world().cut.insert((from, to));
    }

    /// Takes all cuts back.
    pub(crate) fn heal(&self) {
        self.world().cut.clear();
    }

    /// A number below `bound` from the network's seed.
    pub(crate) fn random_below(&self, bound: u64) -> u64 {
        self.world().random.below(bound)
    }

    /// Starts a node on `store`, which must not be flushed by anybody else.
    pub(crate) async fn start(
        &self,
        settings: Settings,
        store: &MemoryStore,
    ) -> anyhow::Result<SimReplica<M>> {
        let transport = SimTransport {
            node: settings.node,
            alive: Arc::new(AtomicBool::new(true)),
            fabric: self.clone(),
        };
        let node = settings.node;
        SimRuntime::detach(
            self.clone()
                .sync_disk(store.clone(), transport.alive.clone()),
        );
        let replica = Replica::start(settings, Arc::new(store.clone()), transport).await?;
        self.world().up.insert(node, replica.clone());
        Ok(replica)
    }

    /// Stops a node as a power cut does: between two instructions. What its disk had taken is in the store returned.
    pub(crate) fn power_cut(&self, node: NodeId, store: &MemoryStore) -> MemoryStore {
        let survived = store.after_power_cut();
        if let Some(replica) = self.world().up.remove(&node) {
            replica.transport().alive.store(false, Ordering::Relaxed);
            // What is left of it ends without being heard.
            SimRuntime::detach(async move { replica.stop().await });
        }
        survived
    }

    async fn sync_disk(self, store: MemoryStore, alive: Arc<AtomicBool>) {
        while alive.load(Ordering::Relaxed) {
            if SimRuntime::within(Duration::from_secs(1), store.unflushed())
                .await
                .is_none()
            {
                continue;
            }
            let pause = {
                let mut world = self.world();
                let longest = world.slow_disks.unwrap_or(world.weather.sync_max_us);
                world.random.below(longest + 1)
            };
            sleep(Duration::from_micros(pause)).await;
            if alive.load(Ordering::Relaxed) {
                store.flush();
            }
        }
    }

    /// The fate of one message: how long it takes, or that it does not arrive.
    fn fate(&self, from: NodeId, to: NodeId) -> Option<Duration> {
        let mut world = self.world();
        let weather = world.weather;
        let lost = world.random.below(1_000) < weather.lost_per_mille;
        let spread = weather.delay_max_us.saturating_sub(weather.delay_min_us);
        let delay = weather.delay_min_us + world.random.below(spread + 1);
        let cut = world.cut.contains(&(from, to));
        (!lost && !cut).then(|| Duration::from_micros(delay))
    }

    fn arrives(&self, from: NodeId, to: NodeId) -> Option<SimReplica<M>> {
        let world = self.world();
        match world.cut.contains(&(from, to)) {
            true => None,
            false => world.up.get(&to).cloned(),
        }
    }
}

/// One life of a node on the network.
pub(crate) struct SimTransport<M: Replicated> {
    node: NodeId,
    alive: Arc<AtomicBool>,
    fabric: Fabric<M>,
}

impl<M: Replicated> Clone for SimTransport<M> {
    fn clone(&self) -> Self {
        Self {
            node: self.node,
            alive: self.alive.clone(),
            fabric: self.fabric.clone(),
        }
    }
}

struct WholeSnapshot {
    header: Bytes,
    state: Bytes,
    history: Vec<HistoryRow>,
}

enum Parcel {
    Message(Message),
    Snapshot(WholeSnapshot),
}

impl<M: Replicated> SimTransport<M> {
    async fn exchange(
        &self,
        to: NodeId,
        parcel: Parcel,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let (answer, answered) = oneshot::channel();
        // In a task of its own: the peer works on when the caller has given up.
        SimRuntime::detach(self.clone().deliver(to, parcel, answer));
        match SimRuntime::within(limit, answered).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) | None => Err(CallError::NoAnswer("lost".to_owned())),
        }
    }

    async fn deliver(self, to: NodeId, parcel: Parcel, answer: oneshot::Sender<Bytes>) {
        let lost = |answer| async move {
            // Whoever loses a message notices only by its own clock.
            sleep(Duration::from_secs(3_600)).await;
            drop::<oneshot::Sender<Bytes>>(answer);
        };
        let Some(delay) = self
            .alive()
            .then(|| self.fabric.fate(self.node, to))
            .flatten()
        else {
            return lost(answer).await;
        };
        sleep(delay).await;
        let Some(peer) = self
            .alive()
            .then(|| self.fabric.arrives(self.node, to))
            .flatten()
        else {
            return lost(answer).await;
        };
        let body = match parcel {
            Parcel::Message(message) => peer.serve(self.node, message).await,
            Parcel::Snapshot(whole) => install(&peer, self.node, whole).await,
        };
        let back = peer
            .transport()
            .alive()
            .then(|| self.fabric.fate(to, self.node))
            .flatten();
        let (Some(body), Some(delay)) = (body, back) else {
            return lost(answer).await;
        };
        sleep(delay).await;
        if self.alive() {
            answer.send(body).ok();
        }
    }

    fn alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }
}

async fn install<M: Replicated>(
    peer: &SimReplica<M>,
    from: NodeId,
    whole: WholeSnapshot,
) -> Option<Bytes> {
    peer.take_history(whole.history).ok()?;
    peer.install(from, &whole.header, whole.state).await.ok()
}

async fn sleep(pause: Duration) {
    <SimRuntime as openraft::AsyncRuntime>::sleep(pause).await;
}

impl<M: Replicated> Transport for SimTransport<M> {
    async fn call(
        &self,
        to: Destination,
        message: Message,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        self.exchange(to.node, Parcel::Message(message), limit)
            .await
    }

    async fn send_snapshot(
        &self,
        to: Destination,
        offer: SnapshotOffer,
    ) -> Result<Bytes, CallError> {
        const LIMIT: Duration = Duration::from_secs(30);
        let history = offer.store.history_after(None, usize::MAX);
        let whole = WholeSnapshot {
            header: offer.header,
            state: offer.state,
            history: history.map_err(|error| CallError::NotReached(error.to_string()))?,
        };
        self.exchange(to.node, Parcel::Snapshot(whole), LIMIT).await
    }
}

/// Steele's generator: small, and the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
