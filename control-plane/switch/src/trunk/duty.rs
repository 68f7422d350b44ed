//! One node registers a trunk: it claims the lease, says to the cluster which contact it will register, and asks the carrier.
//! It asks nothing for which its lease may have ended by the time the carrier hears it.

use std::sync::Arc;

use carillon_model::{
    Command, Epoch, Flow, LeaseCommand, LeaseOutcome, MAX_TRUNK_CONTACTS, NodeId, NodeState,
    Outcome, Random, Register, State, TrunkId, TrunkReport, TrunkState, WHILE_NODE_LIVES,
    trunk_resource,
};
use carillon_sip::transaction::{ClientKey, Input, branch, tag};
use carillon_sip::{Message, Via};

use super::client::{Account, Client, Verdict, Way};
use super::{Announced, Held, Server, ServerWay};
use crate::proposals::Purpose;
use crate::qualify::via_transport;
use crate::switch::Asker;
use crate::{Notice, ProposalFailure, Switch};

/// How often a node looks at its trunks where nothing happens.
const LOOK_INTERVAL_MS: u64 = 250;
/// How much later than the first in line the next one claims.
const TURN_MS: u64 = 300;
/// A claim that was not answered for so long is repeated.
const CLAIM_AGAIN_MS: u64 = 1_000;
/// What a request takes on its way to the carrier, at most, where all is well.
const FENCE_MS: u64 = 200;

impl Switch {
    /// Looks after the trunks, if it is time to.
    pub(crate) fn trunks_due(&mut self) {
        if self.state.trunks().is_empty() && self.trunks.held.is_empty() {
            self.trunks.next_ms = None;
            return;
        }
        self.look_carriers_up();
        self.qualify_carriers();
        if self.is_draining() {
            self.give_trunks_back();
        } else if self.is_in_doubt() || !self.will_be_tenured(FENCE_MS) {
            self.fall_silent();
        } else {
            self.compare_trunks();
            self.claim_trunks();
            self.ask_carriers();
        }
        self.trunks.next_ms = Some(self.next_trunk_ms());
    }

    /// Nothing more is said to carriers by a node whose lease may have ended: others may register its trunks.
    pub(crate) fn fence_trunks(&mut self) {
        if !self.trunks.asked.is_empty() && (self.is_in_doubt() || !self.will_be_tenured(FENCE_MS))
        {
            self.fall_silent();
        }
    }

    fn next_trunk_ms(&self) -> u64 {
        let held = self.trunks.held.values();
        let next = held.map(|held| held.client.next_ms()).min();
        let look_ms = self.now_ms + LOOK_INTERVAL_MS;
        let next = next.into_iter().chain(self.trunks.reach.next_ms()).min();
        next.map_or(look_ms, |next_ms| next_ms.clamp(self.now_ms + 10, look_ms))
    }

    fn fall_silent(&mut self) {
        for key in std::mem::take(&mut self.trunks.asked).into_keys() {
            self.abandon(key);
        }
        for held in self.trunks.held.values_mut() {
            if held.client.asking().is_some() {
                held.client.ask_at(self.now_ms);
            }
        }
    }

    pub(super) fn abandon(&mut self, key: ClientKey) {
        self.clients.remove(&key);
        self.transactions
            .handle_input(self.now_ms, Input::AbandonClient { key });
    }

    /// A node that will stop hands its trunks over.
    fn give_trunks_back(&mut self) {
        self.fall_silent();
        let held = std::mem::take(&mut self.trunks.held);
        for (trunk, held) in held {
            self.give_back(trunk, held.epoch);
        }
    }

    fn give_back(&mut self, trunk: TrunkId, epoch: Epoch) {
        let command = Command::Lease(LeaseCommand::Release {
            resource: trunk_resource(trunk),
            holder: self.config.node,
            epoch,
        });
        self.propose(command, Purpose::TrunkEnd);
    }

    /// Lets go of trunks that are another node's by now, or are registered no more.
    fn compare_trunks(&mut self) {
        let state = Arc::clone(&self.state);
        let held: Vec<(TrunkId, Epoch)> = self
            .trunks
            .held
            .iter()
            .map(|(trunk, held)| (*trunk, held.epoch))
            .collect();
        for (trunk, epoch) in held {
            let own = state
                .trunk_lease(trunk)
                .is_some_and(|lease| lease.holder == self.config.node && lease.epoch == epoch);
            let register = state.register_of_trunk(trunk);
            if own {
                self.take_account(trunk, epoch, register.map(AsRef::as_ref));
            } else {
                self.let_go(trunk);
            }
        }
    }

