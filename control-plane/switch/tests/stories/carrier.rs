//! A carrier: it asks for credentials, keeps contacts, and an account of who registered when.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::NodeId;
use carillon_sip::auth::{Algorithm, Credentials, Guard, Ha1, Verdict};
use carillon_sip::{Contacts, Framing, Message, Method, Name};

const KEY: [u8; 32] = [9; 32];
pub(crate) const PASSWORD: &str = "s3cret";

pub(crate) struct Carrier {
    pub(crate) address: SocketAddr,
    guard: Guard,
    /// Contacts, and until when it keeps them.
    pub(crate) contacts: BTreeMap<String, u64>,
    /// REGISTERs that it accepted: when, from which node, of which epoch.
    pub(crate) account: Vec<Registered>,
    /// It says nothing.
    pub(crate) silent: bool,
    /// REGISTERs that it heard, with or without credentials.
    pub(crate) heard: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) at_ms: u64,
    pub(crate) node: NodeId,
    pub(crate) epoch: u64,
}

impl Carrier {
    pub(crate) fn new() -> Self {
        Self {
            address: "10.9.0.1:5060".parse().unwrap(),
            guard: Guard::new("carrier"),
            contacts: BTreeMap::new(),
            account: Vec::new(),
            silent: false,
            heard: 0,
        }
    }

    /// What it answers to a message of a node.
    pub(crate) fn hear(&mut self, now_ms: u64, node: NodeId, bytes: &Bytes) -> Option<Bytes> {
        let request = Message::parse(bytes, Framing::Datagram).unwrap();
        if request.method() != Some(&Method::Register) {
            return None;
        }
        self.heard += 1;
        if self.silent {
            return None;
        }
        if !self.trusts(now_ms, &request) {
            let [_, md5] = self.guard.challenge(&KEY, now_ms, self.heard as u64, false);
            let mut response = Message::response_to(&request, 401, "");
            response.headers.push(Name::WwwAuthenticate, md5);
            return Some(response.to_bytes());
        }
        self.register(now_ms, node, &request);
        let mut response = Message::response_to(&request, 200, "");
        for (contact, until_ms) in &self.contacts {
            let left_s = until_ms.saturating_sub(now_ms) / 1000;
            response
                .headers
                .push(Name::Contact, format!("<{contact}>;expires={left_s}"));
        }
        Some(response.to_bytes())
    }

    fn trusts(&mut self, now_ms: u64, request: &Message) -> bool {
        let Some(value) = request.headers.get(Name::Authorization) else {
            return false;
        };
        let credentials = Credentials::parse(value).unwrap();
        let ha1 = |algorithm: Algorithm| algorithm.ha1("account", "carrier", PASSWORD);
        let (sha256, md5) = (ha1(Algorithm::Sha256), ha1(Algorithm::Md5));
        let ha1 = Some(Ha1 {
            sha256: &sha256,
            md5: &md5,
        });
        let uri = request.uri().unwrap();
        let verdict = self
            .guard
            .judge(&KEY, now_ms, "REGISTER", uri, &credentials, ha1);
        verdict == Verdict::Accepted
    }

    fn register(&mut self, now_ms: u64, node: NodeId, request: &Message) {
        let Ok(Contacts::List(contacts)) = request.contacts() else {
            panic!("contacts");
        };
        let mut live = false;
        for contact in contacts {
            let uri = contact.address.uri.to_string();
            match contact.expires().unwrap() {
                0 => drop(self.contacts.remove(&uri)),
                seconds => {
                    live = true;
                    self.contacts
                        .insert(uri, now_ms + u64::from(seconds) * 1_000);
                }
            }
        }
        if live {
            let call_id = request.call_id().unwrap();
            let (_, epoch) = call_id.rsplit_once("-e").unwrap();
            self.account.push(Registered {
                at_ms: now_ms,
                node,
                epoch: epoch.parse().unwrap(),
            });
        }
    }

    /// No owner registers after a later one has.
    pub(crate) fn assert_one_owner(&self) {
        let in_order = self.account.windows(2).all(|pair| {
            pair[0].epoch < pair[1].epoch
                || pair[0].node == pair[1].node && pair[0].epoch == pair[1].epoch
        });
        assert!(in_order, "{:?}", self.account);
    }
}
