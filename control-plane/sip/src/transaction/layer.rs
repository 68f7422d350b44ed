use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use carillon_model::Flow;

use super::client_side::Client;
use super::key::{ClientKey, ServerKey};
use super::schedule::Schedule;
use super::server_side::Server;
use super::{Config, Input, Output};
use crate::Message;

/// All transactions of one process.
pub struct Layer {
    pub(super) config: Config,
    pub(super) servers: BTreeMap<ServerKey, Server>,
    pub(super) clients: BTreeMap<ClientKey, Client>,
    /// Which transaction a response belongs to: by its branch, and whether it answers a CANCEL
    /// (RFC 3261 §17.1.3; CANCEL and INVITE share their branch).
    pub(super) branches: BTreeMap<(Arc<str>, bool), ClientKey>,
    /// Which requests suffer when a way to a peer is lost.
    pub(super) ways: BTreeSet<(Flow, ClientKey)>,
    pub(super) schedule: Schedule<Owner>,
    pub(super) outputs: VecDeque<Output>,
}

/// Whose deadline it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Server(ServerKey),
    Client(ClientKey),
}

/// How many transactions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests of peers.
    pub servers: usize,
    /// Requests of ours.
    pub clients: usize,
}

impl Layer {
    /// A layer without transactions.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            servers: BTreeMap::new(),
            clients: BTreeMap::new(),
            branches: BTreeMap::new(),
            ways: BTreeSet::new(),
            schedule: Schedule::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Received { flow, message } if message.is_request() => {
                self.received_request(now_ms, flow, message);
            }
            Input::Received { flow, message } => self.received_response(now_ms, flow, message),
            Input::Respond { key, message } => self.respond(now_ms, &key, &message),
            Input::Request { key, message, flow } => self.request(now_ms, key, message, flow),
            Input::AdoptServer { key, flow } => self.adopt_server(now_ms, key, flow),
            Input::AdoptClient { key, message, flow } => {
                self.adopt_client(now_ms, key, message, flow);
            }
            Input::AbandonClient { key } => self.abandon_client(key),
            Input::AbandonServer { key } => drop(self.servers.remove(&key)),
            Input::SendFailed { flow } => self.send_failed(flow),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some((at_ms, owner)) = self.schedule.pop_due(now_ms) {
            match owner {
                Owner::Server(key) => self.server_timeout(now_ms, at_ms, key),
                Owner::Client(key) => self.client_timeout(now_ms, at_ms, key),
            }
        }
    }

    /// When [`Layer::handle_timeout`] is wanted next; sometimes earlier than it finds anything to do.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.schedule.next_ms()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether a request belongs to a transaction that is there: a repeated request, an ACK of a refusal, a CANCEL of
    /// an INVITE.
    pub fn knows(&self, request: &Message) -> bool {
        let known = |key: Option<ServerKey>| key.is_some_and(|key| self.servers.contains_key(&key));
        known(ServerKey::of(request))
            || request.method() == Some(&crate::Method::Cancel)
                && known(ServerKey::cancelled_by(request))
    }

    /// Whether this server transaction is there.
    pub fn has_server(&self, key: &ServerKey) -> bool {
        self.servers.contains_key(key)
    }

    /// How many transactions there are.
    pub fn load(&self) -> Load {
        Load {
            servers: self.servers.len(),
            clients: self.clients.len(),
        }
    }

    pub(super) fn is_full(&self, inside_dialog: bool) -> bool {
        let reserve = if inside_dialog {
            self.config.transactions / 8
        } else {
            0
        };
        self.servers.len() + self.clients.len() >= self.config.transactions + reserve
    }
}
