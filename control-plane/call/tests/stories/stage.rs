//! A stage on which a call is played: alice, bob's phones, the media server and the switch are scripted, time is
//! virtual, and everything that is said is written down as a ladder.

use std::fmt::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use carillon_call::{
    Call, Carrier, Input, LegId, MediaEvent, MediaReply, Output, Owner, Policy, Refusal, Route,
    Setup, Target, Way,
};
use carillon_model::{
    CallDirection, CallId, CallRecord, DialogKey, Epoch, Flow, MediaServerId, NodeId, Party,
    Seeded, Transport,
};
use carillon_protocol::{DirectionQuality, Local, Reason, SessionDescriptor};
use carillon_sip::transaction::{ClientKey, Failure, ServerKey};
use carillon_sip::{Message, Method, Name};

use crate::ladder::{describe, summary};
use crate::phone::Phone;

pub(crate) const START_MS: u64 = 1_000_000;
pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const BOB2: usize = 2;
pub(crate) const BOB3: usize = 3;

/// How the media server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaServer {
    Works,
    Silent,
    Full,
    Gone,
}

pub(crate) struct Stage {
    pub(crate) call: Call,
    random: Seeded,
    pub(crate) now_ms: u64,
    pub(crate) phones: Vec<Phone>,
    pub(crate) media_server: MediaServer,
    pub(crate) route: Option<Result<Route, Refusal>>,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) descriptors: Vec<SessionDescriptor>,
    pub(crate) ladder: String,
    /// The call goes on as a decoded copy of itself after every step.
    pub(crate) copies: bool,
    pub(crate) ended: bool,
    /// The value that others have.
    pub(crate) committed: Option<Bytes>,
    /// Where the media server's ports begin.
    first_port: u16,
    /// Which of them carries the call.
    server: u32,
}

impl Stage {
    pub(crate) fn new(policy: Policy, copies: bool) -> Self {
        Self::of(policy, copies, None)
    }

    /// Alice may come by a carrier.
    pub(crate) fn of(policy: Policy, copies: bool, carrier: Option<Box<Carrier>>) -> Self {
        let setup = Setup {
            id: CallId(7),
            node: NodeId(1),
            epoch: Epoch(3),
            caller: Party {
                number: "101".into(),
                name: Some("Alice Martin".into()),
                user: None,
                line: None,
                trunk: None,
            },
            direction: CallDirection::Internal,
            number: "102".into(),
            context: "default".into(),
            advertised: "10.77.1.1:5060".parse().unwrap(),
            policy,
            carrier,
        };
        let mut stage = Self {
            call: Call::incoming(setup),
            random: Seeded::new([5; 32]),
            now_ms: START_MS,
            phones: vec![Phone::new("alice", "10.77.3.1:5060", 4000)],
            media_server: MediaServer::Works,
            route: None,
            records: Vec::new(),
            descriptors: Vec::new(),
            ladder: String::new(),
            copies,
            ended: false,
            committed: None,
            first_port: 10_000,
            server: 1,
        };
        stage.bob_has_phones(1);
        stage
    }

    /// Bob's line has this many contacts.
    pub(crate) fn bob_has_phones(&mut self, count: usize) {
        self.phones.truncate(1);
        for number in 1..=count {
            let name = if number == 1 {
                "bob".to_owned()
            } else {
                format!("bob{number}")
            };
            let port = 4000 + 10 * u16::try_from(number).unwrap();
            self.phones.push(Phone::new(
                &name,
                &format!("10.77.3.{}:5060", 10 + number),
                port,
            ));
        }
        self.route = Some(Ok(Route {
            callee: Party {
                number: "102".into(),
                name: Some("Bob".into()),
                user: None,
                line: None,
                trunk: None,
            },
            targets: self.phones[1..].iter().map(Phone::target).collect(),
            ring_ms: 30_000,
            direction: None,
        }));
    }

    pub(crate) fn targets(&mut self) -> &mut Vec<Target> {
        match self.route.as_mut() {
            Some(Ok(route)) => &mut route.targets,
            _ => panic!("bob has no route"),
        }
    }

    pub(crate) fn note(&mut self, line: &str) {
        writeln!(self.ladder, "{:<6} {line}", self.now_ms - START_MS).unwrap();
    }

