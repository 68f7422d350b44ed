use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use carillon_model::{BindingChange, BindingOutcome, Command, EndpointId, Flow, Outcome};
use carillon_sip::Message;

use super::{LOCAL_AFTER_MS, Pending, keeps_flow};
use crate::proposals::Purpose;
use crate::{ProposalFailure, Switch};

/// REGISTERs that have no answer yet, or are to be proposed again.
const WAITING_MAX: usize = 8_192;
/// Time until what the quorum did not take is proposed again.
const RETRY_MS: u64 = 200;

/// Changes of bindings on their way to the quorum.
pub(crate) struct Batches {
    /// What the quorum did not take, and when it is proposed again.
    again: VecDeque<Item>,
    again_at_ms: u64,
    /// REGISTERs without an answer yet, by their number.
    unanswered: BTreeMap<u64, Pending>,
    /// Until when those of them that can do without the quorum wait for it, in this order.
    patience: VecDeque<(u64, u64)>,
    next: u64,
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
            again: VecDeque::new(),
            again_at_ms: 0,
            unanswered: BTreeMap::new(),
            patience: VecDeque::new(),
            next: 1,
            connections: BTreeMap::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.unanswered.len() + self.again.len() >= WAITING_MAX
    }

    /// A REGISTER whose changes are to be committed; `alone`: after a while without the quorum.
    pub(super) fn ask(&mut self, now_ms: u64, pending: Pending, alone: bool) -> Item {
        let changes = Arc::clone(&pending.changes);
        let number = self.next;
        self.next += 1;
        self.unanswered.insert(number, pending);
        if alone {
            self.patience.push_back((now_ms + LOCAL_AFTER_MS, number));
        }
        let register = Some(number);
        Item { changes, register }
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

    /// When there is something to do next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let until_ms = self.patience.front().map(|(until_ms, _)| *until_ms);
        let again_ms = (!self.again.is_empty()).then_some(self.again_at_ms);
        [again_ms, until_ms].into_iter().flatten().min()
    }

    pub(super) fn endpoints_on(&mut self, flow: &Flow) -> Vec<EndpointId> {
        self.connections
            .remove(flow)
            .into_iter()
            .flatten()
            .collect()
    }

    /// What is proposed again now.
    pub(super) fn due_again(&mut self, now_ms: u64) -> VecDeque<Item> {
        match self.again_at_ms <= now_ms {
            true => std::mem::take(&mut self.again),
            false => VecDeque::new(),
        }
    }
}

impl Switch {
    pub(super) fn propose_changes(&mut self, item: Item) {
        let changes = item.changes.to_vec();
        self.propose(Command::Bindings(changes), Purpose::Bindings(item));
    }

    pub(crate) fn bindings_committed(
        &mut self,
        item: Item,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        let outcomes = match outcome {
            Ok(Outcome::Bindings(outcomes)) => outcomes,
            Ok(_) | Err(ProposalFailure::Overload) => return self.give_up(&item),
            Err(ProposalFailure::NoQuorum | ProposalFailure::Timeout) => return self.insist(item),
        };
        match self.batches.answering(&item) {
            Some(pending) => self.judged(&pending, &outcomes),
            None => self.merged(&item.changes),
        }
    }

    /// What was accepted here, or may be soon, is proposed again; all else is answered with 503.
    fn insist(&mut self, item: Item) {
        let waits = item
            .register
            .is_some_and(|number| self.batches.unanswered.contains_key(&number));
        let again = match waits {
            true => self.may_accept_alone(&item.changes),
            false => self.is_unmerged(&item.changes),
        };
        if again {
            self.batches.again_at_ms = self.now_ms + RETRY_MS;
            self.batches.again.push_back(item);
        } else {
            self.give_up(&item);
        }
    }

    fn give_up(&mut self, item: &Item) {
        if let Some(pending) = self.batches.answering(item) {
            let response = self.unavailable(&pending.request);
            self.answer(pending.key, response);
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
