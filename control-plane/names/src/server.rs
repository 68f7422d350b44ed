//! The sockets of the name server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Edns, Header, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::{DNSClass, Name, Record};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use crate::zone::{Answer, Host, Zone};

/// A connection over which nothing is asked for so long is closed.
const IDLE: Duration = Duration::from_secs(5);
/// Answers that may wait to be written, per connection.
const ANSWERS_QUEUED: usize = 16;
/// What passes every network unfragmented (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// Says which control nodes there are now.
type Hosts = Arc<dyn Fn() -> Vec<Host> + Send + Sync>;

/// A name server that serves until it is dropped or stopped.
pub struct Server {
    inner: hickory_server::Server<Responder>,
    address: SocketAddr,
}

impl Server {
    /// Binds UDP and TCP at `listen` and answers for `zone`, as `hosts` says at each question.
    pub async fn start(
        listen: SocketAddr,
        zone: Zone,
        hosts: impl Fn() -> Vec<Host> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let cannot = || format!("bind the name server to {listen}");
        let stream = TcpListener::bind(listen).await.with_context(cannot)?;
        let address = stream.local_addr().with_context(cannot)?;
        let datagrams = UdpSocket::bind(address).await.with_context(cannot)?;
        let responder = Responder {
            zone,
            hosts: Arc::new(hosts),
            turn: AtomicUsize::new(0),
        };
        let mut inner = hickory_server::Server::new(responder);
        inner.register_socket(datagrams);
        inner.register_listener(stream, IDLE, ANSWERS_QUEUED);
        Ok(Self { inner, address })
    }

    /// Where it takes questions.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is being asked, and stops.
    pub async fn stop(mut self) {
        if let Err(error) = self.inner.shutdown_gracefully().await {
            tracing::debug!(%error, "the name server ended");
        }
    }
}

struct Responder {
    zone: Zone,
    hosts: Hosts,
    turn: AtomicUsize,
}

impl Responder {
    fn judge(&self, request: &Request) -> Reply {
        let plain = Metadata::response_from_request(&request.metadata);
        let refused = |code| Reply::empty(plain, code);
        if request.metadata.op_code != OpCode::Query {
            return refused(ResponseCode::NotImp);
        }
        let Ok(asked) = request.request_info() else {
            return refused(ResponseCode::FormErr);
        };
        if asked.query.query_class() != DNSClass::IN {
            return refused(ResponseCode::Refused);
        }
        let hosts = (self.hosts)();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let name: &Name = asked.query.name();
        let answer = self
            .zone
            .answer(name, asked.query.query_type(), &hosts, turn);
        let mut metadata = plain;
        metadata.authoritative = true;
        let authority = || vec![self.zone.authority(&hosts)];
        match answer {
            Answer::Refused => refused(ResponseCode::Refused),
            Answer::NoSuchName => Reply {
                authority: authority(),
                ..Reply::empty(metadata, ResponseCode::NXDomain)
            },
            Answer::Records(answers) if answers.is_empty() => Reply {
                authority: authority(),
                ..Reply::empty(metadata, ResponseCode::NoError)
            },
            Answer::Records(answers) => Reply {
                answers,
                ..Reply::empty(metadata, ResponseCode::NoError)
            },
        }
    }
}

struct Reply {
    metadata: Metadata,
    answers: Vec<Record>,
    authority: Vec<Record>,
}

impl Reply {
    fn empty(mut metadata: Metadata, code: ResponseCode) -> Self {
        metadata.response_code = code;
        Self {
            metadata,
            answers: Vec::new(),
            authority: Vec::new(),
        }
    }
}

#[async_trait]
impl RequestHandler for Responder {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut sender: R,
    ) -> ResponseInfo {
        let reply = self.judge(request);
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let message = builder.build(reply.metadata, &reply.answers, [], &reply.authority, []);
        match sender.send_response(message).await {
            Ok(sent) => sent,
            Err(error) => {
                tracing::debug!(%error, "an answer of the name server was not sent");
                ResponseInfo::from(Header {
                    metadata: reply.metadata,
                    counts: HeaderCounts::default(),
                })
            }
        }
    }
}
