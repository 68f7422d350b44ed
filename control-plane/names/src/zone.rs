//! What the cluster's domain holds: a pure function of the nodes that live.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, bail};
use carillon_model::{SipListener, Transport};
use hickory_server::proto::rr::rdata::{A, AAAA, NAPTR, NS, SOA, SRV};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};

/// Seconds that an answer may be kept: phones and their resolvers ask again soon after a node has gone.
const TTL_S: u32 = 5;
/// Seconds after which a secondary would ask again, try again and give up. There are no secondaries.
const REFRESH_S: i32 = 60;
const EXPIRE_S: i32 = 3600;
const PRIORITY: u16 = 10;
const WEIGHT: u16 = 10;
const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];
/// A label of a name (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;

/// A control node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name for people, which becomes a label.
    pub name: String,
    /// Where it takes SIP.
    pub sip: Vec<SipListener>,
    /// Whether it takes new registrations and calls now.
    pub live: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These; none if the name has nothing of this type.
    Records(Vec<Record>),
    /// There is no such name.
    NoSuchName,
    /// Not our domain.
    Refused,
}

/// The cluster's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    origin: Name,
}

impl Zone {
    /// The domain of that name, as `pbx.example.org`.
    pub fn new(domain: &str) -> anyhow::Result<Self> {
        let mut origin = Name::from_ascii(domain)
            .with_context(|| format!("{domain} is no domain name"))?
            .to_lowercase();
        if origin.num_labels() == 0 {
            bail!("a name server of a PBX does not answer for the root");
        }
        origin.set_fqdn(true);
        Ok(Self { origin })
    }

    /// What `name` holds of `kind` while `hosts` are the control nodes. `turn` grows with each question, so that
    /// phones that take the first of several addresses spread over the nodes.
    pub(crate) fn answer(
        &self,
        name: &Name,
        kind: RecordType,
        hosts: &[Host],
        turn: usize,
    ) -> Answer {
        if !self.origin.zone_of(name) {
            return Answer::Refused;
        }
        let name = name.to_lowercase();
        let live: Vec<&Host> = hosts.iter().filter(|host| host.live).collect();
        let known = self.known(&name, hosts);
        let Some(known) = known else {
            return Answer::NoSuchName;
        };
        let mut records = match known {
            Known::Domain => self.of_domain(kind, &live),
            Known::Service(transport) => self.of_service(&name, transport, kind, &live),
            Known::Host(host) => addresses(&name, host, kind),
        };
        if !records.is_empty() {
            let places = records.len();
            records.rotate_left(turn % places);
        }
        Answer::Records(records)
    }

    /// Who answers for the domain; goes with every refusal, so that it is not remembered for long (RFC 2308).
    pub(crate) fn authority(&self, hosts: &[Host]) -> Record {
        let first = hosts.iter().find(|host| host.live);
        let server = first.and_then(|host| self.name_of(host));
        let server = server.unwrap_or_else(|| self.origin.clone());
        let hostmaster = self.under("hostmaster");
        let data = SOA::new(
            server,
            hostmaster.unwrap_or_else(|| self.origin.clone()),
            1,
            REFRESH_S,
            REFRESH_S,
            EXPIRE_S,
            TTL_S,
        );
        record(&self.origin, RData::SOA(data))
    }

