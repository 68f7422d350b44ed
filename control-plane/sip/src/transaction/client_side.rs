use std::sync::Arc;

use carillon_model::Flow;

use super::invite_client::InviteClient;
use super::key::ClientKey;
use super::layer::{Layer, Owner};
use super::plain_client::PlainClient;
use super::schedule::Wake;
use super::step::{Step, Tell};
use super::{Failure, Output};
use crate::{Message, Method};

/// A request of ours.
pub(super) struct Client {
    machine: Machine,
    flow: Flow,
    branch: Arc<str>,
    method: Method,
    /// The CANCEL that this INVITE holds back.
    held: Option<ClientKey>,
    wake: Wake,
}

enum Machine {
    Invite(InviteClient),
    Plain(PlainClient),
}

impl Layer {
    pub(super) fn request(&mut self, now_ms: u64, key: ClientKey, message: Message, flow: Flow) {
        let Some((method, branch)) = request_name(&message) else {
            return;
        };
        if self.is_full(true) {
            let why = Failure::Overload;
            self.outputs.push_back(Output::Failed { key, why });
            return self.outputs.push_back(Output::ClientEnded { key });
        }
        let timers = self.config.timers;
        let reliable = flow.transport.is_reliable();
        let invite = (method == Method::Cancel)
            .then(|| self.cancels(now_ms, key, &branch, flow))
            .flatten();
        let (machine, bytes) = match (&method, invite) {
            (Method::Invite, _) => {
                let (machine, bytes) = InviteClient::new(now_ms, timers, reliable, message);
                (Machine::Invite(machine), Some(bytes))
            }
            (_, Some(Held)) => (Machine::Plain(PlainClient::Held { request: message }), None),
            (_, None) => {
                let (machine, bytes) = PlainClient::new(now_ms, timers, reliable, &message);
                (Machine::Plain(machine), Some(bytes))
            }
        };
        if let Some(bytes) = bytes {
            self.outputs.push_back(Output::Send { flow, bytes });
        }
        self.insert_client(
            key,
            Client {
                machine,
                flow,
                branch,
                method,
                held: None,
                wake: Wake::default(),
            },
        );
    }

    /// Tells the INVITE of a CANCEL; says whether it has to wait. One that goes another way does not: by that of the INVITE
    /// nothing gets through any more, and nothing more is to.
    fn cancels(
        &mut self,
        now_ms: u64,
        cancel: ClientKey,
        branch: &Arc<str>,
        flow: Flow,
    ) -> Option<Held> {
        let invite = *self.branches.get(&(branch.clone(), false))?;
        let timers = self.config.timers;
        let client = self.clients.get_mut(&invite)?;
        if (client.flow.node, client.flow.local) != (flow.node, flow.local) {
            self.abandon_client(invite);
            self.outputs.push_back(Output::ClientEnded { key: invite });
            return None;
        }
        let Machine::Invite(machine) = &mut client.machine else {
            return None;
        };
        if machine.is_calling() {
            client.held = Some(cancel);
            return Some(Held);
        }
        machine.cancelled(now_ms, timers);
        self.settle_client(invite);
        None
    }

    pub(super) fn adopt_client(
        &mut self,
        now_ms: u64,
        key: ClientKey,
        message: Message,
        flow: Flow,
    ) {
        let Some((method, branch)) = request_name(&message) else {
            return;
        };
        if method != Method::Invite || self.clients.contains_key(&key) {
            return;
        }
        let machine = Machine::Invite(InviteClient::adopted(now_ms, message));
        self.insert_client(
            key,
            Client {
                machine,
                flow,
                branch,
                method,
                held: None,
                wake: Wake::default(),
            },
        );
    }

    pub(super) fn received_response(&mut self, now_ms: u64, flow: Flow, message: Message) {
        let Some(key) = self.client_of(&message) else {
            return self
                .outputs
                .push_back(Output::StrayResponse { flow, message });
        };
        let Some(code) = message.status() else { return };
        let timers = self.config.timers;
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let reliable = client.flow.transport.is_reliable();
        let step = match &mut client.machine {
            Machine::Invite(machine) => machine.received(now_ms, timers, reliable, code, &message),
            Machine::Plain(machine) => machine.received(now_ms, timers, reliable, code),
        };
        let held = client.held.take();
        self.execute(key, step, Some((flow, message)));
        if let Some(cancel) = held {
            self.release(now_ms, key, cancel, code);
        }
    }

