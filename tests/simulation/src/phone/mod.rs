//! Scripted phones: they register, call, answer, talk and hang up when a story tells them to, and repeat themselves over
//! UDP as phones do. What they are told they tell the oracle.

mod answer;
mod ask;
mod conversation;
mod hearing;
mod register;
mod renew;
mod temper;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::{Flow, NodeId, Random, Transport};
use carillon_sip::transaction::{self, ClientKey, Layer};
use carillon_sip::{Framing, Message, NameAddr, Uri, Via, ViaTransport};

use crate::network::Host;
use crate::{Dice, clock};
pub(crate) use conversation::{Conversation, Stage};
pub(crate) use hearing::Hearing;
pub(crate) use register::Registration;
use temper::Temper;

const SIP_PORT: u16 = 5060;
const RTP_PORT: u16 = 4000;
/// Flows name a node; a phone is none.
const NOBODY: NodeId = NodeId(0);

/// What somebody at a phone was told by the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// 200 to REGISTER.
    Registered {
        contact: String,
        call_id: String,
        cseq: u32,
        expires_s: u32,
    },
    /// The INVITE was answered with 200.
    Connected { number: String },
    /// A request was refused.
    Refused {
        method: &'static str,
        code: u16,
        asked_us: u64,
    },
    /// A request was never answered.
    Unanswered { method: &'static str, asked_us: u64 },
}

/// What a phone wants done.
pub(crate) enum Output {
    Send {
        from: SocketAddr,
        to: SocketAddr,
        octets: Bytes,
    },
    Told(Told),
}

/// What a request of the phone was for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Register {
        cseq: u32,
    },
    Invite,
    Cancel,
    Bye,
    /// A re-INVITE: to hold the other phone, or to go on.
    Change {
        holds: bool,
    },
}

/// A request of the phone that waits for its final answer.
#[derive(Clone, Debug)]
struct Asked {
    purpose: Purpose,
    request: Message,
    asked_us: u64,
}

/// A phone.
pub(crate) struct Phone {
    pub(crate) number: u8,
    pub(crate) username: String,
    pub(crate) password: String,
    /// The node that it registers and calls with.
    pub(crate) home: SocketAddr,
    dice: Dice,
    temper: Temper,
    layer: Layer,
    asked: BTreeMap<ClientKey, Asked>,
    pub(crate) registration: Registration,
    pub(crate) conversation: Option<Conversation>,
    /// Takes calls after this long; never without.
    pub(crate) answers_after_ms: Option<u64>,
    outputs: VecDeque<Output>,
}

impl Phone {
    pub(crate) fn new(number: u8, home: SocketAddr, mut dice: Dice) -> Self {
        let registration = Registration::new(dice.token(16));
        let temper = Temper::any(&mut dice);
        Self {
            number,
            username: username(number),
            password: password(number),
            home,
            dice,
            temper,
            layer: Layer::new(transaction::Config::default()),
            asked: BTreeMap::new(),
            registration,
            conversation: None,
            answers_after_ms: Some(400),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn host(&self) -> Host {
        Host::Phone(self.number)
    }

    /// Where the phone takes SIP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.host().at(SIP_PORT)
    }

    fn rtp_address(&self) -> SocketAddr {
        self.host().at(RTP_PORT)
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Phone::fire`] is wanted.
    pub(crate) fn next_us(&self) -> Option<u64> {
        let layer_us = self.layer.poll_timeout().map(clock::us_of);
        let register_us = self.registration.retry_at_us();
        let conversation_us = self.conversation.as_ref().and_then(Conversation::next_us);
        [layer_us, register_us, conversation_us]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed.
    pub(crate) fn fire(&mut self) {
        if self
            .layer
            .poll_timeout()
            .is_some_and(|at_ms| at_ms <= clock::now_ms())
        {
            self.layer.handle_timeout(clock::now_ms());
        }
        self.settle();
        self.register_due();
        self.conversation_due();
    }

    /// A datagram came.
    pub(crate) fn receive(&mut self, from: SocketAddr, to: SocketAddr, octets: &Bytes) {
        if to.port() == RTP_PORT {
            return self.hear(octets);
        }
        let Ok(message) = Message::parse(octets, Framing::Datagram) else {
            return;
        };
        let flow = self.flow_to(from);
        let input = transaction::Input::Received { flow, message };
        self.layer.handle_input(clock::now_ms(), input);
        self.settle();
    }

    /// Does what the transactions say.
    fn settle(&mut self) {
        use transaction::Output as Said;
        while let Some(said) = self.layer.poll_output() {
            match said {
                Said::Send { flow, bytes } => self.send(flow.peer, bytes),
                Said::Request {
                    key,
                    flow: _,
                    message,
                } => self.requested(key, message),
                Said::Ack { flow: _, message } => self.acknowledged(&message),
                Said::Cancelled { key, cancel: _ } => self.cancelled(key),
                Said::Response {
                    key,
                    flow: _,
                    message,
                } => self.responded(key, &message),
                Said::Failed { key, why: _ } => self.unanswered(key),
                Said::StrayResponse { flow: _, message } => self.responded_late(&message),
                Said::ClientEnded { key } => drop(self.asked.remove(&key)),
                Said::ServerTimeout { key: _ } | Said::ServerEnded { key: _ } => {}
            }
        }
    }

    fn send(&mut self, to: SocketAddr, octets: Bytes) {
        let from = self.address();
        self.outputs.push_back(Output::Send { from, to, octets });
    }

    fn tell(&mut self, told: Told) {
        self.outputs.push_back(Output::Told(told));
    }

    /// Sends a request in a transaction.
    fn ask(&mut self, purpose: Purpose, message: Message, to: SocketAddr) {
        let key = ClientKey(self.dice.next_u64());
        let asked = Asked {
            purpose,
            request: message.clone(),
            asked_us: clock::now_us(),
        };
        self.asked.insert(key, asked);
        let flow = self.flow_to(to);
        let input = transaction::Input::Request { key, message, flow };
        self.layer.handle_input(clock::now_ms(), input);
        self.settle();
    }

    fn flow_to(&self, peer: SocketAddr) -> Flow {
        Flow {
            node: NOBODY,
            transport: Transport::Udp,
            local: self.address(),
            peer,
            connection: 0,
        }
    }

    fn via(&mut self) -> Bytes {
        let branch = format!("z9hG4bKp{}x{}", self.number, self.dice.token(16));
        Via::new(ViaTransport::Udp, self.address(), &branch).to_bytes()
    }

    fn contact(&self) -> NameAddr {
        NameAddr::new(self.contact_uri())
    }

    fn contact_uri(&self) -> Uri {
        Uri::sip(&self.username, self.address())
    }

    /// Somebody's address as a phone writes it.
    fn public(user: &str) -> NameAddr {
        let text = format!("sip:{user}@carillon.test");
        NameAddr::new(text.parse().expect("a number makes a URI"))
    }
}

pub(crate) fn extension(number: u8) -> String {
    (1000 + u32::from(number)).to_string()
}

pub(crate) fn username(number: u8) -> String {
    format!("phone{number}")
}

pub(crate) fn password(number: u8) -> String {
    format!("secret-of-{number}")
}