    fn known<'a>(&self, name: &Name, hosts: &'a [Host]) -> Option<Known<'a>> {
        if *name == self.origin {
            return Some(Known::Domain);
        }
        let service = TRANSPORTS
            .into_iter()
            .find(|transport| self.service(*transport).as_ref() == Some(name));
        if let Some(transport) = service {
            return Some(Known::Service(transport));
        }
        let host = hosts
            .iter()
            .find(|host| self.name_of(host).as_ref() == Some(name));
        host.map(Known::Host)
    }

    fn of_domain(&self, kind: RecordType, live: &[&Host]) -> Vec<Record> {
        match kind {
            RecordType::A | RecordType::AAAA => live
                .iter()
                .flat_map(|host| addresses(&self.origin, host, kind))
                .collect(),
            RecordType::NS => live
                .iter()
                .filter_map(|host| self.name_of(host))
                .map(|name| record(&self.origin, RData::NS(NS(name))))
                .collect(),
            RecordType::SOA => {
                let hosts: Vec<Host> = live.iter().map(|host| (*host).clone()).collect();
                vec![self.authority(&hosts)]
            }
            RecordType::NAPTR => self.transports_offered(live),
            _ => Vec::new(),
        }
    }

    /// RFC 3263 §4.1: which transports there are, in the order in which the first node lists them.
    fn transports_offered(&self, live: &[&Host]) -> Vec<Record> {
        let mut offered: Vec<Transport> = Vec::new();
        for listener in live.iter().flat_map(|host| &host.sip) {
            if !offered.contains(&listener.transport) {
                offered.push(listener.transport);
            }
        }
        let rules = (1..).zip(offered).filter_map(|(order, transport)| {
            let rule = NAPTR::new(
                order * 10,
                10,
                b"s".as_slice().into(),
                naptr_service(transport).as_bytes().into(),
                Box::default(),
                self.service(transport)?,
            );
            Some(record(&self.origin, RData::NAPTR(rule)))
        });
        rules.collect()
    }

    fn of_service(
        &self,
        name: &Name,
        transport: Transport,
        kind: RecordType,
        live: &[&Host],
    ) -> Vec<Record> {
        if kind != RecordType::SRV {
            return Vec::new();
        }
        let mut records = Vec::new();
        for host in live {
            let listeners = host.sip.iter().filter(|own| own.transport == transport);
            let ports: BTreeSet<u16> = listeners.map(|own| own.address.port()).collect();
            let Some(target) = self.name_of(host) else {
                continue;
            };
            records.extend(ports.into_iter().map(|port| {
                let data = SRV::new(PRIORITY, WEIGHT, port, target.clone());
                record(name, RData::SRV(data))
            }));
        }
        records
    }

    fn service(&self, transport: Transport) -> Option<Name> {
        let (service, protocol) = match transport {
            Transport::Udp => ("_sip", "_udp"),
            Transport::Tcp => ("_sip", "_tcp"),
            Transport::Tls => ("_sips", "_tcp"),
        };
        self.under(protocol)?.prepend_label(service).ok()
    }

    fn name_of(&self, host: &Host) -> Option<Name> {
        self.under(&label(&host.name))
    }

    fn under(&self, label: &str) -> Option<Name> {
        self.origin.prepend_label(label).ok()
    }
}

/// What a name of the domain stands for.
enum Known<'a> {
    Domain,
    Service(Transport),
    Host(&'a Host),
}

fn naptr_service(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "SIP+D2U",
        Transport::Tcp => "SIP+D2T",
        Transport::Tls => "SIPS+D2T",
    }
}

/// A node's name as a label of letters, digits and hyphens (RFC 1123 §2.1).
fn label(name: &str) -> String {
    let plain = name.chars().map(|letter| match letter {
        'a'..='z' | '0'..='9' => letter,
        'A'..='Z' => letter.to_ascii_lowercase(),
        _ => '-',
    });
    let plain: String = plain.take(LABEL_MAX).collect();
    plain.trim_matches('-').to_owned()
}

fn addresses(name: &Name, host: &Host, kind: RecordType) -> Vec<Record> {
    let own: BTreeSet<IpAddr> = host.sip.iter().map(|own| own.address.ip()).collect();
    let data = own.into_iter().filter_map(|address| match (address, kind) {
        (IpAddr::V4(address), RecordType::A) => Some(RData::A(A(address))),
        (IpAddr::V6(address), RecordType::AAAA) => Some(RData::AAAA(AAAA(address))),
        _ => None,
    });
    data.map(|data| record(name, data)).collect()
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), TTL_S, data)
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
