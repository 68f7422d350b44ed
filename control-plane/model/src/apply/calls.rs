//! Calls: one owner at a time, one record each.

use super::Changes;
use crate::{
    CallCommand, CallEntry, CallId, CallOutcome, CallRecord, Epoch, Event, HistoryRow,
    MAX_CALL_BODY, MAX_CALL_DIALOGS, MAX_CALLS, NodeId, RECORDS_IN_MEMORY, State,
};

impl State {
    pub(super) fn change_call(
        &mut self,
        changes: &mut Changes,
        command: &CallCommand,
    ) -> CallOutcome {
        match command {
            CallCommand::Put(call) => self.accept_call(changes, call),
            CallCommand::End { id, epoch, record } => self.end_call(changes, *id, *epoch, record),
            CallCommand::Claim { id, epoch, by } => self.claim_call(changes, *id, *epoch, *by),
            CallCommand::RequestHangup { id } => {
                if !self.calls.contains(id) {
                    return CallOutcome::Unknown;
                }
                changes.events.push(Event::HangupRequested(*id));
                CallOutcome::Accepted
            }
        }
    }

    fn accept_call(&mut self, changes: &mut Changes, call: &CallEntry) -> CallOutcome {
        if self.has_ended(call.id) {
            return CallOutcome::Ended;
        }
        if call.dialogs.len() > MAX_CALL_DIALOGS || call.body.len() > MAX_CALL_BODY {
            return CallOutcome::TooMuch;
        }
        match self.calls.get(&call.id) {
            Some(stored) if stored.owner != call.owner || call.epoch < stored.epoch => {
                return CallOutcome::Fenced {
                    owner: stored.owner,
                    epoch: stored.epoch,
                };
            }
            Some(stored) if call.revision <= stored.revision && call.epoch == stored.epoch => {
                return CallOutcome::Superseded {
                    revision: stored.revision,
                };
            }
            Some(_) => {}
            None if self.calls.len() >= MAX_CALLS => return CallOutcome::TooMuch,
            None => {}
        }
        if call.dialogs.iter().any(|dialog| {
            self.call_of_dialog(dialog)
                .is_some_and(|other| other != call.id)
        }) {
            return CallOutcome::DialogTaken;
        }
        self.put_call(call.clone());
        changes.events.push(Event::CallPut(call.id));
        CallOutcome::Accepted
    }

    fn end_call(
        &mut self,
        changes: &mut Changes,
        id: CallId,
        epoch: Epoch,
        record: &CallRecord,
    ) -> CallOutcome {
        if let Some(sequence) = self.ended_as(id) {
            return self.correct_record(changes, sequence, id, record);
        }
        if let Some(stored) = self.calls.get(&id)
            && epoch < stored.epoch
        {
            return CallOutcome::Fenced {
                owner: stored.owner,
                epoch: stored.epoch,
            };
        }
        self.drop_call(id);
        self.counters.record += 1;
        let sequence = self.counters.record;
        let record = CallRecord {
            call: id,
            ..record.clone()
        };
        changes
            .history
            .push(HistoryRow::call_record(sequence, &record));
        self.remember_ended(sequence, id);
        self.records.insert(sequence, record);
        if self.records.len() > RECORDS_IN_MEMORY
            && let Some(oldest) = self.records.first().map(|(sequence, _)| *sequence)
        {
            self.records.remove(&oldest);
        }
        changes.events.push(Event::CallEnded(id));
        CallOutcome::Accepted
    }

    /// Each side of a cut may have ended the call in its own way: that two have talked is what has happened. The record keeps
    /// its place.
    fn correct_record(
        &mut self,
        changes: &mut Changes,
        sequence: u64,
        id: CallId,
        record: &CallRecord,
    ) -> CallOutcome {
        let talked = |record: &CallRecord| record.answered_at_ms.is_some();
        let stands = self.records.get(&sequence);
        if stands.is_none_or(|stands| talked(stands) || !talked(record)) {
            return CallOutcome::Ended;
        }
        let record = CallRecord {
            call: id,
            ..record.clone()
        };
        changes
            .history
            .push(HistoryRow::call_record(sequence, &record));
        self.records.insert(sequence, record);
        CallOutcome::Accepted
    }

    fn claim_call(
        &mut self,
        changes: &mut Changes,
        id: CallId,
        epoch: Epoch,
        by: NodeId,
    ) -> CallOutcome {
        let Some(stored) = self.calls.get(&id) else {
            return if self.has_ended(id) {
                CallOutcome::Ended
            } else {
                CallOutcome::Unknown
            };
        };
        if stored.epoch != epoch {
            return CallOutcome::Fenced {
                owner: stored.owner,
                epoch: stored.epoch,
            };
        }
        if stored.owner != by && !self.has_gone(stored.owner, changes.at.now_ms) {
            return CallOutcome::OwnerLives {
                owner: stored.owner,
            };
        }
        let claimed = CallEntry {
            owner: by,
            epoch: epoch.next(),
            ..(**stored).clone()
        };
        let epoch = claimed.epoch;
        self.put_call(claimed);
        changes.events.push(Event::CallPut(id));
        CallOutcome::Claimed { epoch }
    }
}
