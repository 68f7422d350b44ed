//! A control node on ports of the system's choice, its company, a media server that only says yes, and a phone.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod media;
pub mod phone;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon_cluster::{Cluster, Entry, MemoryStore};
use carillon_model::{
    Administrator, Command, ConfigCommand, Context, ControlNode, Epoch, Extension, Initialise,
    Line, Link, NodeCommand, NodeId, NodeState, NumberRange, Outcome, Resource, ResourceKey,
    Secret, SipEndpoint, SipListener, Transport, User,
};
use carillon_signalling::{Bound, Clock, Config, Signalling, Surroundings, TlsIdentity};
use carillon_sip::{Method, Name};
use carillon_telemetry::Metrics;
use carillon_telephony::Telephony;

use phone::Phone;

pub const PASSWORD: &str = "correct-horse";

/// A control node with SIP on loopback.
pub struct Node {
    pub cluster: Cluster<Telephony>,
    pub signalling: Signalling,
    pub metrics: Metrics,
    pub authority: String,
    listeners: Vec<SipListener>,
}

impl Node {
    /// The first node of a new cluster, with alice (1001) and bob (1002).
    pub async fn found() -> Self {
        let entry = Entry::Found {
            cluster: "test".to_owned(),
        };
        let cluster = start_cluster("n1", entry).await;
        populate(&cluster).await;
        Self::serve(cluster, "n1").await
    }

    /// One more node of the same cluster.
    pub async fn join(&self) -> Self {
        let token = self
            .cluster
            .issue_token(Duration::from_secs(60))
            .await
            .unwrap();
        let cluster = start_cluster("n2", Entry::Join(token)).await;
        Self::serve(cluster, "n2").await
    }

    async fn serve(cluster: Cluster<Telephony>, name: &str) -> Self {
        let listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0"];
        let config = Config {
            listen: listen
                .iter()
                .map(|listen| listen.parse().unwrap())
                .collect(),
            ..Config::default()
        };
        let bound = Bound::bind(&config).unwrap();
        let listeners = bound.listeners().to_vec();
        let node = NodeId(cluster.node().0);
        let start = NodeCommand::Start(ControlNode {
            id: node,
            name: name.to_owned(),
            address: listeners[0].address.ip(),
            sip: listeners.clone(),
            floating: None,
            api: None,
            cluster: cluster.address(),
            state: NodeState::Active,
            epoch: Epoch::default(),
            version: String::new(),
        });
        cluster.propose(Command::Node(start)).await.unwrap();
        let address = listeners[0].address.ip();
        let certificate = cluster.server_certificate(&[], &[address]).unwrap();
        let metrics = Metrics::new();
        let surroundings = Surroundings {
            credentials: cluster.credentials(),
            cluster: cluster.clone(),
            tls: Some(TlsIdentity {
                chain_pem: certificate.chain_pem.into_bytes(),
                key_pem: certificate.key_pem.into_bytes(),
                trusted_pem: Vec::new(),
            }),
            floating: None,
            metrics: metrics.clone(),
            clock: Clock::start(),
        };
        let switch = carillon_switch::Config::new(node, listeners.clone());
        let signalling = Signalling::start(&config, bound, switch, surroundings).unwrap();
        Self {
            authority: cluster.authority_pem().unwrap(),
            cluster,
            signalling,
            metrics,
            listeners,
        }
    }

    pub fn address(&self, transport: Transport) -> SocketAddr {
        let listener = self
            .listeners
            .iter()
            .find(|listener| listener.transport == transport);
        listener.unwrap().address
    }
}

async fn start_cluster(name: &str, entry: Entry) -> Cluster<Telephony> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = carillon_cluster::Config::new(name, any_port, entry);
    carillon_telephony::start(config, Arc::new(MemoryStore::default()))
        .await
        .unwrap()
}

