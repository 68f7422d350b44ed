//! One file for a node: what it says, what is wrong with it.

mod load;
mod media;
mod switch;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use carillon_cluster::Timing;
use serde::Deserialize;

pub(crate) use load::load;
pub(crate) use media::MediaConfig;
pub(crate) use switch::{CallsConfig, RegistrarConfig, switch};

/// Everything that a node is told.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What people call the node; unique in its cluster.
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// Where the node keeps what must survive it.
    pub(crate) data: PathBuf,
    pub(crate) cluster: ClusterConfig,
    pub(crate) sip: carillon_signalling::Config,
    pub(crate) floating: carillon_signalling::FloatingConfig,
    pub(crate) dns: carillon_names::Config,
    pub(crate) calls: CallsConfig,
    pub(crate) registrar: RegistrarConfig,
    pub(crate) api: carillon_api::Config,
    pub(crate) media: MediaConfig,
    pub(crate) telemetry: carillon_telemetry::Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Control,
    Media,
}

/// How the node takes part in its cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// The cluster's name, for a node that founds one.
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    /// Where the other nodes reach this one, if not at `listen`.
    pub(crate) advertise: Option<SocketAddr>,
    /// A token that lets the node in. Not looked at once it is a member.
    pub(crate) join: Option<String>,
    /// How fast a dead leader is noticed.
    pub(crate) timing: Timing,
    /// Keep the log in memory only: for trying things out, everything is lost with the process.
    pub(crate) in_memory: bool,
    /// How long calls may go on when the node is asked to end.
    pub(crate) drain_s: u64,
}

const CLUSTER_PORT: u16 = 7400;
const DRAIN_S: u64 = 5;

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: "carillon".to_owned(),
            listen: SocketAddr::from(([0, 0, 0, 0], CLUSTER_PORT)),
            advertise: None,
            join: None,
            timing: Timing::default(),
            in_memory: false,
            drain_s: DRAIN_S,
        }
    }
}

impl ClusterConfig {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let timing = &self.timing;
        if timing.heartbeat_ms == 0 || timing.election_min_ms <= 2 * timing.heartbeat_ms {
            problems.push(
                "cluster.timing: election_min_ms must be more than twice heartbeat_ms".to_owned(),
            );
        }
        if timing.election_max_ms <= timing.election_min_ms {
            problems.push(
                "cluster.timing: election_max_ms must be more than election_min_ms".to_owned(),
            );
        }
        if let Some(token) = &self.join
            && token.parse::<carillon_link::JoinToken>().is_err()
        {
            problems.push("cluster.join: this is no join token".to_owned());
        }
        problems
    }

    /// Where the other nodes reach this one.
    pub(crate) fn advertised(&self) -> SocketAddr {
        if let Some(advertise) = self.advertise {
            return advertise;
        }
        match self.listen.ip().is_unspecified() {
            true => {
                let ip: IpAddr = carillon_signalling::own_address(self.listen.is_ipv4());
                SocketAddr::new(ip, self.listen.port())
            }
            false => self.listen,
        }
    }
}

impl Config {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// What is wrong, all of it, with the field first.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.is_empty() || self.name.len() > 63 {
            problems.push("name: must have 1 to 63 characters".to_owned());
        }
        if self.roles.is_empty() {
            problems.push("roles: \"control\", \"media\" or both".to_owned());
        }
        if !self.has(Role::Control) && self.has(Role::Media) && self.cluster.in_memory {
            problems.push("cluster.in_memory: a media server alone has no log".to_owned());
        }
        problems.extend(self.cluster.problems());
        problems.extend(self.sip.problems());
        problems.extend(self.floating.problems());
        problems.extend(self.dns.problems());
        problems.extend(self.calls.problems());
        problems.extend(self.registrar.problems());
        problems.extend(self.api.problems());
        problems.extend(self.media.problems());
        problems.extend(self.telemetry.problems());
        problems
    }
}
