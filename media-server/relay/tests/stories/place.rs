//! A media server on a loopback address of its own, control nodes that are members of its cluster, and phones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use carillon_link::{
    Authority, Connection, Endpoint, FrameReceiver, FrameSender, NodeId, Peer, Service,
};
use carillon_protocol::{
    ClientHello, DirectionQuality, Event, Family, Link, Local, NodeName, OLDEST_VERSION, Payload,
    Reply, Request, ServerHello, SessionDescriptor, SessionId, Termination, ToClient, ToServer,
    VERSION, decode, encode,
};
use carillon_relay::{Config, MediaAddress, MediaServer};
use carillon_rtp::Packet;
use carillon_telemetry::Metrics;

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
const MEDIA: Peer = Peer::Media(1);

/// A loopback address of this test's own: tests run as threads of one process or as processes beside each other.
fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, high | 0x80, low, next)
}

pub(crate) struct Place {
    pub(crate) server: MediaServer,
    pub(crate) authority: Authority,
    pub(crate) metrics: Metrics,
    pub(crate) address: Ipv4Addr,
    ports: RangeInclusive<u16>,
}

pub(crate) struct Node {
    sender: FrameSender,
    receiver: FrameReceiver,
    pub(crate) connection: Connection,
    pub(crate) hello: ServerHello,
    events: Vec<Event>,
    _endpoint: Endpoint,
}

/// A phone: a socket and the stream that it sends.
pub(crate) struct Phone {
    socket: UdpSocket,
    ssrc: u32,
    sequence: u16,
}

impl Place {
    /// Two threads, fifty pairs of ports, on an address that no other test uses.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let address = fresh_address();
        let mut config = Config {
            control: SocketAddr::from((address, 0)),
            ipv4: Some(MediaAddress::plain(address)),
            first_port: 10_000,
            last_port: 10_099,
            port_rest_ms: 0,
            threads: 2,
            ..Config::default()
        };
        change(&mut config);
        let ports = config.first_port..=config.last_port;
        let authority = Authority::generate("test").unwrap();
        let credentials = Arc::new(authority.credentials(MEDIA).unwrap());
        let metrics = Metrics::new();
        let server = MediaServer::start(config, credentials, metrics.clone())
            .await
            .unwrap();
        Self {
            server,
            authority,
            metrics,
            address,
            ports,
        }
    }

    /// A control node that has said hello.
    pub(crate) async fn node(&self, id: u64) -> Node {
        self.node_of_version(id, OLDEST_VERSION, VERSION).await
    }

    pub(crate) async fn node_of_version(&self, id: u64, oldest_version: u16, version: u16) -> Node {
        let (endpoint, connection) = self.dial(Peer::Node(NodeId(id))).await;
        let (mut sender, mut receiver) = connection.open().await.unwrap();
        let node = NodeName {
            id,
            software: "test".into(),
        };
        let hello = ToServer::Hello(ClientHello {
            version,
            oldest_version,
            node,
        });
        sender.send(encode(&hello).unwrap().into()).await.unwrap();
        let answer = receiver.recv().await.unwrap().unwrap();
        let ToClient::Hello(hello) = decode(&answer).unwrap() else {
            panic!("{answer:?}")
        };
        Node {
            sender,
            receiver,
            connection,
            hello,
            events: Vec::new(),
            _endpoint: endpoint,
        }
    }

    /// A connection of whoever has a certificate of this cluster.
    pub(crate) async fn dial(&self, who: Peer) -> (Endpoint, Connection) {
        let credentials = Arc::new(self.authority.credentials(who).unwrap());
        let control = self.server.addresses().control;
        let endpoint = Endpoint::caller(control, credentials).unwrap();
        let connection = endpoint
            .connect(control, MEDIA, Service::Media)
            .await
            .unwrap();
        (endpoint, connection)
    }

    /// Media ports that are in use: they cannot be bound.
    pub(crate) fn bound_ports(&self) -> usize {
        self.ports
            .clone()
            .filter(|port| UdpSocket::bind((self.address, *port)).is_err())
            .count()
    }
}

impl Node {
    pub(crate) async fn say(&mut self, request: Request) {
        self.sender
            .send(encode(&ToServer::Request(request)).unwrap().into())
            .await
            .unwrap();
    }

    pub(crate) async fn send_octets(&mut self, octets: &'static [u8]) {
        self.sender.send(octets.into()).await.unwrap();
    }

