//! Putting the shell together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use carillon_cluster::Cluster;
use carillon_link::Credentials;
use carillon_model::NodeId;
use carillon_switch::Switch;
use carillon_telemetry::Metrics;
use carillon_telephony::Telephony;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::addresses::{Addresses, Floating};
use crate::bind::{Bound, Setup, serve};
use crate::brain::{Brain, Live, Order, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::media::MediaServers;
use crate::peers::Peers;
use crate::tls::{Tls, TlsIdentity};

/// What signalling needs of the node around it.
pub struct Surroundings {
    pub cluster: Cluster<Telephony>,
    /// By which media servers know us.
    pub credentials: Arc<Credentials>,
    /// What the TLS listeners show.
    pub tls: Option<TlsIdentity>,
    /// The interface of floating addresses, where there are any.
    pub floating: Option<Floating>,
    pub metrics: Metrics,
    pub clock: Clock,
}

/// The running shell.
pub struct Signalling {
    orders: mpsc::Sender<Order>,
    live: watch::Receiver<Live>,
    brain: tokio::task::JoinHandle<()>,
    _listening: JoinSet<()>,
}

const ORDERS_MAX: usize = 8;

impl Signalling {
    /// Serves the listeners, with the switch that `switch` describes.
    pub fn start(
        config: &Config,
        bound: Bound,
        mut switch: carillon_switch::Config,
        surroundings: Surroundings,
    ) -> anyhow::Result<Self> {
        let Surroundings {
            cluster,
            credentials,
            tls,
            floating,
            metrics,
            clock,
        } = surroundings;
        let node = NodeId(cluster.node().0);
        // Above all connections of earlier processes: they had fewer than 2^20 in a millisecond.
        switch.first_connection = clock.now_ms() << 20;
        let setup = Setup {
            node,
            clock,
            metrics: metrics.clone(),
            tls: Tls::new(tls.as_ref())?,
            connections_max: config.connections_max,
            first_connection: switch.first_connection,
            connections_per_source_max: config.connections_per_source_max,
        };
        let (sockets, inbound, listening) = serve(bound, setup);
        switch.floating = floating.as_ref().map(Floating::address);
        let (addresses, addresses_said) = Addresses::start(floating, &config.listen, &sockets)?;
        let (media, media_events) = MediaServers::new(node, credentials, metrics);
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("read the system's randomness")?;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (live, watched) = watch::channel(Live::default());
        let brain = Brain::new(Parts {
            switch: Switch::new(switch, seed),
            clock,
            peers: Peers::new(cluster.clone(), Arc::clone(&sockets)),
            sockets,
            inbound,
            cluster,
            media,
            media_events,
            addresses,
            addresses_said,
            orders: ordered,
            live,
        });
        Ok(Self {
            orders,
            live: watched,
            brain: tokio::spawn(brain.run()),
            _listening: listening,
        })
    }

    /// Begins nothing from now on: what comes is handed to the other nodes, or refused where there are none.
    pub async fn drain(&self) {
        // Fails only when the brain has stopped: then it begins nothing either.
        let _ = self.orders.send(Order::Drain).await;
    }

    /// Gives the calls of this node to the others and waits until they have them, no longer than `limit`. From then on it
    /// is a mere relay: what still comes to its sockets is handed on.
    pub async fn hand_over(&mut self, limit: Duration) {
        let _ = self.orders.send(Order::Leave).await;
        if timeout(limit, self.idle()).await.is_err() {
            let Live { calls, records } = self.live();
            tracing::warn!(
                calls,
                records,
                "nobody has taken the calls of this node yet"
            );
        }
    }

    /// Waits until this node owns no call and has committed all its records.
    pub async fn idle(&mut self) {
        let idle = |live: &Live| *live == Live::default();
        let _ = self.live.wait_for(idle).await;
    }

    /// What the brain is busy with.
    pub fn live(&self) -> Live {
        *self.live.borrow()
    }

    /// Whether the brain still runs.
    pub fn is_running(&self) -> bool {
        !self.brain.is_finished()
    }

    /// Says goodbye to the other nodes and closes all sockets.
    pub async fn stop(self) {
        let _ = self.orders.send(Order::Stop).await;
        let _ = self.brain.await;
    }
}