async fn populate(cluster: &Cluster<Telephony>) {
    let initialise = Initialise {
        administrator: Administrator {
            username: "admin".to_owned(),
            password_hash: Secret::new("$argon2id$unused"),
            ..Administrator::default()
        },
        nonce_key: [7; 32],
        realm: "carillon".to_owned(),
    };
    cluster
        .propose(Command::Initialise(Box::new(initialise)))
        .await
        .unwrap();
    let range = NumberRange {
        start: "1000".to_owned(),
        end: "1999".to_owned(),
        did_length: 0,
    };
    let context = Context {
        name: "default".to_owned(),
        user_ranges: vec![range],
        ..Context::default()
    };
    create(cluster, Resource::Context(context)).await;
    for (name, number) in [("alice", "1001"), ("bob", "1002")] {
        employ(cluster, name, number).await;
    }
}

async fn employ(cluster: &Cluster<Telephony>, name: &str, number: &str) {
    let ResourceKey::User(user) = create(
        cluster,
        Resource::User(User {
            firstname: name.to_owned(),
            uuid: format!("00000000-0000-4000-8000-00000000{number}"),
            ..User::default()
        }),
    )
    .await
    else {
        panic!("no user");
    };
    let ResourceKey::Endpoint(endpoint) = create(
        cluster,
        Resource::Endpoint(SipEndpoint {
            username: name.to_owned(),
            secret: Secret::new(PASSWORD),
            ..SipEndpoint::default()
        }),
    )
    .await
    else {
        panic!("no endpoint");
    };
    let ResourceKey::Extension(extension) = create(
        cluster,
        Resource::Extension(Extension {
            exten: number.to_owned(),
            context: "default".to_owned(),
            ..Extension::default()
        }),
    )
    .await
    else {
        panic!("no extension");
    };
    let ResourceKey::Line(line) = create(
        cluster,
        Resource::Line(Line {
            context: "default".to_owned(),
            ..Line::default()
        }),
    )
    .await
    else {
        panic!("no line");
    };
    for link in [
        Link::LineEndpoint { line, endpoint },
        Link::LineExtension { line, extension },
        Link::UserLine { user, line },
    ] {
        configure(cluster, ConfigCommand::Associate(link)).await;
    }
}

async fn create(cluster: &Cluster<Telephony>, resource: Resource) -> ResourceKey {
    match configure(cluster, ConfigCommand::Create(resource)).await {
        Outcome::Created(key) => key,
        other => panic!("{other:?}"),
    }
}

async fn configure(cluster: &Cluster<Telephony>, command: ConfigCommand) -> Outcome {
    let outcome = cluster
        .propose(Command::Configure(Box::new(command)))
        .await
        .unwrap();
    assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    outcome
}

/// Media servers are found by the brain's next look around.
pub async fn connected_to_media(node: &Node) {
    let connected = async {
        while node.metrics.media.servers_connected.value() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), connected)
        .await
        .unwrap();
}

/// One calls the other, who answers; the caller hangs up.
pub async fn talk(caller: &mut Phone, mut callee: Phone, number: &str) {
    let answering = tokio::spawn(async move {
        let invite = callee.hear_request(Method::Invite).await;
        callee.answer(&invite, 180, "").await;
        let body = sdp(&callee);
        callee.answer(&invite, 200, &body).await;
        callee.hear_request(Method::Ack).await;
        let bye = callee.hear_request(Method::Bye).await;
        callee.answer(&bye, 200, "").await;
    });
    let uri = format!("sip:{number}@{}", caller.server);
    let body = sdp(caller);
    let answer = caller
        .ask("INVITE", &uri, &format!("To: <{uri}>\r\n"), &body)
        .await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    let to = format!("To: {}\r\n", answer.headers.text(Name::To).unwrap());
    let contact = answer.headers.text(Name::Contact).unwrap();
    let target = contact
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    let ack = caller.request("ACK", &target, &to, "");
    caller.send(ack.as_bytes()).await;
    let bye = caller.request("BYE", &target, &to, "");
    caller.send(bye.as_bytes()).await;
    assert_eq!(caller.hear_final().await.status(), Some(200));
    answering.await.unwrap();
}

fn sdp(phone: &Phone) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
        phone.local.port() & !1
    )
}
