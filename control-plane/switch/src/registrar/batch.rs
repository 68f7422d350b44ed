use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use carillon_model::{BindingChange, BindingOutcome, Command, EndpointId, Flow, Outcome};
use carillon_sip::Message;

use super::{LOCAL_AFTER_MS, Pending, keeps_flow};
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
/// Time until what the quorum did not take is proposed again.
const RETRY_MS: u64 = 200;

/// Changes of bindings on their way to the quorum.
pub(crate) struct Batches {
    waiting: VecDeque<Item>,
    /// REGISTERs without an answer yet, by their number.
    unanswered: BTreeMap<u64, Pending>,
    /// Until when those of them that can do without the quorum wait for it, in this order.
    patience: VecDeque<(u64, u64)>,
    next: u64,
    in_flight: usize,
    next_at_ms: u64,
    /// Whose flows (RFC 5626) are which connections of this node.
    connections: BTreeMap<Flow, BTreeSet<EndpointId>>,
}

/// The changes that belong together, and the REGISTER that they came with.
pub(crate) struct Item {
    pub(super) changes: Arc<[BindingChange]>,
    /// The REGISTER's number; it may have been answered before the commit.
    pub(super) register: Option<u64>,
}

impl Batches {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            unanswered: BTreeMap::new(),
            patience: VecDeque::new(),
            next: 1,
            in_flight: 0,
            next_at_ms: 0,
            connections: BTreeMap::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// A REGISTER whose changes are to be committed; `alone`: after a while without the quorum.
    pub(super) fn ask(&mut self, now_ms: u64, pending: Pending, alone: bool) {
        let changes = Arc::clone(&pending.changes);
        let number = self.next;
        self.next += 1;
        self.unanswered.insert(number, pending);
        if alone {
            self.patience.push_back((now_ms + LOCAL_AFTER_MS, number));
        }
        let register = Some(number);
        self.add(now_ms, Item { changes, register });
    }

    /// The next REGISTER that waits for too long.
    pub(super) fn overdue(&mut self, now_ms: u64) -> Option<Pending> {
        while let Some((until_ms, number)) = self.patience.front().copied()
            && until_ms <= now_ms
        {
            self.patience.pop_front();
            if let Some(pending) = self.unanswered.remove(&number) {
                return Some(pending);
            }
        }
        None
    }

    /// The REGISTER of an item, if it has no answer yet.
    fn answering(&mut self, item: &Item) -> Option<Pending> {
        let pending = self.unanswered.remove(&item.register?);
        while let Some((_, number)) = self.patience.front()
            && !self.unanswered.contains_key(number)
        {
            self.patience.pop_front();
        }
        pending
    }

    pub(super) fn add(&mut self, now_ms: u64, item: Item) {
        if self.waiting.is_empty() && self.in_flight == 0 {
            self.next_at_ms = self.next_at_ms.min(now_ms + BATCH_INTERVAL_MS);
        }
        self.waiting.push_back(item);
    }

    /// When there is something to do next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let until_ms = self.patience.front().map(|(until_ms, _)| *until_ms);
        [self.batch_ms(), until_ms].into_iter().flatten().min()
    }

    /// When the next batch is due; one that waits for an earlier commit is not.
    fn batch_ms(&self) -> Option<u64> {
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
            .batch_ms()
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
        let outcomes = match outcome {
            Ok(Outcome::Bindings(outcomes)) => outcomes,
            Ok(_) | Err(ProposalFailure::Overload) => return self.give_up(items),
            Err(ProposalFailure::NoQuorum | ProposalFailure::Timeout) => return self.insist(items),
        };
        let mut outcomes = outcomes.into_iter();
        for item in items {
            let own: Vec<BindingOutcome> = outcomes.by_ref().take(item.changes.len()).collect();
            match self.batches.answering(&item) {
                Some(pending) => self.judged(&pending, &own),
                None => self.merged(&item.changes),
            }
        }
    }

    /// What was accepted here, or may be soon, is proposed again; all else is answered with 503.
    fn insist(&mut self, items: Vec<Item>) {
        let (again, rest): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| {
            let waits = item
                .register
                .is_some_and(|number| self.batches.unanswered.contains_key(&number));
            match waits {
                true => self.may_accept_alone(&item.changes),
                false => self.is_unmerged(&item.changes),
            }
        });
        self.give_up(rest);
        if !again.is_empty() {
            self.batches.next_at_ms = self.now_ms + RETRY_MS;
            self.batches.waiting.extend(again);
        }
    }

    fn give_up(&mut self, items: Vec<Item>) {
        for item in items {
            if let Some(pending) = self.batches.answering(&item) {
                let response = self.unavailable(&pending.request);
                self.answer(pending.key, response);
            }
        }
    }

    fn judged(&mut self, pending: &Pending, outcomes: &[BindingOutcome]) {
        let changes = &pending.changes;
        let complete = outcomes.len() == changes.len();
        let refused = outcomes
            .iter()
            .find(|outcome| **outcome != BindingOutcome::Accepted);
        let code = match refused {
            None if complete => {
                self.remember_connection(pending, changes);
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
            pending.key.clone(),
            Message::response_to(&pending.request, code, reason),
        );
    }

    /// A flow of RFC 5626 ends with its connection; any other contact may take a new one.
    pub(super) fn remember_connection(&mut self, pending: &Pending, changes: &[BindingChange]) {
        if pending.flow.transport.is_reliable() && keeps_flow(changes) {
            self.batches
                .connections
                .entry(pending.flow)
                .or_default()
                .insert(pending.endpoint);
        }
    }
}