    fn let_go(&mut self, trunk: TrunkId) {
        let Some(held) = self.trunks.held.remove(&trunk) else {
            return;
        };
        if let Some(key) = held.client.asking() {
            self.trunks.asked.remove(&key);
            self.abandon(key);
        }
    }

    /// What an administrator has changed works at once: the carrier forgets the old contact and is asked anew.
    fn take_account(&mut self, trunk: TrunkId, epoch: Epoch, register: Option<&Register>) {
        let account = register.map(Account::of);
        let now_ms = self.now_ms;
        let Some(held) = self.trunks.held.get_mut(&trunk) else {
            return;
        };
        if held.client.is_leaving() || Some(held.client.account()) == account.as_ref() {
            return;
        }
        if held.client.is_registered() {
            held.client.leave(now_ms);
        } else {
            self.begin_again(trunk, epoch);
        }
    }

    /// With what is configured now, if anything is.
    fn begin_again(&mut self, trunk: TrunkId, epoch: Epoch) {
        self.let_go(trunk);
        match self.state.register_of_trunk(trunk).cloned() {
            Some(register) => self.hold(trunk, epoch, Account::of(&register)),
            None => self.give_back(trunk, epoch),
        }
    }

    fn hold(&mut self, trunk: TrunkId, epoch: Epoch, account: Account) {
        let stale = self
            .state
            .trunk_report(trunk)
            .map(|report| report.contacts.clone())
            .unwrap_or_default();
        let salt = self.random.token(12);
        let tag = tag(self.config.node, &self.random.token(12));
        let client = Client::new(account, (trunk, epoch), (salt, tag), stale);
        let held = Held {
            epoch,
            client,
            announced: Announced::No,
        };
        self.trunks.held.insert(trunk, held);
    }

    /// Claims what nobody registers, each when its turn has come.
    fn claim_trunks(&mut self) {
        let state = Arc::clone(&self.state);
        let wanted: Vec<TrunkId> = state
            .trunks()
            .iter()
            .filter(|(trunk, _)| state.register_of_trunk(**trunk).is_some())
            .map(|(trunk, _)| *trunk)
            .filter(|trunk| !self.trunks.held.contains_key(trunk))
            .collect();
        self.trunks.vacant.retain(|trunk, _| wanted.contains(trunk));
        let now_ms = self.now_ms;
        for trunk in wanted {
            let lease = state.trunk_lease(trunk);
            let former = lease.map(|lease| lease.holder);
            // A lease of an earlier life of this node is claimed anew: its numbers begin anew as well.
            let vacant = lease.is_none_or(|lease| {
                lease.holder == self.config.node || state.is_vacant(lease, now_ms)
            });
            if !vacant {
                self.trunks.vacant.remove(&trunk);
                continue;
            }
            let since_ms = *self.trunks.vacant.entry(trunk).or_insert(now_ms);
            let turn_ms = since_ms + TURN_MS * self.turn(&state, trunk, former);
            let asked = self.trunks.claimed.get(&trunk);
            let waits = asked.is_some_and(|asked_ms| now_ms < asked_ms + CLAIM_AGAIN_MS);
            if now_ms < turn_ms || waits {
                continue;
            }
            self.trunks.claimed.insert(trunk, now_ms);
            let command = Command::Lease(LeaseCommand::Claim {
                resource: trunk_resource(trunk),
                holder: self.config.node,
                ttl_ms: WHILE_NODE_LIVES,
            });
            self.propose(command, Purpose::TrunkClaim(trunk));
        }
    }

    /// How many living nodes come before this one: all nodes put them into the same order, another for each trunk.
    fn turn(&self, state: &State, trunk: TrunkId, former: Option<NodeId>) -> u64 {
        let rank = |node: NodeId| {
            let call = carillon_model::CallId(u128::from(trunk.0));
            carillon_model::rendezvous(call, node)
        };
        let own = self.config.node;
        let before = state.nodes().values().filter(|node| {
            node.id != own
                && Some(node.id) != former
                && node.state == NodeState::Active
                && !self.nodes_down.contains(&node.id)
                && rank(node.id) > rank(own)
        });
        before.count() as u64
    }

