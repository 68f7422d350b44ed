use std::collections::{BTreeMap, BTreeSet, VecDeque};

use carillon_model::{BindingChange, BindingOutcome, Command, EndpointId, Flow, Outcome};
use carillon_sip::Message;

use super::{Pending, keeps_flow};
use crate::proposals::Purpose;
use crate::{ProposalFailure, Switch};

/// Changes that come closer together than this share a commit; the first after a pause does not wait.
pub const BATCH_INTERVAL_MS: u64 = 20;
/// Changes of one commit.
const BATCH_CHANGES_MAX: usize = 512;
/// Commits on their way at a time: a slow quorum makes batches larger, not more.
const BATCHES_IN_FLIGHT_MAX: usize = 4;
/// REGISTERs that wait to be proposed.
const WAITING_MAX: usize = 8_192;

/// Changes of bindings on their way to the quorum.
pub(crate) struct Batches {
    waiting: VecDeque<Item>,
    in_flight: usize,
    next_at_ms: u64,
    /// Whose flows (RFC 5626) are which connections of this node.
    connections: BTreeMap<Flow, BTreeSet<EndpointId>>,
}

/// The changes that belong together, and the REGISTER that they came with.
pub(crate) struct Item {
    pub(crate) changes: Vec<BindingChange>,
    pub(crate) register: Option<Pending>,
}

impl Batches {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            in_flight: 0,
            next_at_ms: 0,
            connections: BTreeMap::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    pub(super) fn add(&mut self, now_ms: u64, item: Item) {
        if self.waiting.is_empty() && self.in_flight == 0 {
            self.next_at_ms = self.next_at_ms.min(now_ms + BATCH_INTERVAL_MS);
        }
        self.waiting.push_back(item);
    }

    /// When the next batch is due; one that waits for an earlier commit is not.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let ready = !self.waiting.is_empty() && self.in_flight < BATCHES_IN_FLIGHT_MAX;
        ready.then_some(self.next_at_ms)
    }

    pub(super) fn endpoints_on(&mut self, flow: &Flow) -> Vec<EndpointId> {
        self.connections
            .remove(flow)
            .into_iter()
            .flatten()
            .collect()
    }

    fn take(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        let mut changes = 0;
        while let Some(item) = self.waiting.front() {
            changes += item.changes.len();
            if changes > BATCH_CHANGES_MAX && !items.is_empty() {
                break;
            }
            items.extend(self.waiting.pop_front());
        }
        items
    }
}

impl Switch {
    /// Proposes what has gathered, if its time has come.
    pub(crate) fn propose_batch(&mut self) {
        while self
            .batches
            .next_ms()
            .is_some_and(|at_ms| at_ms <= self.now_ms)
        {
            let items = self.batches.take();
            self.batches.in_flight += 1;
            let full = self
                .batches
                .waiting
                .iter()
                .map(|item| item.changes.len())
                .sum::<usize>()
                >= BATCH_CHANGES_MAX;
            if !full {
                self.batches.next_at_ms = self.now_ms + BATCH_INTERVAL_MS;
            }
            let changes = items
                .iter()
                .flat_map(|item| item.changes.iter().cloned())
                .collect();
            self.propose(Command::Bindings(changes), Purpose::Bindings(items));
        }
    }

    pub(crate) fn bindings_committed(
        &mut self,
        items: Vec<Item>,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        self.batches.in_flight -= 1;
        let Ok(Outcome::Bindings(outcomes)) = outcome else {
            for pending in items.into_iter().filter_map(|item| item.register) {
                let response = self.unavailable(&pending.request);
                self.answer(pending.key, response);
            }
            return;
        };
        let mut outcomes = outcomes.into_iter();
        for Item { changes, register } in items {
            let own: Vec<BindingOutcome> = outcomes.by_ref().take(changes.len()).collect();
            if let Some(pending) = register {
                self.judged(pending, &changes, &own);
            }
        }
    }

    fn judged(&mut self, pending: Pending, changes: &[BindingChange], outcomes: &[BindingOutcome]) {
        let complete = outcomes.len() == changes.len();
        let refused = outcomes
            .iter()
            .find(|outcome| **outcome != BindingOutcome::Accepted);
        let code = match refused {
            None if complete => {
                self.remember_connection(&pending, changes);
                return self.confirm(pending, changes);
            }
            None | Some(BindingOutcome::Accepted) => 500,
            // RFC 3261 §10.3 step 7 names no code; 500 is that of requests out of order in §12.2.2.
            Some(BindingOutcome::OutOfOrder) => 500,
            Some(BindingOutcome::TooMany | BindingOutcome::UnknownEndpoint) => 403,
        };
        let reason = match refused {
            Some(BindingOutcome::OutOfOrder) => "Request Out Of Order",
            Some(BindingOutcome::TooMany) => "Too Many Contacts",
            Some(BindingOutcome::Accepted | BindingOutcome::UnknownEndpoint) | None => "",
        };
        self.answer(
            pending.key,
            Message::response_to(&pending.request, code, reason),
        );
    }

    /// A flow of RFC 5626 ends with its connection; any other contact may take a new one.
    fn remember_connection(&mut self, pending: &Pending, changes: &[BindingChange]) {
        if pending.flow.transport.is_reliable() && keeps_flow(changes) {
            self.batches
                .connections
                .entry(pending.flow)
                .or_default()
                .insert(pending.endpoint);
        }
    }
}
