//! From the name of a SIP server to addresses (RFC 3263).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use carillon_model::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

/// For all queries of one name together.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);
const ATTEMPTS: usize = 2;
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Addresses beyond this many are not tried.
const TARGETS_MAX: usize = 16;

/// A server as a URI names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: Option<u16>,
    pub transport: Option<Transport>,
    /// `sips:` was asked for.
    pub secure: bool,
}

/// One way to a server; ways are tried in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// Looks names up; answers are kept for as long as DNS allows.
#[derive(Clone)]
pub struct Resolver {
    dns: TokioResolver,
}

/// A step of RFC 3263: where to look for which transport.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    transport: Transport,
    name: String,
}

impl Resolver {
    /// By the name servers of the machine.
    pub fn of_system() -> anyhow::Result<Self> {
        let mut builder = TokioResolver::builder_tokio()?;
        let options = builder.options_mut();
        options.attempts = ATTEMPTS;
        options.timeout = ATTEMPT_TIMEOUT;
        Ok(Self {
            dns: builder.build()?,
        })
    }

    /// By a resolver made elsewhere.
    pub fn with(dns: TokioResolver) -> Self {
        Self { dns }
    }

    /// All ways to a server, the best first; empty when there is none.
    pub async fn resolve(&self, server: &Server) -> Vec<Target> {
        if let Ok(ip) = server.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let transport = server.transport_or_default();
            let port = server.port.unwrap_or_else(|| default_port(transport));
            let address = SocketAddr::new(ip, port);
            return vec![Target { transport, address }];
        }
        let mut targets = timeout(LOOKUP_TIMEOUT, self.look_up(server))
            .await
            .unwrap_or_default();
        targets.truncate(TARGETS_MAX);
        targets
    }

    async fn look_up(&self, server: &Server) -> Vec<Target> {
        // RFC 3263 §4.2: an explicit port makes SRV records unnecessary.
        if let Some(port) = server.port {
            let transport = server.transport_or_default();
            return self.addresses(&server.host, transport, port).await;
        }
        let services = match server.transport {
            Some(transport) => vec![service(transport, &server.host)],
            None => self.services(server).await,
        };
        let mut targets = Vec::new();
        for service in services {
            for (host, port) in self.srv(&service.name).await {
                targets.extend(self.addresses(&host, service.transport, port).await);
            }
        }
        if targets.is_empty() {
            let transport = server.transport_or_default();
            let port = default_port(transport);
            targets = self.addresses(&server.host, transport, port).await;
        }
        targets
    }

    /// RFC 3263 §4.1: NAPTR says which transports there are; without it, SRV records of each are tried.
    async fn services(&self, server: &Server) -> Vec<Service> {
        let mut found: Vec<(u16, u16, Service)> = Vec::new();
        if let Ok(answer) = self
            .dns
            .lookup(fully(&server.host), RecordType::NAPTR)
            .await
        {
            for record in answer.answers() {
                let RData::NAPTR(naptr) = &record.data else {
                    continue;
                };
                if let Some(transport) = transport_of_service(&naptr.services) {
                    let name = naptr.replacement.to_string();
                    found.push((naptr.order, naptr.preference, Service { transport, name }));
                }
            }
        }
        found.retain(|(_, _, service)| !server.secure || service.transport.is_secure());
        found.sort_by_key(|(order, preference, _)| (*order, *preference));
        if !found.is_empty() {
            return found.into_iter().map(|(_, _, service)| service).collect();
        }
        let tried: &[Transport] = match server.secure {
            true => &[Transport::Tls],
            false => &[Transport::Udp, Transport::Tcp],
        };
        tried
            .iter()
            .map(|transport| service(*transport, &server.host))
            .collect()
    }

    async fn srv(&self, name: &str) -> Vec<(String, u16)> {
        let Ok(answer) = self.dns.srv_lookup(fully(name)).await else {
            return Vec::new();
        };
        let mut records: Vec<(u16, u16, String, u16)> = Vec::new();
        for record in answer.answers() {
            if let RData::SRV(srv) = &record.data {
                records.push((srv.priority, srv.weight, srv.target.to_string(), srv.port));
            }
        }
        // A target of "." says that the service is decidedly not there (RFC 2782).
        records.retain(|(_, _, target, _)| target != ".");
        order(&mut records);
        records
            .into_iter()
            .map(|(_, _, target, port)| (target, port))
            .collect()
    }

    async fn addresses(&self, host: &str, transport: Transport, port: u16) -> Vec<Target> {
        let Ok(found) = self.dns.lookup_ip(fully(host)).await else {
            return Vec::new();
        };
        found
            .iter()
            .map(|ip| Target {
                transport,
                address: SocketAddr::new(ip, port),
            })
            .collect()
    }
}

impl Server {
    fn transport_or_default(&self) -> Transport {
        let default = if self.secure {
            Transport::Tls
        } else {
            Transport::Udp
        };
        self.transport.unwrap_or(default)
    }
}

/// By priority; within one, heavier records first more often (RFC 2782).
fn order(records: &mut [(u16, u16, String, u16)]) {
    records.sort_by_cached_key(|(priority, weight, _, _)| {
        let draw = getrandom::u32().unwrap_or(0) % (u32::from(*weight) + 1);
        (*priority, std::cmp::Reverse(draw))
    });
}

fn service(transport: Transport, host: &str) -> Service {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    Service {
        transport,
        name: format!("{prefix}.{host}"),
    }
}

fn transport_of_service(services: &[u8]) -> Option<Transport> {
    match services.to_ascii_uppercase().as_slice() {
        b"SIP+D2U" => Some(Transport::Udp),
        b"SIP+D2T" => Some(Transport::Tcp),
        b"SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
    }
}

/// With a final dot, so that the search list of the machine is not tried.
fn fully(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
