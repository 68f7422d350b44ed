//! Records of ended calls, until the cluster has each of them.

use std::collections::{BTreeMap, BTreeSet};

use carillon_model::{CallCommand, CallId, CallOutcome, CallRecord, Command, Epoch, Outcome};

use crate::calls::Slot;
use crate::proposals::Purpose;
use crate::{Notice, ProposalFailure, Switch};

/// Time between two attempts.
const RETRY_MS: u64 = 1_000;

/// Records that are not committed yet. They outlive their calls.
pub(crate) struct Records {
    waiting: BTreeMap<CallId, (Epoch, CallRecord)>,
    retries: BTreeSet<(u64, CallId)>,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            retries: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn contains(&self, call: CallId) -> bool {
        self.waiting.contains_key(&call)
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.retries.first().map(|(at_ms, _)| *at_ms)
    }
}

impl Switch {
    /// A call writes its one record.
    pub(crate) fn record(&mut self, slot: &mut Slot, record: CallRecord) {
        if slot.recorded {
            return;
        }
        slot.recorded = true;
        let call = slot.call.id();
        self.proposals.withdraw_value(call);
        self.records
            .waiting
            .insert(call, (slot.call.epoch(), record));
        self.propose_record(call);
    }

    fn propose_record(&mut self, call: CallId) {
        let Some((epoch, record)) = self.records.waiting.get(&call) else {
            return;
        };
        let record = Box::new(record.clone());
        let command = Command::Call(CallCommand::End {
            id: call,
            epoch: *epoch,
            record,
        });
        self.propose(command, Purpose::Record(call));
    }

    /// Whatever the cluster says about it, the record is there or another node's is. Silence means again, and so does an
    /// heir that goes on with a call in which two have talked already, and does not know: the record of that comes last.
    pub(crate) fn record_committed(
        &mut self,
        call: CallId,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        let Ok(Outcome::Call(outcome)) = outcome else {
            self.records.retries.insert((self.now_ms + RETRY_MS, call));
            return self.release_if_late(call);
        };
        if matches!(outcome, CallOutcome::Fenced { .. }) && self.talked_unknown(call) {
            self.records.retries.insert((self.now_ms + RETRY_MS, call));
            return;
        }
        self.release_refusal(call, outcome == CallOutcome::Accepted);
        if let Some((_, record)) = self.records.waiting.remove(&call)
            && outcome == CallOutcome::Accepted
        {
            self.tell(Notice::CallRecorded {
                record: Box::new(record),
            });
        }
    }

    fn talked_unknown(&self, call: CallId) -> bool {
        let own = self.records.waiting.get(&call);
        let heirs = self.state.calls().get(&call);
        own.is_some_and(|(_, record)| record.answered_at_ms.is_some())
            && heirs.is_some_and(|call| call.summary.answered_at_ms.is_none())
    }

    pub(crate) fn records_due(&mut self) {
        while let Some((at_ms, call)) = self.records.retries.first().copied()
            && at_ms <= self.now_ms
            && !self.is_congested()
        {
            self.records.retries.remove(&(at_ms, call));
            self.propose_record(call);
        }
    }
}
