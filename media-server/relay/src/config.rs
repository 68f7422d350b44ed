use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use carillon_session::Limits;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a media server runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where control nodes reach it (QUIC over UDP).
    pub control: SocketAddr,
    /// Where phones reach it over IPv4; at least one family is needed.
    pub ipv4: Option<MediaAddress<Ipv4Addr>>,
    /// Where phones reach it over IPv6.
    pub ipv6: Option<MediaAddress<Ipv6Addr>>,
    /// The first port for media; RTP takes the even ones, RTCP the next.
    pub first_port: u16,
    /// The last port for media.
    pub last_port: u16,
    /// How long a port rests before another call gets it.
    pub port_rest_ms: u64,
    /// Threads that move packets; 0 is one for each processor.
    pub threads: usize,
    /// DiffServ code point of media packets; 46 is expedited forwarding.
    pub dscp: u8,
    pub max_sessions: u32,
    /// A session that no control node claims and no media comes to is removed after this.
    pub orphan_ms: u64,
}

/// An address of this machine, and the one that phones are told when a router translates between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaAddress<A> {
    pub bind: A,
    #[serde(default = "Option::default")]
    pub advertise: Option<A>,
}

impl<A: Copy> MediaAddress<A> {
    /// Phones are told the address that is bound.
    pub const fn plain(bind: A) -> Self {
        Self {
            bind,
            advertise: None,
        }
    }

    pub(crate) fn advertised(&self) -> A {
        self.advertise.unwrap_or(self.bind)
    }
}

/// The DiffServ field has six bits.
const MAX_DSCP: u8 = 63;
const MAX_THREADS: usize = 256;

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            control: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7500)),
            ipv4: None,
            ipv6: None,
            first_port: 10_000,
            last_port: 20_000,
            port_rest_ms: 3_000,
            threads: 0,
            dscp: 46,
            max_sessions: limits.sessions,
            orphan_ms: limits.orphan_ms,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigProblem {
    #[error("ipv4, ipv6: neither is set; phones need an address of this machine to send media to")]
    NoAddress,
    #[error("{field}.bind: {address} is no address that a phone could send to")]
    BadAddress {
        field: &'static str,
        address: IpAddr,
    },
    #[error("first_port, last_port: {first} to {last} holds no pair of an even port and the next")]
    NoPorts { first: u16, last: u16 },
    #[error("first_port: {0} is among the ports that only root may bind")]
    LowPorts(u16),
    #[error("threads: {0} is more than {MAX_THREADS}")]
    TooManyThreads(usize),
    #[error("dscp: {0} is more than {MAX_DSCP}")]
    BadDscp(u8),
    #[error("max_sessions: 0 would serve nobody")]
    NoSessions,
}

impl Config {
    /// All that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.ipv4.is_none() && self.ipv6.is_none() {
            problems.push(ConfigProblem::NoAddress);
        }
        let v4 = self.ipv4.map(|address| {
            (
                "ipv4",
                IpAddr::from(address.bind),
                IpAddr::from(address.advertised()),
            )
        });
        let v6 = self.ipv6.map(|address| {
            (
                "ipv6",
                IpAddr::from(address.bind),
                IpAddr::from(address.advertised()),
            )
        });
        for (field, bind, advertised) in v4.into_iter().chain(v6) {
            let bad = [bind, advertised]
                .into_iter()
                .find(|ip| ip.is_unspecified() || ip.is_multicast());
            problems.extend(bad.map(|address| ConfigProblem::BadAddress { field, address }));
        }
        if self.pairs().next().is_none() {
            problems.push(ConfigProblem::NoPorts {
                first: self.first_port,
                last: self.last_port,
            });
        }
        if self.first_port < 1024 {
            problems.push(ConfigProblem::LowPorts(self.first_port));
        }
        if self.threads > MAX_THREADS {
            problems.push(ConfigProblem::TooManyThreads(self.threads));
        }
        if self.dscp > MAX_DSCP {
            problems.push(ConfigProblem::BadDscp(self.dscp));
        }
        if self.max_sessions == 0 {
            problems.push(ConfigProblem::NoSessions);
        }
        problems
    }

    /// The even ports whose next is in the range too.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = u16> + use<> {
        let last = self.last_port;
        (self.first_port..=last).filter(move |port| port % 2 == 0 && *port < last)
    }

    pub(crate) fn limits(&self, threads: usize) -> Limits {
        let threads = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
        Limits {
            sessions: self.max_sessions.div_ceil(threads),
            orphan_ms: self.orphan_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_lack_only_an_address() {
        assert_eq!(Config::default().problems(), [ConfigProblem::NoAddress]);
        let config = Config {
            ipv4: Some(MediaAddress::plain(Ipv4Addr::LOCALHOST)),
            ..Config::default()
        };
        assert_eq!(config.problems(), []);
        assert_eq!(config.pairs().count(), 5000);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let config = Config {
            ipv4: Some(MediaAddress::plain(Ipv4Addr::UNSPECIFIED)),
            first_port: 1001,
            last_port: 1002,
            threads: 1000,
            dscp: 64,
            max_sessions: 0,
            ..Config::default()
        };
        assert_eq!(config.problems().len(), 6);
    }
}