    pub(crate) fn trunk_claimed(
        &mut self,
        trunk: TrunkId,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        self.trunks.claimed.remove(&trunk);
        if let Ok(Outcome::Lease(LeaseOutcome::Granted { epoch })) = outcome {
            let register = self.state.register_of_trunk(trunk).cloned();
            let newest = self
                .state
                .trunk_lease(trunk)
                .is_some_and(|lease| lease.epoch == epoch && lease.holder == self.config.node);
            match register {
                Some(register) if newest && !self.is_draining() => {
                    self.hold(trunk, epoch, Account::of(&register));
                    self.tell(Notice::TrunkOwned { trunk, epoch });
                }
                Some(_) | None => self.give_back(trunk, epoch),
            }
        }
        self.trunks_due();
    }

    fn ask_carriers(&mut self) {
        let now_ms = self.now_ms;
        let trunks: Vec<TrunkId> = self.trunks.held.keys().copied().collect();
        for trunk in trunks {
            let Some(held) = self.trunks.held.get(&trunk) else {
                continue;
            };
            if held.client.is_given_up(now_ms) {
                self.carrier_silent(trunk);
            } else if held.client.is_due(now_ms) {
                self.ask_carrier(trunk);
            }
        }
    }

    /// The flow to the server that is to be asked, and how many there are.
    fn flow_of(&mut self, account: &Account, at: usize) -> Option<(Flow, usize)> {
        let server = Server {
            host: account.host.clone(),
            port: account.port,
            transport: account.transport,
        };
        let ways = self.ways_to_server(&server);
        let flows: Vec<Flow> = ways.iter().filter_map(|way| self.flow_to(way)).collect();
        let flow = flows.get(at).or_else(|| flows.first())?;
        Some((*flow, flows.len()))
    }

    /// A flow from a listener of this node.
    pub(crate) fn flow_to(&self, way: &ServerWay) -> Option<Flow> {
        let local = self.own_listener(way.transport, way.address)?;
        Some(Flow {
            node: self.config.node,
            transport: way.transport,
            local,
            peer: way.address,
            connection: 0,
        })
    }

    fn ask_carrier(&mut self, trunk: TrunkId) {
        let Some(held) = self.trunks.held.get(&trunk) else {
            return;
        };
        let (account, at) = (held.client.account().clone(), held.client.server());
        let Some((flow, _)) = self.flow_of(&account, at) else {
            return self.carrier_unknown(trunk);
        };
        let contact = account.contact(flow.transport, flow.local);
        if !self.is_announced(trunk, &contact) {
            return;
        }
        let key = ClientKey(self.draw());
        let via = Via::new(
            via_transport(flow.transport),
            flow.local,
            &branch(self.config.node, key),
        );
        let way = Way {
            key,
            via,
            client_nonce: self.random.token(16),
        };
        let now_ms = self.now_ms;
        let message = self
            .trunks
            .held
            .get_mut(&trunk)
            .and_then(|held| held.client.request(now_ms, &contact, way));
        let Some(message) = message else {
            return self.carrier_unknown(trunk);
        };
        self.trunks.asked.insert(key, trunk);
        self.clients.insert(key, Asker::Trunks);
        self.transactions
            .handle_input(self.now_ms, Input::Request { key, message, flow });
    }

    /// There is no address to ask, yet.
    fn carrier_unknown(&mut self, trunk: TrunkId) {
        let at_ms = self.now_ms + LOOK_INTERVAL_MS;
        if let Some(held) = self.trunks.held.get_mut(&trunk) {
            held.client.ask_at(at_ms);
        }
    }

    /// Whether the cluster knows the contact. If not it is told, and the carrier is asked after that.
    fn is_announced(&mut self, trunk: TrunkId, contact: &str) -> bool {
        let Some(held) = self.trunks.held.get_mut(&trunk) else {
            return false;
        };
        match &held.announced {
            Announced::Yes(known) if known == contact => return true,
            Announced::Asked(asked) if asked == contact => return false,
            Announced::Yes(_) | Announced::Asked(_) | Announced::No => {}
        }
        held.announced = Announced::Asked(contact.to_owned());
        let mut contacts: Vec<String> = held
            .client
            .stale()
            .iter()
            .filter(|gone| *gone != contact)
            .cloned()
            .collect();
        let excess = contacts.len().saturating_sub(MAX_TRUNK_CONTACTS - 1);
        contacts.drain(..excess);
        contacts.push(contact.to_owned());
        let report = TrunkReport {
            trunk,
            node: self.config.node,
            epoch: held.epoch,
            state: TrunkState::Registering,
            contacts,
            code: None,
            expires_at_ms: 0,
            at_ms: 0,
        };
        let contact = contact.to_owned();
        self.propose(
            Command::Trunk(report),
            Purpose::TrunkAnnounced { trunk, contact },
        );
        false
    }

