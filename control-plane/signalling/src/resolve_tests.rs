//! The steps of RFC 3263 against a name server that has what the test says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use carillon_model::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;

use crate::resolve::{Resolver, Server};

const TTL_S: u32 = 60;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    RData::NAPTR(NAPTR::new(
        order,
        preference,
        b"s".as_slice().into(),
        service.as_bytes().into(),
        Box::default(),
        name(replacement),
    ))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 10, port, name(target)))
}

fn v4(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

/// A name server on loopback with these records and no others.
async fn resolver(records: Vec<(&str, RData)>) -> Resolver {
    let zone: Vec<Record> = records
        .into_iter()
        .map(|(owner, data)| Record::from_rdata(name(owner), TTL_S, data))
        .collect();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (octets, asker) = socket.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..octets]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.metadata.recursion_available = true;
            answer.add_answers(
                zone.iter()
                    .filter(|record| {
                        record.name == *query.name() && record.record_type() == query.query_type()
                    })
                    .cloned(),
            );
            answer.add_query(query);
            let octets = answer.to_vec().unwrap();
            socket.send_to(&octets, asker).await.unwrap();
        }
    });
    let mut by = ConnectionConfig::udp();
    by.port = address.port();
    let server = NameServerConfig::new(address.ip(), true, vec![by]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let builder = TokioResolver::builder_with_config(config, Default::default());
    Resolver::with(builder.build().unwrap())
}

fn server(host: &str) -> Server {
    Server {
        host: host.to_owned(),
        port: None,
        transport: None,
        secure: false,
    }
}

async fn ways(resolver: &Resolver, server: &Server) -> Vec<String> {
    let targets = resolver.resolve(server).await;
    let ways = targets.iter();
    ways.map(|target| format!("{} {}", target.transport, target.address))
        .collect()
}

#[tokio::test]
async fn naptr_says_the_transports_and_srv_the_servers_in_their_order() {
    let dns = resolver(vec![
        (
            "carrier.test.",
            naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.test."),
        ),
        (
            "carrier.test.",
            naptr(10, 10, "sip+d2t", "_sip._tcp.carrier.test."),
        ),
        (
            "carrier.test.",
            naptr(5, 10, "SIPS+D2T", "_sips._tcp.carrier.test."),
        ),
        (
            "carrier.test.",
            naptr(1, 1, "E2U+email", "mail.carrier.test."),
        ),
        (
            "_sips._tcp.carrier.test.",
            srv(10, 5061, "one.carrier.test."),
        ),
        (
            "_sip._tcp.carrier.test.",
            srv(20, 5070, "two.carrier.test."),
        ),
        (
            "_sip._tcp.carrier.test.",
            srv(10, 5080, "one.carrier.test."),
        ),
        (
            "_sip._udp.carrier.test.",
            srv(10, 5090, "two.carrier.test."),
        ),
        ("one.carrier.test.", v4(1)),
        ("two.carrier.test.", v4(2)),
    ])
    .await;
    let expected = [
        "tls 192.0.2.1:5061",
        "tcp 192.0.2.1:5080",
        "tcp 192.0.2.2:5070",
        "udp 192.0.2.2:5090",
    ];
    assert_eq!(ways(&dns, &server("carrier.test")).await, expected);
    let secure = Server {
        secure: true,
        ..server("carrier.test")
    };
    assert_eq!(ways(&dns, &secure).await, expected[..1]);
}

#[tokio::test]
async fn without_naptr_srv_is_asked_of_each_transport() {
    let dns = resolver(vec![
        (
            "_sip._tcp.carrier.test.",
            srv(10, 5070, "one.carrier.test."),
        ),
        (
            "_sip._udp.carrier.test.",
            srv(10, 5060, "one.carrier.test."),
        ),
        ("one.carrier.test.", v4(1)),
    ])
    .await;
    let both = ["udp 192.0.2.1:5060", "tcp 192.0.2.1:5070"];
    assert_eq!(ways(&dns, &server("carrier.test")).await, both);
    let by_tcp = Server {
        transport: Some(Transport::Tcp),
        ..server("carrier.test")
    };
    assert_eq!(ways(&dns, &by_tcp).await, both[1..]);
}

#[tokio::test]
async fn a_name_with_addresses_alone_is_reached_by_udp_and_by_both_families() {
    let dns = resolver(vec![
        ("carrier.test.", v4(1)),
        (
            "carrier.test.",
            RData::AAAA(AAAA(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        ),
        (
            "_sip._udp.carrier.test.",
            srv(10, 5090, "other.carrier.test."),
        ),
        ("other.carrier.test.", v4(2)),
        ("plain.carrier.test.", v4(3)),
    ])
    .await;
    // RFC 3263 §4.2: a port in the URI makes SRV records unnecessary.
    let with_port = Server {
        port: Some(5080),
        ..server("carrier.test")
    };
    let mut found = ways(&dns, &with_port).await;
    found.sort_unstable();
    assert_eq!(found, ["udp 192.0.2.1:5080", "udp [2001:db8::1]:5080"]);
    assert_eq!(
        ways(&dns, &server("plain.carrier.test")).await,
        ["udp 192.0.2.3:5060"]
    );
}

#[tokio::test]
async fn what_is_decidedly_not_there_and_what_nobody_knows() {
    let dns = resolver(vec![
        (
            "carrier.test.",
            naptr(10, 10, "SIP+D2U", "_sip._udp.carrier.test."),
        ),
        ("_sip._udp.carrier.test.", srv(0, 0, ".")),
    ])
    .await;
    assert!(ways(&dns, &server("carrier.test")).await.is_empty());
    assert!(ways(&dns, &server("nobody.test")).await.is_empty());
}

#[tokio::test]
async fn an_address_is_not_looked_up() {
    let dns = resolver(Vec::new()).await;
    assert_eq!(
        ways(&dns, &server("192.0.2.9")).await,
        ["udp 192.0.2.9:5060"]
    );
    let secure = Server {
        secure: true,
        ..server("[2001:db8::9]")
    };
    assert_eq!(ways(&dns, &secure).await, ["tls [2001:db8::9]:5061"]);
    let loopback: IpAddr = Ipv6Addr::LOCALHOST.into();
    let with_port = Server {
        port: Some(5070),
        ..server(&loopback.to_string())
    };
    let expected = SocketAddr::new(loopback, 5070);
    assert_eq!(ways(&dns, &with_port).await, [format!("udp {expected}")]);
}
