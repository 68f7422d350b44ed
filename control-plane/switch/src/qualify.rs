//! Asking contacts by OPTIONS whether they are there.

use std::collections::{BTreeMap, BTreeSet};

use carillon_model::{Binding, EndpointId, Random, Transport};
use carillon_sip::transaction::{ClientKey, Input, branch, tag};
use carillon_sip::{CSeq, Message, Method, Name, NameAddr, Uri, Via, ViaTransport};

use crate::switch::Asker;
use crate::{Notice, Switch};

/// The contacts that are asked, and what came of it.
pub(crate) struct Qualifier {
    due: BTreeSet<(u64, Contact)>,
    known: BTreeMap<Contact, Known>,
    asked: BTreeMap<ClientKey, Contact>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Contact {
    endpoint: EndpointId,
    uri: String,
}

struct Known {
    due_ms: u64,
    reachable: Option<bool>,
}

impl Qualifier {
    pub(crate) fn new() -> Self {
        Self {
            due: BTreeSet::new(),
            known: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    fn schedule(&mut self, contact: &Contact, due_ms: u64) {
        let known = self.known.entry(contact.clone()).or_insert(Known {
            due_ms,
            reachable: None,
        });
        self.due.remove(&(known.due_ms, contact.clone()));
        known.due_ms = due_ms;
        self.due.insert((due_ms, contact.clone()));
    }

    fn forget(&mut self, contact: &Contact) {
        if let Some(known) = self.known.remove(contact) {
            self.due.remove(&(known.due_ms, contact.clone()));
        }
    }
}

impl Switch {
    /// Whether a contact answered when it was last asked; nothing where it never was.
    pub fn is_reachable(&self, endpoint: EndpointId, uri: &str) -> Option<bool> {
        let contact = Contact {
            endpoint,
            uri: uri.to_owned(),
        };
        self.qualifier.known.get(&contact)?.reachable
    }

    /// New contacts of this node are asked from now on, each at a time of its own.
    pub(crate) fn contacts_changed(&mut self, endpoint: EndpointId) {
        let Some(interval_ms) = self
            .config
            .qualify_interval_ms
            .filter(|interval_ms| *interval_ms > 0)
        else {
            return;
        };
        let state = self.state.clone();
        for binding in state.live_bindings(endpoint, self.now_ms) {
            let contact = Contact {
                endpoint,
                uri: binding.contact.clone(),
            };
            if binding.flow.node == self.config.node && !self.qualifier.known.contains_key(&contact)
            {
                let spread_ms = self.draw() % interval_ms;
                self.qualifier.schedule(&contact, self.now_ms + spread_ms);
            }
        }
    }

    pub(crate) fn qualify_due(&mut self) {
        let Some(interval_ms) = self.config.qualify_interval_ms else {
            return;
        };
        while let Some((at_ms, contact)) = self.qualifier.due.first().cloned()
            && at_ms <= self.now_ms
        {
            self.qualifier
                .schedule(&contact, self.now_ms + interval_ms.max(1));
            let state = self.state.clone();
            let mut bindings = state.live_bindings(contact.endpoint, self.now_ms);
            let binding = bindings.find(|binding| {
                binding.contact == contact.uri && binding.flow.node == self.config.node
            });
            match binding {
                Some(binding) => self.ask(contact, binding),
                None => self.qualifier.forget(&contact),
            }
        }
    }

    fn ask(&mut self, contact: Contact, binding: &Binding) {
        let Ok(uri) = contact.uri.parse::<Uri>() else {
            return self.qualifier.forget(&contact);
        };
        let key = ClientKey(self.draw());
        let flow = binding.flow;
        let via = Via::new(
            via_transport(flow.transport),
            flow.local,
            &branch(self.config.node, key),
        );
        let own = Uri::sip("", flow.local);
        let from =
            NameAddr::new(own.clone()).with_tag(&tag(self.config.node, &self.random.token(12)));
        let mut message = Message::request(Method::Options, uri.clone());
        message.headers.push(Name::Via, via);
        for hop in &binding.path {
            message.headers.push(Name::Route, hop.clone());
        }
        message.headers.push(Name::MaxForwards, "70");
        message.headers.push(Name::From, from);
        message.headers.push(Name::To, NameAddr::new(uri));
        message.headers.push(Name::CallId, self.random.token(24));
        message
            .headers
            .push(Name::CSeq, CSeq::new(1, Method::Options));
        message.headers.push(Name::Contact, NameAddr::new(own));
        message.headers.push(Name::Accept, "application/sdp");
        self.qualifier.asked.insert(key, contact);
        self.clients.insert(key, Asker::Qualifier);
        self.transactions
            .handle_input(self.now_ms, Input::Request { key, message, flow });
    }

    /// Any answer shows that somebody is there.
    pub(crate) fn contact_answered(&mut self, key: ClientKey) {
        self.judge_contact(key, true);
    }

    pub(crate) fn contact_silent(&mut self, key: ClientKey) {
        self.judge_contact(key, false);
    }

    fn judge_contact(&mut self, key: ClientKey, reachable: bool) {
        let Some(contact) = self.qualifier.asked.remove(&key) else {
            return;
        };
        let Some(known) = self.qualifier.known.get_mut(&contact) else {
            return;
        };
        let changed = known.reachable.replace(reachable) != Some(reachable);
        if changed {
            self.tell(Notice::Reachable {
                endpoint: contact.endpoint,
                reachable,
            });
        }
    }
}

pub(crate) fn via_transport(transport: Transport) -> ViaTransport {
    match transport {
        Transport::Udp => ViaTransport::Udp,
        Transport::Tcp => ViaTransport::Tcp,
        Transport::Tls => ViaTransport::Tls,
    }
}