    pub(crate) fn trunk_announced(
        &mut self,
        trunk: TrunkId,
        contact: String,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        let retry_ms = self.now_ms + CLAIM_AGAIN_MS;
        if let Some(held) = self.trunks.held.get_mut(&trunk)
            && held.announced == Announced::Asked(contact.clone())
        {
            if outcome == Ok(Outcome::Done) {
                held.announced = Announced::Yes(contact);
            } else {
                held.announced = Announced::No;
                held.client.ask_at(retry_ms);
            }
        }
        self.trunks_due();
    }

    /// The carrier has answered.
    pub(crate) fn carrier_answered(&mut self, key: ClientKey, response: &Message) {
        if self.is_about_reach(key, true) {
            return;
        }
        let Some(trunk) = self.trunks.asked.get(&key).copied() else {
            return;
        };
        let now_ms = self.now_ms;
        let Some((account, at)) = self.trunks.held.get(&trunk).map(|held| {
            let client = &held.client;
            (client.account().clone(), client.server())
        }) else {
            return;
        };
        let Some((flow, servers)) = self.flow_of(&account, at) else {
            return;
        };
        let contact = account.contact(flow.transport, flow.local);
        let Some(held) = self.trunks.held.get_mut(&trunk) else {
            return;
        };
        let verdict = held
            .client
            .answered(now_ms, key, response, &contact, servers);
        self.judge_carrier(trunk, key, verdict, response.status(), contact);
    }

    /// The request got no answer.
    pub(crate) fn carrier_failed(&mut self, key: ClientKey) {
        if self.is_about_reach(key, false) {
            return;
        }
        if let Some(trunk) = self.trunks.asked.get(&key).copied() {
            self.carrier_silent(trunk);
        }
    }

    fn carrier_silent(&mut self, trunk: TrunkId) {
        let Some(held) = self.trunks.held.get(&trunk) else {
            return;
        };
        let (account, at) = (held.client.account().clone(), held.client.server());
        let Some(key) = held.client.asking() else {
            return;
        };
        let (contact, servers) = match self.flow_of(&account, at) {
            Some((flow, servers)) => (account.contact(flow.transport, flow.local), servers),
            None => (String::new(), 0),
        };
        self.abandon(key);
        let now_ms = self.now_ms;
        let Some(held) = self.trunks.held.get_mut(&trunk) else {
            return;
        };
        let verdict = held.client.silent(now_ms, servers);
        self.judge_carrier(trunk, key, verdict, None, contact);
    }

    fn judge_carrier(
        &mut self,
        trunk: TrunkId,
        key: ClientKey,
        verdict: Verdict,
        code: Option<u16>,
        contact: String,
    ) {
        let (state, expires_at_ms) = match verdict {
            Verdict::Nothing => return,
            Verdict::Again => {
                self.trunks.asked.remove(&key);
                return self.ask_carrier_if_it_may(trunk);
            }
            Verdict::Registered { expires_at_ms } => (TrunkState::Registered, expires_at_ms),
            Verdict::Refused { code: _ } => (TrunkState::Refused, 0),
        };
        self.trunks.asked.remove(&key);
        let Some(held) = self.trunks.held.get_mut(&trunk) else {
            return;
        };
        let epoch = held.epoch;
        if held.client.is_leaving() {
            return self.begin_again(trunk, epoch);
        }
        let mut contacts = held.client.stale().to_vec();
        contacts.retain(|gone| *gone != contact);
        contacts.truncate(MAX_TRUNK_CONTACTS - 1);
        contacts.push(contact);
        let report = TrunkReport {
            trunk,
            node: self.config.node,
            epoch,
            state,
            contacts,
            code,
            expires_at_ms,
            at_ms: 0,
        };
        let registered = state == TrunkState::Registered;
        self.tell(Notice::TrunkAnswered {
            trunk,
            registered,
            code,
        });
        self.propose(Command::Trunk(report), Purpose::TrunkEnd);
    }

    fn ask_carrier_if_it_may(&mut self, trunk: TrunkId) {
        if self.will_be_tenured(FENCE_MS) && !self.is_in_doubt() && !self.is_draining() {
            self.ask_carrier(trunk);
        }
    }
}
