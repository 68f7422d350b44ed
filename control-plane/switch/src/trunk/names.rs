//! The addresses of carriers, as the shell has looked them up.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use carillon_model::{Flow, Transport};

use crate::{Output, Switch};

/// Between two look-ups of a name.
const LOOK_UP_INTERVAL_MS: u64 = 30_000;
/// Names that are known at a time.
const NAMES_MAX: usize = 10_000;

/// A carrier's server as an administrator names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port, where the name servers are not to say it.
    pub port: Option<u16>,
    /// How it is reached, where the name servers are not to say it.
    pub transport: Option<Transport>,
}

/// A way to a server; ways are tried in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerWay {
    /// By what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

#[derive(Default)]
pub(super) struct Names {
    known: BTreeMap<Server, Known>,
}

#[derive(Default)]
struct Known {
    ways: Vec<ServerWay>,
    asked_ms: Option<u64>,
}

impl Server {
    /// The way to a server that is named by its address.
    fn literal(&self) -> Option<ServerWay> {
        let ip: IpAddr = self.host.trim_matches(['[', ']']).parse().ok()?;
        let transport = self.transport.unwrap_or(Transport::Udp);
        let port = self.port.unwrap_or(match transport {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        });
        Some(ServerWay {
            transport,
            address: SocketAddr::new(ip, port),
        })
    }
}

impl Switch {
    /// The ways to a server, as far as they are known; they are looked up now and then.
    pub(crate) fn ways_to_server(&mut self, server: &Server) -> Vec<ServerWay> {
        if let Some(way) = server.literal() {
            return vec![way];
        }
        let now_ms = self.now_ms;
        let names = &mut self.trunks.names.known;
        if names.len() >= NAMES_MAX && !names.contains_key(server) {
            return Vec::new();
        }
        let known = names.entry(server.clone()).or_default();
        let ways = known.ways.clone();
        let due = known
            .asked_ms
            .is_none_or(|asked_ms| now_ms >= asked_ms + LOOK_UP_INTERVAL_MS);
        if due {
            known.asked_ms = Some(now_ms);
            let server = server.clone();
            self.put(Output::Resolve { server });
        }
        ways
    }

    /// Whether a carrier's server is at the other end of a flow. Its port need not be the one that it is reached at.
    pub(crate) fn is_server(&self, server: &Server, flow: &Flow) -> bool {
        if let Some(way) = server.literal() {
            return way.address.ip() == flow.peer.ip();
        }
        let known = self.trunks.names.known.get(server);
        known.is_some_and(|known| {
            let mut ways = known.ways.iter();
            ways.any(|way| way.address.ip() == flow.peer.ip())
        })
    }

    /// Keeps the addresses of all carriers known: a call does not wait for a name server.
    pub(super) fn look_carriers_up(&mut self) {
        let state = self.state.clone();
        for trunk in state.trunks().values() {
            let endpoint = state.endpoint_of_trunk(trunk.id).map(AsRef::as_ref);
            for server in super::inward::servers_of(&state, trunk, endpoint) {
                self.ways_to_server(&server);
            }
        }
    }

    /// The shell has looked a name up. What was known before stays where nothing was found.
    pub(crate) fn resolved(&mut self, server: &Server, ways: Vec<ServerWay>) {
        if let Some(known) = self.trunks.names.known.get_mut(server)
            && !ways.is_empty()
        {
            known.ways = ways;
        }
        self.trunks_due();
    }
}
