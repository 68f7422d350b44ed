//! Real connections to a listener whose brain is the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_model::{Flow, NodeId, Transport};
use carillon_telemetry::Metrics;
use carillon_telemetry::metrics::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bind::{Bound, Setup, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::limits::HALF_OPEN_MAX;
use crate::sockets::{Inbound, Sockets};
use crate::tls::Tls;

const OPTIONS: &[u8] =
    b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody";

struct Node {
    sockets: Arc<Sockets>,
    inbound: mpsc::Receiver<Inbound>,
    _tasks: JoinSet<()>,
}

impl Node {
    fn start(listen: &str, connections_per_source_max: usize) -> Self {
        let config = Config {
            listen: vec![listen.parse().unwrap()],
            ..Config::default()
        };
        let setup = Setup {
            node: NodeId(1),
            clock: Clock::start(),
            metrics: Metrics::new(),
            tls: Tls::new(None).unwrap(),
            connections_max: 10_000,
            first_connection: 1,
            connections_per_source_max,
        };
        let (sockets, inbound, tasks) = serve(Bound::bind(&config).unwrap(), setup);
        Self {
            sockets,
            inbound,
            _tasks: tasks,
        }
    }

    fn address(&self) -> SocketAddr {
        self.sockets.listeners[0].address
    }

    async fn phone(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    async fn message(&mut self) -> (Flow, Bytes) {
        match self.inbound.recv().await.unwrap() {
            Inbound::Message { flow, bytes } => (flow, bytes),
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    async fn closed(&mut self) -> Flow {
        loop {
            if let Inbound::Closed { flow } = self.inbound.recv().await.unwrap() {
                return flow;
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> u64 {
        self.sockets.metrics.sip.refused(refusal).value()
    }
}

/// All that comes until the other side closes.
async fn rest(phone: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    // A reset is an end as well.
    let _ = phone.read_to_end(&mut octets).await;
    octets
}

#[tokio::test]
async fn a_phone_is_answered_on_its_connection() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let mut phone = node.phone().await;
    phone.write_all(OPTIONS).await.unwrap();
    let (flow, bytes) = node.message().await;
    assert_eq!(&bytes[..], OPTIONS);
    assert_eq!((flow.node, flow.local), (NodeId(1), node.address()));
    assert_eq!(flow.peer, phone.local_addr().unwrap());

    node.sockets
        .send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"))
        .unwrap();
    let mut answer = [0; 18];
    phone.read_exact(&mut answer).await.unwrap();
    drop(phone);
    assert_eq!(node.closed().await, flow);
    assert!(node.sockets.send(&flow, Bytes::from_static(b"x")).is_err());
}

#[tokio::test]
async fn over_ipv6_too() {
    let mut node = Node::start("tcp:[::1]:0", 10);
    let mut phone = node.phone().await;
    phone.write_all(OPTIONS).await.unwrap();
    assert_eq!(node.message().await.0.peer, phone.local_addr().unwrap());
}

#[tokio::test]
async fn a_keep_alive_is_answered_by_the_connection_itself() {
    let node = Node::start("tcp:127.0.0.1:0", 10);
    let mut phone = node.phone().await;
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    phone.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[tokio::test]
async fn a_keep_alive_over_udp_is_answered_and_tells_the_phone_its_address() {
    let mut node = Node::start("udp:127.0.0.1:0", 10);
    let phone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    phone.connect(node.address()).await.unwrap();
    let request = b"\0\x01\0\0\x21\x12\xa4\x42transaction!";
    phone.send(request).await.unwrap();
    let mut answer = [0; 64];
    let octets = phone.recv(&mut answer).await.unwrap();
    assert_eq!((octets, &answer[8..20]), (32, &request[8..]));
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!(port, phone.local_addr().unwrap().port());
    // The brain hears of what follows, and of nothing before it.
    phone.send(OPTIONS).await.unwrap();
    assert_eq!(&node.message().await.1[..], OPTIONS);
}

#[tokio::test]
async fn a_request_of_ours_uses_the_connection_that_is_there_or_opens_one() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let callee = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = Flow {
        node: NodeId(1),
        transport: Transport::Tcp,
        local: node.address(),
        peer: callee.local_addr().unwrap(),
        connection: 0,
    };
    for _ in 0..2 {
        node.sockets
            .send(&flow, Bytes::from_static(OPTIONS))
            .unwrap();
    }
    let (mut connection, _) = callee.accept().await.unwrap();
    let mut both = vec![0; 2 * OPTIONS.len()];
    connection.read_exact(&mut both).await.unwrap();
    connection.write_all(OPTIONS).await.unwrap();
    let (answered_on, _) = node.message().await;
    assert_eq!(answered_on.peer, flow.peer);
    assert_ne!(answered_on.connection, 0);
}

#[tokio::test]
async fn nobody_there_comes_back_as_an_input() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let flow = Flow {
        node: NodeId(1),
        transport: Transport::Tcp,
        local: node.address(),
        peer: gone,
        connection: 0,
    };
    node.sockets
        .send(&flow, Bytes::from_static(OPTIONS))
        .unwrap();
    match node.inbound.recv().await.unwrap() {
        Inbound::SendFailed { flow: failed } => assert_eq!(failed, flow),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_header_of_a_megabyte_ends_its_connection_and_no_other() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let mut phone = node.phone().await;
    let mut vandal = node.phone().await;
    let _ = vandal
        .write_all(b"INVITE sip:a@127.0.0.1 SIP/2.0\r\nX: ")
        .await;
    let _ = vandal.write_all(&vec![b'x'; 1024 * 1024]).await;
    assert_eq!(rest(&mut vandal).await, b"");
    node.closed().await;
    assert_eq!(node.refused(Refusal::Framing), 1);

    phone.write_all(OPTIONS).await.unwrap();
    assert_eq!(&node.message().await.1[..], OPTIONS);
}

#[tokio::test(start_paused = true)]
async fn a_slow_sender_runs_out_of_time_however_often_it_sends() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let mut phone = node.phone().await;
    phone.write_all(OPTIONS).await.unwrap();
    node.message().await;
    let dribble = async {
        for octet in OPTIONS.iter().cycle() {
            if phone.write_all(&[*octet]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = dribble => {}
        _ = node.closed() => {}
    }
    assert_eq!(node.refused(Refusal::SlowSender), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stranger_is_sent_away_and_a_silent_phone_is_kept() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10);
    let mut phone = node.phone().await;
    phone.write_all(OPTIONS).await.unwrap();
    let (flow, _) = node.message().await;
    let stranger = node.phone().await;
    assert_ne!(node.closed().await, flow);
    assert_eq!(node.refused(Refusal::Idle), 1);
    assert!(
        node.sockets
            .send(&flow, Bytes::from_static(OPTIONS))
            .is_ok()
    );
    drop(stranger);
}

#[tokio::test]
async fn half_open_connections_are_bounded_and_phones_get_in() {
    let mut node = Node::start("tcp:127.0.0.1:0", 10_000);
    let mut idlers = Vec::new();
    for _ in 0..HALF_OPEN_MAX + 50 {
        idlers.push(node.phone().await);
    }
    let mut phone = node.phone().await;
    phone.write_all(OPTIONS).await.unwrap();
    let mut closed = 0;
    loop {
        match node.inbound.recv().await.unwrap() {
            Inbound::Message { .. } => break,
            Inbound::Closed { .. } => closed += 1,
            Inbound::SendFailed { .. } => {}
        }
    }
    assert!(closed <= 51, "{closed} were closed");
    let open = node.sockets.connections().count(Transport::Tcp);
    assert!(open <= HALF_OPEN_MAX + 1, "{open} are open");
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let node = Node::start("tcp:127.0.0.1:0", 2);
    let _kept = (node.phone().await, node.phone().await);
    let mut third = node.phone().await;
    assert_eq!(rest(&mut third).await, b"");
    assert_eq!(node.refused(Refusal::TooManyOfSource), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_datagrams_and_holds_streams_back() {
    let mut node = Node::start("udp:127.0.0.1:0", 10);
    let phone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    phone.connect(node.address()).await.unwrap();
    let flow = Flow {
        node: NodeId(1),
        transport: Transport::Udp,
        local: node.address(),
        peer: phone.local_addr().unwrap(),
        connection: 0,
    };
    let filler = || Inbound::SendFailed { flow };
    while node.sockets.try_deliver(filler()).is_ok() {}

    let register = "REGISTER sip:127.0.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1;rport\r\n\
        From: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
        Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    phone.send(register.as_bytes()).await.unwrap();
    let mut answer = vec![0; 2048];
    let octets = phone.recv(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..octets]);
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    assert!(answer.contains("Retry-After: "), "{answer}");
    let rport = format!("rport={}", phone.local_addr().unwrap().port());
    assert!(answer.contains(&rport), "{answer}");

    while node.inbound.try_recv().is_ok() {}
    phone.send(register.as_bytes()).await.unwrap();
    assert_eq!(&node.message().await.1[..], register.as_bytes());
}
