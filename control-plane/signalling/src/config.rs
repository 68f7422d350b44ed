use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use carillon_model::Transport;
use serde::Deserialize;

use crate::limits;

/// Where a node takes SIP.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: Vec<Listen>,
    /// The address that phones are told; needed where a listener is bound to all addresses of
    /// the machine and the one that leads to the phones is not the one towards the Internet.
    pub advertise: Option<IpAddr>,
    /// Certificate chain and key (PEM) of the TLS listeners; without them the cluster's
    /// authority issues one.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Authorities (PEM) that servers which we connect to may be certified by, besides the cluster's.
    pub trusted: Option<PathBuf>,
    pub connections_max: usize,
    pub connections_per_source_max: usize,
    /// Receiving tasks of each UDP listener, sharing its port.
    pub udp_sockets: usize,
    /// Whether there are floating addresses; the section of these says so.
    #[serde(skip)]
    pub floats: bool,
}

impl Default for Config {
    fn default() -> Self {
        let any = |transport, port| Listen {
            transport,
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        };
        Self {
            listen: vec![
                any(Transport::Udp, 5060),
                any(Transport::Tcp, 5060),
                any(Transport::Tls, 5061),
            ],
            advertise: None,
            certificate: None,
            key: None,
            trusted: None,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_source_max: limits::CONNECTIONS_PER_SOURCE_MAX,
            udp_sockets: 1,
            floats: false,
        }
    }
}

/// Receiving tasks beyond this many only add switching.
const UDP_SOCKETS_MAX: usize = 64;

impl Config {
    /// Every problem of this section, with the field first.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.listen.is_empty() {
            problems.push("sip.listen: at least one listener is needed".to_owned());
        }
        for (index, listen) in self.listen.iter().enumerate() {
            let twice = listen.address.port() != 0 && self.listen[..index].contains(listen);
            if twice {
                problems.push(format!("sip.listen: {listen} is there twice"));
            }
        }
        if self.certificate.is_some() != self.key.is_some() {
            problems.push("sip.certificate, sip.key: one needs the other".to_owned());
        }
        let files = [
            ("certificate", &self.certificate),
            ("key", &self.key),
            ("trusted", &self.trusted),
        ];
        for (field, path) in files {
            if let Some(path) = path
                && !path.is_file()
            {
                problems.push(format!("sip.{field}: there is no file {}", path.display()));
            }
        }
        if self.connections_max == 0 || self.connections_per_source_max == 0 {
            problems.push(
                "sip.connections_max, sip.connections_per_source_max: must be 1 or more".to_owned(),
            );
        }
        if !(1..=UDP_SOCKETS_MAX).contains(&self.udp_sockets) {
            problems.push(format!(
                "sip.udp_sockets: must be from 1 to {UDP_SOCKETS_MAX}"
            ));
        }
        problems
    }
}

/// A listener, written `udp:0.0.0.0:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.address)
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no listener; write it as udp:0.0.0.0:5060");
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            transport: transport.parse().map_err(|_| wrong())?,
            address: address.parse().map_err(|_| wrong())?,
        })
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_back_what_it_wrote() {
        for text in [
            "udp:0.0.0.0:5060",
            "tls:[2001:db8::1]:5061",
            "tcp:127.0.0.1:0",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "udp", "ws:0.0.0.0:80", "udp:example.org:5060"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = Config {
            listen: Vec::new(),
            certificate: Some("/nowhere/cert.pem".into()),
            udp_sockets: 0,
            ..Config::default()
        };
        assert_eq!(config.problems().len(), 4, "{:?}", config.problems());
    }
}