    async fn hear(&mut self) -> Reply {
        let frame = tokio::time::timeout(PATIENCE, self.receiver.recv())
            .await
            .expect("no answer")
            .unwrap();
        let ToClient::Reply(reply) = decode(&frame.expect("the connection is closed")).unwrap()
        else {
            panic!()
        };
        reply
    }

    /// The answer; events that come before it are kept.
    pub(crate) async fn ask(&mut self, request: Request) -> Reply {
        self.say(request).await;
        loop {
            match self.hear().await {
                Reply::Event(event) => self.events.push(event),
                reply => return reply,
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        if !self.events.is_empty() {
            return self.events.remove(0);
        }
        match self.hear().await {
            Reply::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn put(&mut self, descriptor: &SessionDescriptor) -> Vec<Local> {
        match self.ask(Request::Put(descriptor.clone())).await {
            Reply::Established { terminations, .. } => terminations,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn release(
        &mut self,
        descriptor: &SessionDescriptor,
    ) -> Vec<DirectionQuality> {
        let (session, epoch) = (descriptor.session, descriptor.epoch);
        match self.ask(Request::Release { session, epoch }).await {
            Reply::Released { quality, .. } => quality,
            other => panic!("{other:?}"),
        }
    }

    /// The power goes: nobody says goodbye.
    pub(crate) async fn die(self) {
        self.connection.close("dead");
    }
}

impl Phone {
    pub(crate) fn new(ssrc: u32) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), ssrc)
    }

    pub(crate) fn new_v6(ssrc: u32) -> Self {
        Self::at(Ipv6Addr::LOCALHOST.into(), ssrc)
    }

    fn at(ip: IpAddr, ssrc: u32) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            ssrc,
            sequence: 0,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Sends its next packet, stamped with its number.
    pub(crate) fn say(&mut self, to: SocketAddr) {
        let mut octets = Vec::new();
        let stamp = self.sequence.to_be_bytes();
        Packet::new(
            8,
            self.sequence,
            u32::from(self.sequence) * 160,
            self.ssrc,
            &stamp,
        )
        .write(&mut octets);
        self.sequence = self.sequence.wrapping_add(1);
        self.send(to, &octets);
    }

    pub(crate) fn send(&self, to: SocketAddr, octets: &[u8]) {
        self.socket.send_to(octets, to).unwrap();
    }

    pub(crate) fn hear_octets(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (octets, from) = self
            .socket
            .recv_from(&mut buffer)
            .expect("nothing is heard");
        (buffer[..octets].to_vec(), from)
    }

    /// The next packet's source and stamp.
    pub(crate) fn hear(&self) -> (u32, u16) {
        let (octets, _) = self.hear_octets();
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(packet.payload, packet.sequence.to_be_bytes());
        (packet.ssrc, packet.sequence)
    }

    /// Whatever is there by now.
    pub(crate) fn hears_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let heard = self.socket.recv_from(&mut [0; 2048]);
        self.socket.set_nonblocking(false).unwrap();
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(crate) fn skip(&mut self, packets: u16) {
        self.sequence += packets;
    }
}

/// Each says something and hears what the other said.
pub(crate) fn talk(packets: usize, ports: &[Local], alice: &mut Phone, bob: &mut Phone) {
    for _ in 0..packets {
        let (from_alice, from_bob) = (alice.sequence, bob.sequence);
        alice.say(ports[0].rtp);
        assert_eq!(bob.hear(), (alice.ssrc, from_alice));
        bob.say(ports[1].rtp);
        assert_eq!(alice.hear(), (bob.ssrc, from_bob));
    }
}

pub(crate) fn between(
    call: u128,
    alice: Option<SocketAddr>,
    bob: Option<SocketAddr>,
) -> SessionDescriptor {
    let pcma = Payload {
        number: 8,
        name: "PCMA".into(),
        clock_rate: 8000,
    };
    let party = |id, remote: Option<SocketAddr>| Termination {
        remote,
        payloads: vec![pcma.clone()],
        ..Termination::new(id, remote.map_or(Family::V4, |remote| Family::of(&remote)))
    };
    SessionDescriptor {
        session: SessionId { call, part: 0 },
        epoch: 1,
        revision: 1,
        terminations: vec![party(0, alice), party(1, bob)],
        links: vec![Link { from: 0, to: 1 }, Link { from: 1, to: 0 }],
        rtp_timeout_ms: None,
    }
}

pub(crate) fn revised(
    descriptor: &SessionDescriptor,
    change: impl FnOnce(&mut SessionDescriptor),
) -> SessionDescriptor {
    let mut next = descriptor.clone();
    next.revision += 1;
    change(&mut next);
    next
}