    /// Time passes; deadlines are met in their order.
    pub(crate) fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(at_ms) = self.call.poll_timeout().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            self.call.handle_timeout(self.now_ms, &mut self.random);
            self.drain();
        }
        self.now_ms = until_ms;
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.call.handle_input(self.now_ms, &mut self.random, input);
        self.drain();
    }

    pub(crate) fn hang_up(&mut self) {
        self.note("operator hangs up");
        self.feed(Input::Hangup);
    }

    pub(crate) fn media_event(&mut self, event: MediaEvent) {
        self.note(&format!("media server: {event:?}"));
        self.feed(Input::MediaEvent(event));
    }

    /// A phone sends a request, and the switch finds the leg that it belongs to.
    pub(crate) fn send(&mut self, phone: usize, message: Message) {
        let line = format!("{} -> {}", self.phones[phone].name, summary(&message));
        self.note(&line);
        let Some(leg) = self.leg_of(&message) else {
            self.note("- the switch knows no such dialog");
            return;
        };
        let flow = self.phones[phone].flow();
        match message.method() {
            Some(Method::Ack) => self.feed(Input::Ack { leg, message }),
            Some(Method::Cancel) => {
                let transaction = ServerKey::cancelled_by(&message).unwrap();
                self.feed(Input::Cancelled { leg, transaction });
            }
            _ => {
                let transaction = ServerKey::of(&message).unwrap();
                self.feed(Input::Request {
                    leg,
                    transaction,
                    message,
                    flow,
                });
            }
        }
    }

    fn leg_of(&self, message: &Message) -> Option<LegId> {
        let to = message.to().unwrap();
        let Some(local_tag) = to.tag().map(str::to_owned) else {
            return Some(LegId::CALLER);
        };
        let call_id = message.call_id().unwrap().to_owned();
        self.call.leg_of(&DialogKey { call_id, local_tag })
    }

    /// A phone answers the last request of this method.
    pub(crate) fn answer(
        &mut self,
        phone: usize,
        leg: LegId,
        transaction: ClientKey,
        message: Message,
    ) {
        let line = format!("{} -> {}", self.phones[phone].name, summary(&message));
        self.note(&line);
        let flow = self.phones[phone].flow();
        self.feed(Input::Response {
            leg,
            transaction,
            message,
            flow,
        });
    }

    /// The last request of this method to a phone gets no response.
    pub(crate) fn fail(&mut self, phone: usize, method: &Method, why: Failure) {
        let Some((leg, transaction, _)) = self.phones[phone].take_request(method) else {
            panic!("{} has no {method}", self.phones[phone].name)
        };
        let line = format!(
            "{} is not reached by {method}: {why:?}",
            self.phones[phone].name
        );
        self.note(&line);
        self.feed(Input::Failed {
            leg,
            transaction,
            why,
        });
    }

    fn drain(&mut self) {
        let mut inputs = Vec::new();
        while let Some(output) = self.call.poll_output() {
            inputs.extend(self.perform(output));
        }
        if self.copies {
            self.call = Call::decode(&self.call.encode()).unwrap();
        }
        for input in inputs {
            self.feed(input);
        }
    }

    fn perform(&mut self, output: Output) -> Option<Input> {
        assert!(!self.ended, "an output after the end: {output:?}");
        match output {
            Output::Respond {
                leg,
                transaction,
                message,
                flow,
            } => {
                let phone = self.phone_at(flow.peer);
                assert_eq!(
                    leg == LegId::CALLER,
                    phone == ALICE,
                    "a response to the wrong side"
                );
                self.said_to(phone, &message);
                self.phones[phone].hears(transaction, message);
            }
            Output::Request {
                leg,
                transaction,
                message,
                flow,
            } => {
                let phone = self.phone_at(flow.peer);
                self.said_to(phone, &message);
                if message.method() == Some(&Method::Invite) {
                    self.phones[phone].invited_at_ms = self.now_ms;
                }
                self.phones[phone].is_asked(leg, transaction, message);
            }
            Output::Abandon { .. } => self.note("- abandons a request"),
            Output::Adopt { leg, .. } => self.note(&format!("- adopts the INVITE of leg {leg}")),
            Output::Ack { message, flow, .. } => {
                let phone = self.phone_at(flow.peer);
                self.said_to(phone, &message);
                self.phones[phone].is_acknowledged(message);
            }
            Output::Route { number, context } => {
                self.note(&format!("- route {number} in {context}"));
                return self.route.clone().map(Input::Routed);
            }
            Output::Media(descriptor) => {
                self.note(&format!("- media {}", describe(&descriptor)));
                return self.media_reply(descriptor);
            }
            Output::MediaRelease => {
                self.note("- media released");
                return (self.media_server == MediaServer::Works).then(|| Input::Media(released()));
            }
            Output::Commit => self.committed("- commit"),
            Output::CommitLazily => self.committed("- commit lazily"),
            Output::Record(record) => self.recorded(record),
            Output::Ended => {
                self.note("- ended");
                self.ended = true;
            }
        }
        None
    }

    fn committed(&mut self, line: &str) {
        self.note(line);
        self.committed = Some(self.call.encode());
    }

    /// The node dies, and another one goes on from what was stored last.
    pub(crate) fn heir(&mut self) {
        self.note("- the node dies and another one takes over");
        let advertised: SocketAddr = "10.77.1.2:5060".parse().unwrap();
        self.goes_on(NodeId(2), |flow| {
            let flow = Flow {
                node: NodeId(2),
                local: advertised,
                ..*flow
            };
            Way::Moved(flow, advertised)
        });
    }

    /// The node starts again where it was, and goes on from what was stored last.
    pub(crate) fn starts_again(&mut self) {
        self.note("- the node starts again");
        self.goes_on(NodeId(1), |_| Way::Same);
    }

    /// The connections of the phones at these addresses have gone with their node.
    pub(crate) fn heir_without(&mut self, lost: usize) {
        self.note("- the node dies and another one takes over");
        let peer = self.phones[lost].address;
        self.goes_on(NodeId(2), |flow| match flow.peer == peer {
            true => Way::Lost,
            false => Way::Same,
        });
    }

    /// The phone comes by a new connection.
    pub(crate) fn comes_back(&mut self, phone: usize) {
        let name = self.phones[phone].name.clone();
        self.note(&format!("{name} registers"));
        let flow = Flow {
            connection: 9,
            ..self.phones[phone].flow()
        };
        let leg = self.call.lost().next().expect("a lost leg").0;
        self.feed(Input::Found { leg, flow });
    }

    fn goes_on(&mut self, node: NodeId, way: impl Fn(&Flow) -> Way) {
        let stored = self.committed.as_ref().expect("a stored call");
        self.call = Call::decode(stored).unwrap();
        let epoch = Epoch(4);
        self.call
            .resume(self.now_ms, &mut self.random, Owner { node, epoch }, way);
        self.drain();
    }

    /// The media server starts again, with other ports.
    pub(crate) fn media_server_restarts(&mut self) {
        self.note("- the media server starts again");
        self.first_port = 20_000;
        let descriptor = self.descriptors.last().unwrap().clone();
        if let Some(input) = self.media_reply(descriptor) {
            self.feed(input);
        }
    }

    /// Another media server does what the one before did.
    pub(crate) fn media_moves(&mut self) {
        self.server += 1;
        self.first_port += 10_000;
        self.note(&format!("- media server {} takes the call", self.server));
        let descriptor = self.call.move_media().expect("a session");
        if let Some(input) = self.media_reply(descriptor) {
            self.feed(input);
        }
    }

    /// A phone was reached by the sockets of a node that dies; the owner lives, and reaches it by its own.
    pub(crate) fn node_of_phone_dies(&mut self, phone: usize) {
        let name = self.phones[phone].name.clone();
        self.note(&format!("- the node dies by which {name} was reached"));
        let (peer, advertised) = (
            self.phones[phone].address,
            "10.77.1.2:5060".parse().unwrap(),
        );
        let (now_ms, random) = (self.now_ms, &mut self.random);
        self.call.relocate(now_ms, random, |flow| {
            let moved = Flow {
                local: advertised,
                ..*flow
            };
            match flow.peer == peer {
                true => Way::Moved(moved, advertised),
                false => Way::Same,
            }
        });
        self.drain();
    }

    /// The node dies together with the media server, and another node goes on.
    pub(crate) fn heir_without_media(&mut self) {
        self.note("- the node and the media server die");
        let stored = self.committed.as_ref().expect("a stored call");
        self.call = Call::decode(stored).unwrap();
        self.call.expect_media();
        self.media_server = MediaServer::Silent;
        let (node, epoch) = (NodeId(2), Epoch(4));
        let way = |_: &Flow| Way::Same;
        self.call
            .resume(self.now_ms, &mut self.random, Owner { node, epoch }, way);
        self.drain();
        self.media_server = MediaServer::Works;
    }

    fn said_to(&mut self, phone: usize, message: &Message) {
        let read = Message::parse(&message.to_bytes(), carillon_sip::Framing::Datagram).unwrap();
        assert_eq!(&read, message, "what is sent reads back as it was");
        let line = format!("{} <- {}", self.phones[phone].name, summary(message));
        self.note(&line);
    }

    fn recorded(&mut self, record: CallRecord) {
        let quality =
            |side: Option<carillon_model::DirectionQuality>| side.map_or(0, |side| side.packets);
        self.note(&format!(
            "- record {} -> {}: {:?} {}/{}, talked {} ms, packets {} and {}",
            record.caller.number,
            record.callee.number,
            record.status,
            record.cause.sip,
            record.cause.q850,
            record.duration_ms,
            quality(record.caller_quality),
            quality(record.callee_quality),
        ));
        self.records.push(record);
    }

    fn media_reply(&mut self, descriptor: SessionDescriptor) -> Option<Input> {
        descriptor.validate().unwrap();
        let (revision, first_port) = (descriptor.revision, self.first_port);
        let terminations = descriptor.terminations.iter().map(|termination| {
            let port = first_port + 2 * u16::from(termination.id);
            let address = |port| match termination.family {
                carillon_protocol::Family::V4 => {
                    SocketAddr::new("10.77.2.1".parse().unwrap(), port)
                }
                carillon_protocol::Family::V6 => SocketAddr::new("fd00::2".parse().unwrap(), port),
            };
            Local {
                id: termination.id,
                rtp: address(port),
                rtcp: address(port + 1),
            }
        });
        let terminations = terminations.collect();
        self.descriptors.push(descriptor);
        let server = MediaServerId(self.server);
        Some(Input::Media(match self.media_server {
            MediaServer::Works => MediaReply::Established {
                server,
                revision,
                terminations,
            },
            MediaServer::Full => MediaReply::Refused {
                server,
                revision: Some(revision),
                reason: Reason::NoPorts,
            },
            MediaServer::Gone => MediaReply::Unavailable,
            MediaServer::Silent => return None,
        }))
    }

    fn phone_at(&self, peer: SocketAddr) -> usize {
        self.phones
            .iter()
            .position(|phone| phone.address == peer)
            .expect("a phone at this address")
    }

    pub(crate) fn last_request(&self, phone: usize, method: &Method) -> &Message {
        let requests = &self.phones[phone].requests;
        &requests
            .iter()
            .rfind(|(_, _, message)| message.method() == Some(method))
            .unwrap()
            .2
    }

    pub(crate) fn last_response(&self, phone: usize) -> &Message {
        self.phones[phone].responses.last().unwrap()
    }
}

fn released() -> MediaReply {
    let quality = |termination, packets| DirectionQuality {
        termination,
        packets,
        bytes: packets * 160,
        jitter_us: 1500,
        mos_hundredths: Some(430),
        ..DirectionQuality::default()
    };
    MediaReply::Released {
        quality: vec![quality(0, 250), quality(1, 240)],
    }
}

pub(crate) fn flow_of(peer: SocketAddr, transport: Transport) -> Flow {
    let local = if peer.is_ipv4() {
        "10.77.1.1:5060"
    } else {
        "[fd00::1]:5060"
    };
    Flow {
        node: NodeId(1),
        transport,
        local: local.parse().unwrap(),
        peer,
        connection: 0,
    }
}

/// A session description of a phone: audio at this address.
pub(crate) fn sdp(address: SocketAddr, version: u32, direction: &str) -> Bytes {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port) = (address.ip(), address.port());
    Bytes::from(format!(
        "v=0\r\no=phone 42 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    ))
}

pub(crate) fn with_header(mut message: Message, name: Name, value: &'static str) -> Message {
    message.headers.push(name, value);
    message
}