    /// The INVITE has a response: its CANCEL may leave, or is pointless.
    fn release(&mut self, now_ms: u64, invite: ClientKey, cancel: ClientKey, code: u16) {
        let timers = self.config.timers;
        let Some(client) = self.clients.get_mut(&cancel) else {
            return;
        };
        let reliable = client.flow.transport.is_reliable();
        let Machine::Plain(machine) = &mut client.machine else {
            return;
        };
        if code >= 200 {
            machine.drop_held();
            return self.settle_client(cancel);
        }
        let step = machine.release(now_ms, timers, reliable);
        self.execute(cancel, step, None);
        if let Some(Client {
            machine: Machine::Invite(machine),
            ..
        }) = self.clients.get_mut(&invite)
        {
            machine.cancelled(now_ms, timers);
            self.settle_client(invite);
        }
    }

    fn client_of(&self, response: &Message) -> Option<ClientKey> {
        let method = response.cseq().ok()?.method;
        let branch: Arc<str> = response.via().ok()?.branch()?.into();
        let key = *self.branches.get(&(branch, method == Method::Cancel))?;
        self.clients
            .get(&key)
            .is_some_and(|client| client.method == method)
            .then_some(key)
    }

    pub(super) fn client_timeout(&mut self, now_ms: u64, at_ms: u64, key: ClientKey) {
        let timers = self.config.timers;
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        if !client.wake.take(at_ms) {
            return;
        }
        let step = match &mut client.machine {
            Machine::Invite(machine) => machine.handle_timeout(now_ms),
            Machine::Plain(machine) => machine.handle_timeout(now_ms, timers),
        };
        self.execute(key, step, None);
    }

    pub(super) fn send_failed(&mut self, flow: Flow) {
        let from = (flow, ClientKey(u64::MIN));
        let to = (flow, ClientKey(u64::MAX));
        let hit: Vec<ClientKey> = self.ways.range(from..=to).map(|(_, key)| *key).collect();
        for key in hit {
            let Some(client) = self.clients.get_mut(&key) else {
                continue;
            };
            let step = match &mut client.machine {
                Machine::Invite(machine) => machine.send_failed(flow.transport.is_reliable()),
                Machine::Plain(machine) => machine.send_failed(),
            };
            self.execute(key, step, None);
        }
    }

    fn execute(&mut self, key: ClientKey, step: Step, received: Option<(Flow, Message)>) {
        let Some(client) = self.clients.get(&key) else {
            return;
        };
        if let Some(bytes) = step.send {
            self.outputs.push_back(Output::Send {
                flow: client.flow,
                bytes,
            });
        }
        match step.tell {
            Tell::Nothing => {}
            Tell::Message => {
                let told = received.map(|(flow, message)| Output::Response { key, flow, message });
                self.outputs.extend(told);
            }
            Tell::Timeout => self.outputs.push_back(Output::Failed {
                key,
                why: Failure::Timeout,
            }),
            Tell::Transport => self.outputs.push_back(Output::Failed {
                key,
                why: Failure::Transport,
            }),
        }
        self.settle_client(key);
    }

    fn insert_client(&mut self, key: ClientKey, client: Client) {
        self.ways.insert((client.flow, key));
        self.branches.insert(
            (client.branch.clone(), client.method == Method::Cancel),
            key,
        );
        self.clients.insert(key, client);
        self.settle_client(key);
    }

    /// Sets the next wake-up, or takes the transaction away when it is over.
    fn settle_client(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let deadline_ms = match &client.machine {
            Machine::Invite(machine) => machine.deadline_ms(),
            Machine::Plain(machine) => machine.deadline_ms(),
        };
        if let Some(at_ms) = deadline_ms {
            return self
                .schedule
                .set(&mut client.wake, &Owner::Client(key), at_ms);
        }
        if client.is_held() {
            return;
        }
        let Some(client) = self.clients.remove(&key) else {
            return;
        };
        self.ways.remove(&(client.flow, key));
        self.branches
            .remove(&(client.branch, client.method == Method::Cancel));
        self.outputs.push_back(Output::ClientEnded { key });
        if let Some(held) = client.held {
            self.drop_held(held);
        }
    }

    pub(super) fn abandon_client(&mut self, key: ClientKey) {
        let Some(client) = self.clients.remove(&key) else {
            return;
        };
        self.ways.remove(&(client.flow, key));
        self.branches
            .remove(&(client.branch, client.method == Method::Cancel));
        if let Some(held) = client.held {
            self.abandon_client(held);
        }
    }

    fn drop_held(&mut self, cancel: ClientKey) {
        if let Some(Client {
            machine: Machine::Plain(machine),
            ..
        }) = self.clients.get_mut(&cancel)
        {
            machine.drop_held();
            self.settle_client(cancel);
        }
    }
}

/// A CANCEL has to wait for a provisional response to its INVITE.
struct Held;

impl Client {
    fn is_held(&self) -> bool {
        matches!(&self.machine, Machine::Plain(PlainClient::Held { .. }))
    }
}

fn request_name(message: &Message) -> Option<(Method, Arc<str>)> {
    let method = message.method()?.clone();
    Some((method, message.via().ok()?.branch()?.into()))
}
