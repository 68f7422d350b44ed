//! The control role: the replica, SIP, the REST interface.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use carillon_cluster::{Cluster, Entry};
use carillon_link::ServerCertificate;
use carillon_model::{
    Command, ControlNode, FloatingAddress, LeaseCommand, NodeCommand, NodeId, NodeState,
    node_resource,
};
use carillon_signalling::{Bound, Clock, Floating, Signalling, Surroundings, TlsIdentity};
use carillon_telemetry::Metrics;
use carillon_telephony::Telephony;

use crate::announce::announce;
use crate::bootstrap;
use crate::config::{self, Config};
use crate::data::DataFolder;
use crate::names;
use crate::plane::ClusterPlane;
use crate::ports::{Ports, Sip};
use crate::store;

/// A control node that serves.
pub(crate) struct Control {
    pub(crate) cluster: Cluster<Telephony>,
    pub(crate) signalling: Signalling,
    pub(crate) api: carillon_api::Server,
    names: Option<carillon_names::Server>,
    /// Set by the very first start of a cluster.
    pub(crate) password: Option<String>,
}

impl Control {
    pub(crate) async fn start(
        config: &Config,
        data: &DataFolder,
        metrics: &Metrics,
        ports: &mut Ports,
    ) -> anyhow::Result<Self> {
        // Sockets first: what cannot be bound is told before anything is written.
        let floating = open_floating(config, metrics);
        let sip = carillon_signalling::Config {
            floats: floating.is_some(),
            ..config.sip.clone()
        };
        let bound = Bound::bind(&sip)?;
        let cluster =
            carillon_telephony::start(cluster_config(config, metrics)?, store::open(config, data)?)
                .await
                .context("take part in the cluster")?;
        let password = bootstrap::initialise(&cluster).await?;
        data.write_authority(&cluster.authority_pem()?)?;
        let certificate = server_certificate(config, &bound, &cluster)?;
        let clock = Clock::start();
        let api = serve_api(config, &cluster, &certificate, metrics, clock).await?;
        ports.api = Some(api.local_addr());
        ports.cluster = Some(cluster.address());
        ports.sip = bound
            .listeners()
            .iter()
            .map(|listener| Sip {
                transport: listener.transport.as_str(),
                address: listener.address,
            })
            .collect();
        let node = NodeId(cluster.node().0);
        let floats = floating.as_ref().map(Floating::address);
        let myself = describe(config, &cluster, &bound, &api, floats)?;
        announce(&cluster, Command::Node(NodeCommand::Start(myself))).await?;
        let names = names::serve(config, &cluster, clock, ports).await?;
        let switch = config::switch(&config.calls, &config.registrar, node, bound.listeners());
        let surroundings = Surroundings {
            credentials: cluster.credentials(),
            cluster: cluster.clone(),
            tls: Some(tls(config, &certificate)?),
            floating,
            metrics: metrics.clone(),
            clock,
        };
        let signalling = Signalling::start(&sip, bound, switch, surroundings)?;
        Ok(Self {
            cluster,
            signalling,
            api,
            names,
            password,
        })
    }

    /// Whether the node can be given work, or why not.
    pub(crate) fn readiness(cluster: &Cluster<Telephony>) -> Result<(), String> {
        let status = cluster.status();
        match status.out_of_duty {
            Some(why) => Err(format!("out of duty: {why}")),
            None if status.leader.is_none() => Err("no leader".to_owned()),
            None if !status.quorum => Err("no quorum".to_owned()),
            None => Ok(()),
        }
    }

    /// Why the node cannot go on, if it cannot.
    pub(crate) fn out_of_duty(&self) -> Option<String> {
        let brain = (!self.signalling.is_running()).then(|| "the call engine stopped".to_owned());
        self.cluster.status().out_of_duty.or(brain)
    }

    /// Others begin what is new, and lead. What this node has begun it ends, if that is soon.
    pub(crate) async fn drain(&mut self) {
        self.set_state(NodeState::Draining).await;
        self.signalling.drain().await;
        self.cluster.step_down().await;
        self.signalling.idle().await;
    }

    /// Says goodbye: to the other nodes, which take what is left of its calls, to the cluster, to everybody who is
    /// connected.
    pub(crate) async fn stop(mut self) {
        self.set_state(NodeState::Left).await;
        if self.cluster.state().nodes().len() > 1 {
            self.signalling.drain().await;
            self.signalling.hand_over(TAKEN_WITHIN).await;
            // A phone that has not heard of the heir yet still speaks to this node.
            tokio::time::sleep(STRAGGLERS).await;
        }
        self.signalling.stop().await;
        give_up_lease(&self.cluster).await;
        if let Some(names) = self.names {
            names.stop().await;
        }
        self.api.stop().await;
        self.cluster.shutdown().await;
    }

    /// Says where the node stands; without a quorum nobody hears it.
    pub(crate) async fn set_state(&self, state: NodeState) {
        let id = NodeId(self.cluster.node().0);
        let command = Command::Node(NodeCommand::SetState { id, state });
        if let Err(error) = self.cluster.propose_within(command, FAREWELL).await {
            tracing::warn!(%error, ?state, "the cluster does not know where this node stands");
        }
    }
}

