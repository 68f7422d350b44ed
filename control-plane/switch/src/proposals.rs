use std::collections::BTreeMap;

use carillon_model::{CallId, Command, Outcome};

use crate::registrar::Item;
use crate::{Output, ProposalFailure, Switch};

/// Commands on their way to the quorum, and who waits for them.
pub(crate) struct Proposals {
    waiting: BTreeMap<u64, Purpose>,
    next: u64,
}

/// Why a command was proposed.
pub(crate) enum Purpose {
    /// REGISTERs to be answered.
    Bindings(Vec<Item>),
    /// A value of a call.
    Value { call: CallId, revision: u64 },
    /// The record of a call.
    Record(CallId),
    /// The lease of this node.
    Lease { asked_ms: u64 },
    /// A call of a node that has gone.
    Claim(CallId),
}

impl Proposals {
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Switch {
    pub(crate) fn propose(&mut self, command: Command, purpose: Purpose) {
        let proposal = self.proposals.next;
        self.proposals.next += 1;
        self.proposals.waiting.insert(proposal, purpose);
        self.put(Output::Propose { proposal, command });
    }

    /// Whether nothing should be begun that needs the quorum.
    pub(crate) fn is_congested(&self) -> bool {
        self.proposals.len() >= self.config.limits.proposals
    }

    pub(crate) fn proposed(&mut self, proposal: u64, outcome: Result<Outcome, ProposalFailure>) {
        match self.proposals.waiting.remove(&proposal) {
            Some(Purpose::Bindings(items)) => self.bindings_committed(items, outcome),
            Some(Purpose::Value { call, revision }) => {
                self.value_committed(call, revision, outcome)
            }
            Some(Purpose::Lease { asked_ms }) => self.lease_answered(asked_ms, outcome),
            Some(Purpose::Claim(call)) => self.claim_answered(call, outcome),
            Some(Purpose::Record(call)) => self.record_committed(call, outcome),
            None => {}
        }
    }
}
