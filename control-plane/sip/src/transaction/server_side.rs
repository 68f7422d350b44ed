use bytes::Bytes;
use carillon_model::Flow;

use super::Output;
use super::config::RETRY_AFTER_S;
use super::invite_server::{InviteServer, Trying};
use super::key::ServerKey;
use super::layer::{Layer, Owner};
use super::plain_server::PlainServer;
use super::schedule::Wake;
use super::stamp::stamp_via;
use super::step::{Step, Tell};
use crate::{Message, Method, Name};

/// A request of a peer.
pub(super) struct Server {
    machine: Machine,
    /// Where its responses go.
    flow: Flow,
    /// The To of the last response, with our tag: the answer to a CANCEL has the same (RFC 3261 §9.2).
    to: Option<Bytes>,
    wake: Wake,
}

enum Machine {
    Invite(InviteServer),
    Plain(PlainServer),
}

impl Layer {
    pub(super) fn received_request(&mut self, now_ms: u64, flow: Flow, mut message: Message) {
        let Some(response_flow) = stamp_via(&mut message, &flow) else {
            return;
        };
        let (Some(key), Some(method)) = (ServerKey::of(&message), message.method().cloned()) else {
            return;
        };
        if method == Method::Ack {
            return self.received_ack(now_ms, flow, key, message);
        }
        if self.servers.contains_key(&key) {
            return self.step_server(&key, |server, _| server.received_again());
        }
        if self.is_full(message.to().is_ok_and(|to| to.tag().is_some())) {
            return self.refuse(response_flow, &message);
        }
        let cancelled = ServerKey::cancelled_by(&message)
            .filter(|invite| method == Method::Cancel && self.servers.contains_key(invite));
        let machine = if method == Method::Invite {
            let response = Message::response_to(&message, 100, "").to_bytes();
            let at_ms = now_ms + self.config.trying_after_ms;
            Machine::Invite(InviteServer::new(now_ms, Some(Trying { at_ms, response })))
        } else {
            Machine::Plain(PlainServer::new(now_ms, self.config.timers))
        };
        self.insert_server(key.clone(), machine, response_flow);
        match cancelled {
            Some(invite) => self.answer_cancel(now_ms, &key, invite, message),
            None => self
                .outputs
                .push_back(Output::Request { key, flow, message }),
        }
    }

    fn received_ack(&mut self, now_ms: u64, flow: Flow, key: ServerKey, message: Message) {
        let timers = self.config.timers;
        let Some(server) = self.servers.get_mut(&key) else {
            return self.outputs.push_back(Output::Ack { flow, message });
        };
        let Machine::Invite(machine) = &mut server.machine else {
            return;
        };
        let step = machine.acknowledged(now_ms, timers, server.flow.transport.is_reliable());
        if step.tell == Tell::Message {
            self.outputs.push_back(Output::Ack { flow, message });
        }
        self.settle_server(&key);
    }

    /// A CANCEL is answered here whatever becomes of the INVITE (RFC 3261 §9.2).
    fn answer_cancel(&mut self, now_ms: u64, key: &ServerKey, invite: ServerKey, cancel: Message) {
        let Some(server) = self.servers.get(&invite) else {
            return;
        };
        let proceeding = match &server.machine {
            Machine::Invite(machine) => machine.is_proceeding(),
            Machine::Plain(_) => false,
        };
        let mut response = Message::response_to(&cancel, 200, "");
        match &server.to {
            Some(to) => response.headers.set(Name::To, to.clone()),
            None => response.add_to_tag(&stateless_tag(&cancel)),
        }
        self.respond(now_ms, key, &response);
        if proceeding {
            self.outputs.push_back(Output::Cancelled {
                key: invite,
                cancel,
            });
        }
    }

    pub(super) fn respond(&mut self, now_ms: u64, key: &ServerKey, message: &Message) {
        let Some(code) = message.status() else { return };
        let timers = self.config.timers;
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        server.to = message.headers.get(Name::To).cloned();
        let bytes = message.to_bytes();
        self.step_server(key, |server, reliable| match &mut server.machine {
            Machine::Invite(machine) => machine.respond(now_ms, timers, reliable, code, bytes),
            Machine::Plain(machine) => machine.respond(now_ms, timers, reliable, code, bytes),
        });
    }

    pub(super) fn adopt_server(&mut self, now_ms: u64, key: ServerKey, flow: Flow) {
        if !self.servers.contains_key(&key) {
            self.insert_server(key, Machine::Invite(InviteServer::new(now_ms, None)), flow);
        }
    }

    pub(super) fn server_timeout(&mut self, now_ms: u64, at_ms: u64, key: ServerKey) {
        let timers = self.config.timers;
        let counts = self
            .servers
            .get_mut(&key)
            .is_some_and(|server| server.wake.take(at_ms));
        if counts {
            self.step_server(&key, |server, _| match &mut server.machine {
                Machine::Invite(machine) => machine.handle_timeout(now_ms, timers),
                Machine::Plain(machine) => machine.handle_timeout(now_ms),
            });
        }
    }

    fn insert_server(&mut self, key: ServerKey, machine: Machine, flow: Flow) {
        let server = Server {
            machine,
            flow,
            to: None,
            wake: Wake::default(),
        };
        self.servers.insert(key.clone(), server);
        self.settle_server(&key);
    }

    fn step_server(&mut self, key: &ServerKey, event: impl FnOnce(&mut Server, bool) -> Step) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let reliable = server.flow.transport.is_reliable();
        let step = event(server, reliable);
        if let Some(bytes) = step.send {
            self.outputs.push_back(Output::Send {
                flow: server.flow,
                bytes,
            });
        }
        match step.tell {
            Tell::Timeout => self
                .outputs
                .push_back(Output::ServerTimeout { key: key.clone() }),
            Tell::Nothing | Tell::Message | Tell::Transport => {}
        }
        self.settle_server(key);
    }

    /// Sets the next wake-up, or takes the transaction away when it is over.
    fn settle_server(&mut self, key: &ServerKey) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let deadline_ms = match &server.machine {
            Machine::Invite(machine) => machine.deadline_ms(),
            Machine::Plain(machine) => machine.deadline_ms(),
        };
        match deadline_ms {
            Some(at_ms) => self
                .schedule
                .set(&mut server.wake, &Owner::Server(key.clone()), at_ms),
            None => {
                self.servers.remove(key);
                self.outputs
                    .push_back(Output::ServerEnded { key: key.clone() });
            }
        }
    }

    /// There is no room for another transaction: 503 without one. Inside a dialog over UDP nothing is said, since a 503
    /// would end the dialog and the peer asks again by itself.
    fn refuse(&mut self, flow: Flow, request: &Message) {
        let inside_dialog = request.to().is_ok_and(|to| to.tag().is_some());
        if inside_dialog && !flow.transport.is_reliable() {
            return;
        }
        let mut response = Message::response_to(request, 503, "");
        response.add_to_tag(&stateless_tag(request));
        response
            .headers
            .push(Name::RetryAfter, RETRY_AFTER_S.to_string());
        self.outputs.push_back(Output::Send {
            flow,
            bytes: response.to_bytes(),
        });
    }
}

impl Server {
    fn received_again(&mut self) -> Step {
        match &mut self.machine {
            Machine::Invite(machine) => machine.received_again(),
            Machine::Plain(machine) => machine.received_again(),
        }
    }
}

/// A To tag that is the same for each copy of a request (RFC 3261 §8.2.7): FNV-1a of its transaction.
pub(super) fn stateless_tag(request: &Message) -> String {
    let key = ServerKey::of(request)
        .map(|key| key.to_string())
        .unwrap_or_default();
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}