/// The interface of floating addresses. A node that cannot change it works on without.
fn open_floating(config: &Config, metrics: &Metrics) -> Option<Floating> {
    match Floating::open(&config.floating) {
        Ok(floating) => floating,
        Err(error) => {
            metrics.address.unavailable.set(1);
            tracing::error!("this node has no floating address and takes none over: {error:#}");
            None
        }
    }
}

/// A node that goes waits no longer for the cluster to note it.
const FAREWELL: Duration = Duration::from_secs(1);
/// Nor for others to take its calls; those that are left then are taken as those of a node that has died.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);
/// What phones have sent and is not answered comes again within this (T1, RFC 3261 §17.1.1.1).
const STRAGGLERS: Duration = Duration::from_millis(600);

/// What is left of this node's calls may be taken at once.
async fn give_up_lease(cluster: &Cluster<Telephony>) {
    let holder = NodeId(cluster.node().0);
    let resource = node_resource(holder);
    let Some(epoch) = cluster
        .state()
        .leases()
        .get(&resource)
        .map(|lease| lease.epoch)
    else {
        return;
    };
    let command = Command::Lease(LeaseCommand::Release {
        resource,
        holder,
        epoch,
    });
    if let Err(error) = cluster.propose_within(command, FAREWELL).await {
        tracing::warn!(%error, "the calls of this node wait until its lease lapses");
    }
}

fn cluster_config(config: &Config, metrics: &Metrics) -> anyhow::Result<carillon_cluster::Config> {
    let entry = match &config.cluster.join {
        Some(token) => Entry::Join(token.parse().context("read the join token")?),
        None => Entry::Found {
            cluster: config.cluster.name.clone(),
        },
    };
    let mut cluster = carillon_cluster::Config::new(&config.name, config.cluster.listen, entry);
    cluster.advertise = config.cluster.advertised();
    cluster.timing = config.cluster.timing;
    cluster.metrics = metrics.raft.clone();
    Ok(cluster)
}

/// A certificate under every name and address at which the node is reached.
fn server_certificate(
    config: &Config,
    bound: &Bound,
    cluster: &Cluster<Telephony>,
) -> anyhow::Result<ServerCertificate> {
    let names = [config.name.clone(), "localhost".to_owned()];
    let mut addresses: Vec<IpAddr> = bound
        .listeners()
        .iter()
        .map(|listener| listener.address.ip())
        .collect();
    addresses.extend([cluster.address().ip(), [127, 0, 0, 1].into()]);
    addresses.extend(config.sip.advertise);
    // Phones may meet this node at the address of another, which is known where that one was here before.
    let state = cluster.state();
    let others = state.nodes().values().filter_map(|node| node.floating);
    let floating = config.floating.address.into_iter().chain(others);
    addresses.extend(floating.map(|floating| floating.address));
    addresses.sort_unstable();
    addresses.dedup();
    Ok(cluster.server_certificate(&names, &addresses)?)
}

async fn serve_api(
    config: &Config,
    cluster: &Cluster<Telephony>,
    issued: &ServerCertificate,
    metrics: &Metrics,
    clock: Clock,
) -> anyhow::Result<carillon_api::Server> {
    let plane = ClusterPlane {
        cluster: cluster.clone(),
        clock,
    };
    let identity = carillon_api::Identity {
        chain_pem: issued.chain_pem.clone().into_bytes(),
        key_pem: issued.key_pem.clone().into_bytes(),
    };
    carillon_api::Server::start(&config.api, Arc::new(plane), &identity, metrics.clone()).await
}

fn tls(config: &Config, issued: &ServerCertificate) -> anyhow::Result<TlsIdentity> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).with_context(|| format!("read {}", path.display()))
    };
    let (chain_pem, key_pem) = match (&config.sip.certificate, &config.sip.key) {
        (Some(certificate), Some(key)) => (read(certificate)?, read(key)?),
        _ => (
            issued.chain_pem.clone().into_bytes(),
            issued.key_pem.clone().into_bytes(),
        ),
    };
    // The cluster's own authority stands last in its chains.
    let mut trusted_pem = vec![issued.chain_pem.clone().into_bytes()];
    if let Some(path) = &config.sip.trusted {
        trusted_pem.push(read(path)?);
    }
    Ok(TlsIdentity {
        chain_pem,
        key_pem,
        trusted_pem,
    })
}

/// This node as the others are to see it.
fn describe(
    config: &Config,
    cluster: &Cluster<Telephony>,
    bound: &Bound,
    api: &carillon_api::Server,
    floating: Option<FloatingAddress>,
) -> anyhow::Result<ControlNode> {
    let first = bound
        .listeners()
        .first()
        .context("a control node needs a SIP listener")?;
    Ok(ControlNode {
        id: NodeId(cluster.node().0),
        name: config.name.clone(),
        address: first.address.ip(),
        sip: bound.listeners().to_vec(),
        floating,
        api: Some(api.local_addr()),
        cluster: cluster.address(),
        state: NodeState::Active,
        epoch: carillon_model::Epoch::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
