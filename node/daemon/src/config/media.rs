use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use carillon_relay::MediaAddress;
use serde::Deserialize;

/// A media server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MediaConfig {
    /// Where control nodes send session descriptors (QUIC).
    pub(crate) control: SocketAddr,
    /// Where control nodes reach it, if not at `control`.
    pub(crate) advertise: Option<SocketAddr>,
    /// Where phones send media; the machine's own address if nothing is said.
    pub(crate) address: Option<IpAddr>,
    /// A second address, of IPv6.
    pub(crate) address_v6: Option<Ipv6Addr>,
    /// What phones are told instead, where a router translates addresses.
    pub(crate) public_address: Option<IpAddr>,
    /// First and last RTP port.
    pub(crate) ports: (u16, u16),
    /// Its share of the site's sessions.
    pub(crate) weight: u32,
    /// The name of its site; the first site if nothing is said.
    pub(crate) site: Option<String>,
    /// Packet threads; 0 is one for each processor.
    pub(crate) threads: usize,
    /// DiffServ code point of media packets.
    pub(crate) dscp: u8,
    pub(crate) max_sessions: u32,
}

const WEIGHT: u32 = 100;
const WEIGHT_MAX: u32 = 1_000;

impl Default for MediaConfig {
    fn default() -> Self {
        let relay = carillon_relay::Config::default();
        Self {
            control: relay.control,
            advertise: None,
            address: None,
            address_v6: None,
            public_address: None,
            ports: (relay.first_port, relay.last_port),
            weight: WEIGHT,
            site: None,
            threads: relay.threads,
            dscp: relay.dscp,
            max_sessions: relay.max_sessions,
        }
    }
}

impl MediaConfig {
    pub(super) fn problems(&self) -> Vec<String> {
        let relay = self.relay().problems();
        let mut problems: Vec<String> = relay
            .iter()
            .map(|problem| format!("media.{problem}").replace("first_port, last_port", "ports"))
            .collect();
        if self.weight > WEIGHT_MAX {
            problems.push(format!("media.weight: must be at most {WEIGHT_MAX}"));
        }
        problems
    }

    /// The same, for the media server itself.
    pub(crate) fn relay(&self) -> carillon_relay::Config {
        let (mut ipv4, mut ipv6): (Option<Ipv4Addr>, Option<Ipv6Addr>) = (None, self.address_v6);
        match self.media_address() {
            IpAddr::V4(address) => ipv4 = Some(address),
            IpAddr::V6(address) => ipv6 = Some(address),
        }
        let public_v4 = self.public_address.and_then(|public| match public {
            IpAddr::V4(public) => Some(public),
            IpAddr::V6(_) => None,
        });
        let public_v6 = self.public_address.and_then(|public| match public {
            IpAddr::V4(_) => None,
            IpAddr::V6(public) => Some(public),
        });
        carillon_relay::Config {
            control: self.control,
            ipv4: ipv4.map(|bind| MediaAddress {
                bind,
                advertise: public_v4,
            }),
            ipv6: ipv6.map(|bind| MediaAddress {
                bind,
                advertise: public_v6,
            }),
            first_port: self.ports.0,
            last_port: self.ports.1,
            threads: self.threads,
            dscp: self.dscp,
            max_sessions: self.max_sessions,
            ..carillon_relay::Config::default()
        }
    }

    /// Where phones send media.
    pub(crate) fn media_address(&self) -> IpAddr {
        let from_control = (!self.control.ip().is_unspecified()).then(|| self.control.ip());
        self.address
            .or(from_control)
            .unwrap_or_else(|| carillon_signalling::own_address(true))
    }

    /// Where control nodes reach the server, which listens at `bound`.
    pub(crate) fn control_address(&self, bound: SocketAddr) -> SocketAddr {
        if let Some(advertise) = self.advertise {
            return advertise;
        }
        match bound.ip().is_unspecified() {
            true => SocketAddr::new(self.media_address(), bound.port()),
            false => bound,
        }
    }
}
