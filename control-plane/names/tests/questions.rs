//! Phones ask the name server, over real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon_model::{SipListener, Transport};
use carillon_names::{Host, Server, Zone};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn host(name: &str, last: u8) -> Host {
    Host {
        name: name.to_owned(),
        sip: vec![SipListener {
            transport: Transport::Udp,
            address: ([192, 0, 2, last], 5060).into(),
        }],
        live: true,
    }
}

async fn start(hosts: &Arc<Mutex<Vec<Host>>>) -> Server {
    let hosts = Arc::clone(hosts);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let zone = Zone::new("pbx.example.org").unwrap();
    let now = move || hosts.lock().unwrap().clone();
    Server::start(any_port, zone, now).await.unwrap()
}

/// A phone's resolver, which keeps nothing.
fn phone(server: SocketAddr, mut by: ConnectionConfig) -> TokioResolver {
    by.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![by]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, Default::default());
    builder.options_mut().cache_size = 0;
    builder.options_mut().timeout = PATIENCE;
    builder.build().unwrap()
}

async fn addresses(phone: &TokioResolver) -> Vec<IpAddr> {
    let found = phone.lookup_ip("pbx.example.org.").await.unwrap();
    let mut found: Vec<IpAddr> = found.iter().collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn a_phone_finds_the_live_nodes_and_no_longer_the_one_that_dies() {
    let hosts = Arc::new(Mutex::new(vec![host("control1", 1), host("control2", 2)]));
    let server = start(&hosts).await;
    for by in [ConnectionConfig::udp(), ConnectionConfig::tcp()] {
        let phone = phone(server.local_addr(), by);
        let both: Vec<IpAddr> = vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        assert_eq!(addresses(&phone).await, both);
        hosts.lock().unwrap()[0].live = false;
        assert_eq!(addresses(&phone).await, both[1..]);
        let services = phone
            .srv_lookup("_sip._udp.pbx.example.org.")
            .await
            .unwrap();
        assert_eq!(services.answers().len(), 1);
        assert!(phone.lookup_ip("pbx.example.com.").await.is_err());
        hosts.lock().unwrap()[0].live = true;
    }
    server.stop().await;
}

#[tokio::test]
async fn nonsense_is_not_answered_or_answered_as_such_and_the_server_lives() {
    let hosts = Arc::new(Mutex::new(vec![host("control1", 1)]));
    let server = start(&hosts).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut header = [0_u8; 12];
    header[5] = 9;
    for nonsense in [&b""[..], b"x", &[0xff; 512], &header] {
        socket.send_to(nonsense, server.local_addr()).await.unwrap();
    }
    // A notification (RFC 1996) for our domain is none of our business.
    let mut notify = vec![0, 7, 0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    notify.extend(b"\x03pbx\x07example\x03org\x00\x00\x06\x00\x01");
    socket.send_to(&notify, server.local_addr()).await.unwrap();
    let mut answer = [0; 512];
    loop {
        let heard = timeout(PATIENCE, socket.recv(&mut answer)).await.unwrap();
        heard.unwrap();
        if answer[1] == 7 {
            break;
        }
    }
    assert_eq!(answer[3] & 0x0f, 4, "not implemented");
    let phone = phone(server.local_addr(), ConnectionConfig::udp());
    assert_eq!(addresses(&phone).await.len(), 1);
}
