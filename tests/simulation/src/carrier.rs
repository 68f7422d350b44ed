//! A carrier: it asks for credentials, keeps contacts for a short while, and an account of who registered when.

use bytes::Bytes;
use carillon_sip::{Contacts, Framing, Message, Method, Name};

use crate::network::Host;

/// For how long it keeps a contact: short, so that there is much to be refreshed.
pub(crate) const GRANTED_S: u32 = 10;
pub(crate) const PASSWORD: &str = "for the carrier";
const CHALLENGE: &str = r#"Digest realm="carrier", nonce="once", qop="auth", algorithm=MD5"#;

/// A REGISTER that it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) at_us: u64,
    pub(crate) node: u8,
    pub(crate) epoch: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Carrier {
    account: Vec<Registered>,
}

impl Carrier {
    /// What it answers.
    pub(crate) fn hear(
        &mut self,
        now_us: u64,
        from: Option<Host>,
        octets: &Bytes,
    ) -> Option<Bytes> {
        let request = Message::parse(octets, Framing::Datagram).ok()?;
        if request.method() != Some(&Method::Register) {
            return None;
        }
        if request.headers.get(Name::Authorization).is_none() {
            let mut response = Message::response_to(&request, 401, "");
            response.headers.push(Name::WwwAuthenticate, CHALLENGE);
            return Some(response.to_bytes());
        }
        let mut response = Message::response_to(&request, 200, "");
        let Ok(Contacts::List(contacts)) = request.contacts() else {
            return None;
        };
        for contact in contacts {
            if contact.expires() == Some(0) {
                continue;
            }
            let uri = contact.address.uri.to_string();
            let granted = format!("<{uri}>;expires={GRANTED_S}");
            response.headers.push(Name::Contact, granted);
            self.note(now_us, from, &request);
        }
        Some(response.to_bytes())
    }

    /// The Call-ID of a registration ends with the epoch of its owner.
    fn note(&mut self, at_us: u64, from: Option<Host>, request: &Message) {
        let epoch = request
            .call_id()
            .and_then(|call_id| call_id.rsplit_once("-e"))
            .and_then(|(_, epoch)| epoch.parse().ok());
        if let (Some(Host::Node(node)), Some(epoch)) = (from, epoch) {
            self.account.push(Registered { at_us, node, epoch });
        }
    }

    pub(crate) fn last(&self) -> Option<Registered> {
        self.account.last().copied()
    }

    /// A REGISTER of an owner that came after one of a later owner, or of another node with the same epoch.
    pub(crate) fn second_owner(&self) -> Option<(Registered, Registered)> {
        let mut pairs = self.account.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.find(|(one, next)| {
            let same = one.epoch == next.epoch && one.node == next.node;
            !same && next.epoch <= one.epoch
        })
    }
}
