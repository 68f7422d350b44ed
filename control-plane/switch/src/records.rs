//! Records of ended calls, until the cluster has each of them.

use std::collections::{BTreeMap, BTreeSet};

use carillon_model::{
    CallCommand, CallId, CallOutcome, CallRecord, CallStatus, Command, Epoch, Outcome,
};

use crate::calls::Slot;
use crate::proposals::Purpose;
use crate::{Notice, ProposalFailure, Switch};

/// Time between two attempts.
const RETRY_MS: u64 = 1_000;
/// What is remembered of calls that others have taken is let go of where more records wait than this.
const TESTIMONIES_MAX: usize = 1_000;

/// Records that are not committed yet. They outlive their calls.
pub(crate) struct Records {
    waiting: BTreeMap<CallId, Waiting>,
    retries: BTreeSet<(u64, CallId)>,
}

struct Waiting {
    epoch: Epoch,
    record: CallRecord,
    says: Says,
}

/// What a record is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// The call has ended here, and another node that goes on with it may do so.
    Ended,
    /// The caller has been told that it has ended, or has given up: a node that goes on with it rings for nobody.
    CallerGone,
    /// How far the call had come when another node took it. It counts only where that one's record says less.
    Testimony,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            retries: BTreeSet::new(),
        }
    }

    /// Records of calls that have ended here.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.waiting.values();
        waiting
            .filter(|waiting| waiting.says != Says::Testimony)
            .count()
    }

    /// The call has ended here.
    pub(crate) fn contains(&self, call: CallId) -> bool {
        let waiting = self.waiting.get(&call);
        waiting.is_some_and(|waiting| waiting.says != Says::Testimony)
    }

    /// The call is here again, and will say by itself what becomes of it.
    pub(crate) fn retract(&mut self, call: CallId) {
        self.waiting.remove(&call);
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.retries.first().map(|(at_ms, _)| *at_ms)
    }
}

impl Switch {
    /// A call writes its one record.
    pub(crate) fn record(&mut self, slot: &mut Slot, record: CallRecord) {
        let says = match record.status {
            CallStatus::Cancelled => Says::CallerGone,
            CallStatus::Answered | CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Failed => {
                Says::Ended
            }
        };
        self.record_once(slot, record, says);
    }

    /// The one record of a call that its caller has been refused.
    pub(crate) fn record_refused(&mut self, slot: &mut Slot, record: CallRecord) {
        self.record_once(slot, record, Says::CallerGone);
    }

    fn record_once(&mut self, slot: &mut Slot, record: CallRecord, says: Says) {
        if !slot.recorded {
            slot.recorded = true;
            self.submit(slot, record, says);
        }
    }

    /// A call is lost to another node, which may not know that two have talked.
    pub(crate) fn testify(&mut self, slot: &Slot) {
        if slot.recorded || self.records.waiting.len() >= TESTIMONIES_MAX {
            return;
        }
        if let Some(record) = slot.call.testimony(self.now_ms) {
            self.submit(slot, record, Says::Testimony);
        }
    }

    fn submit(&mut self, slot: &Slot, record: CallRecord, says: Says) {
        let call = slot.call.id();
        self.proposals.withdraw_value(call);
        // What is said by who has lost a call does not end it, in whichever epoch it is.
        let epoch = match says {
            Says::Testimony => Epoch(0),
            Says::Ended | Says::CallerGone => slot.call.epoch(),
        };
        let waiting = Waiting {
            epoch,
            record,
            says,
        };
        self.records.waiting.insert(call, waiting);
        self.propose_record(call);
    }

    fn propose_record(&mut self, call: CallId) {
        let Some(waiting) = self.records.waiting.get(&call) else {
            return;
        };
        let command = Command::Call(CallCommand::End {
            id: call,
            epoch: waiting.epoch,
            record: Box::new(waiting.record.clone()),
        });
        self.propose(command, Purpose::Record(call));
        if !self.quorum {
            // A node that hears nobody may be heard by the one that goes on with the call.
            self.hang_up_without_caller(call);
        }
    }

    /// Whatever the cluster says about it, the record is there or another node's is. Silence means again, and so does an
    /// heir that goes on with a call in which two have talked already, and does not know: the record of that comes last.
    /// An heir that rings for a caller who has gone is told until it has ended the call.
    pub(crate) fn record_committed(
        &mut self,
        call: CallId,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        let Ok(Outcome::Call(outcome)) = outcome else {
            self.records.retries.insert((self.now_ms + RETRY_MS, call));
            return self.release_if_late(call);
        };
        self.release_refusal(call, outcome == CallOutcome::Accepted);
        if matches!(outcome, CallOutcome::Fenced { .. })
            && (self.talked_unknown(call) || self.hang_up_without_caller(call))
        {
            self.records.retries.insert((self.now_ms + RETRY_MS, call));
            return;
        }
        if let Some(waiting) = self.records.waiting.remove(&call)
            && outcome == CallOutcome::Accepted
        {
            self.tell(Notice::CallRecorded {
                record: Box::new(waiting.record),
            });
        }
    }

    /// Two have talked in a call that goes on elsewhere, and its value there does not say so.
    fn talked_unknown(&self, call: CallId) -> bool {
        let own = self.records.waiting.get(&call);
        let elsewhere = self.state.calls().get(&call);
        own.is_some_and(|own| own.record.answered_at_ms.is_some())
            && elsewhere.is_none_or(|call| call.summary.answered_at_ms.is_none())
    }

    /// Asks whoever goes on with a call to end it, if its caller has gone.
    fn hang_up_without_caller(&mut self, call: CallId) -> bool {
        let own = self.records.waiting.get(&call);
        let has_gone = own.is_some_and(|own| own.says == Says::CallerGone);
        if has_gone {
            let command = Command::Call(CallCommand::RequestHangup { id: call });
            self.propose(command, Purpose::Hangup);
        }
        has_gone
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
