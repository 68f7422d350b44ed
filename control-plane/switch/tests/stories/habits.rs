//! What the phones of the office do.

use std::net::SocketAddr;

use carillon_model::{Flow, NodeId};
use carillon_sip::{Message, Method};
use carillon_switch::Input;

use super::office::{Event, MESSAGE_MS, Office, sip_address};
use super::phone::written;

impl Office {
    pub(crate) fn register(&mut self, name: &str) {
        let message = self.phone(name).register();
        self.phone(name).asked = Some(message.clone());
        self.say(name, message);
        self.run(50);
    }

    pub(crate) fn call(&mut self, name: &str, number: &str) {
        self.begin(name, number);
        self.run(50);
    }

    /// The INVITE leaves; nothing else has happened yet.
    pub(crate) fn begin(&mut self, name: &str, number: &str) {
        let message = self.phone(name).invite(number);
        self.phone(name).asked = Some(message.clone());
        self.say(name, message);
    }

    pub(crate) fn answer(&mut self, name: &str, code: u16) {
        let phone = self.phone(name);
        let invite = phone.ringing.clone().expect("it rings");
        let response = phone.response(&invite, code);
        let by = phone.ringing_by;
        if code >= 200 {
            phone.ringing = None;
        }
        if (200..300).contains(&code) {
            phone.accept(&invite, &response);
        }
        self.say_to(name, by, response);
        self.run(50);
    }

    pub(crate) fn hang_up(&mut self, name: &str) {
        let message = self.phone(name).inside(Method::Bye);
        self.say(name, message);
        self.run(50);
    }

    pub(crate) fn cancel(&mut self, name: &str) {
        let message = self.phone(name).cancel();
        self.say(name, message);
        self.run(50);
    }

    /// A message leaves a phone.
    pub(crate) fn say(&mut self, name: &str, message: Message) {
        let own = self.phones[name].node;
        // Inside of a dialog it goes where the other side's Contact says.
        let target = message
            .uri()
            .filter(|_| message.to().is_ok_and(|to| to.tag().is_some()))
            .and_then(|uri| uri.host()?.socket(uri.port().unwrap_or(5060)));
        let named = (1..10).find(|node| target == Some(sip_address(*node)));
        let address = target.unwrap_or(self.phones[name].registrar);
        match self.machines.who_has(address.ip()) {
            Some(node) => self.say_at(name, node, address, message),
            None => self.say_to(name, named.map_or(own, NodeId), message),
        }
    }

    /// It reaches another node than the phone's own.
    pub(crate) fn say_to(&mut self, name: &str, node: NodeId, message: Message) {
        self.say_at(name, node, sip_address(node.0), message);
    }

    fn say_at(&mut self, name: &str, node: NodeId, local: SocketAddr, message: Message) {
        let flow = Flow {
            node,
            local,
            ..self.phones[name].flow()
        };
        let bytes = message.to_bytes();
        self.ladder
            .push_str(&format!("{name} -> n{node}: {}\n", written(&bytes)));
        self.after(
            MESSAGE_MS,
            Event::ToNode(node, Input::Received { flow, bytes }),
        );
    }
}
