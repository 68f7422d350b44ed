//! Values of calls on their way to the quorum, and what waits for them.

use carillon_call::{Input, Output};
use carillon_model::{
    CallCommand, CallEntry, CallId, CallOutcome, CallRecord, CallStatus, Command, Outcome,
};

use crate::calls::Slot;
use crate::proposals::Purpose;
use crate::{Notice, ProposalFailure, Switch};

/// A call that is stored goes on without the quorum's word after this long, and is marked as unprotected.
pub const UNPROTECTED_AFTER_MS: u64 = 250;
/// A call that was never stored is refused with 503 after this long; longer than the quorum takes to find a new
/// leader. Where the configuration lets calls go unprotected, [`UNPROTECTED_AFTER_MS`] counts for it too.
pub const COMMIT_LIMIT_MS: u64 = 3_000;
/// Time between two attempts while a call waits.
const BARRIER_RETRY_MS: u64 = 100;
/// Time between two attempts when nothing waits.
const LAZY_RETRY_MS: u64 = 1_000;

/// How far the values of a call are stored.
#[derive(Default)]
pub(crate) struct Commits {
    /// The revision proposed last.
    proposed: u64,
    /// The highest stored revision; 0 for none.
    stored: u64,
    barrier: Option<Barrier>,
    /// When a value that was not stored is proposed again.
    retry_at_ms: Option<u64>,
}

struct Barrier {
    /// Any revision from this one on will do.
    revision: u64,
    until_ms: u64,
}

impl Commits {
    /// Of a call that was read from the replica.
    pub(crate) fn stored(revision: u64) -> Self {
        Self {
            proposed: revision,
            stored: revision,
            barrier: None,
            retry_at_ms: None,
        }
    }

    /// Nothing of the call was ever proposed.
    pub(crate) fn is_untried(&self) -> bool {
        self.proposed == 0
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.barrier.is_some()
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        let until_ms = self.barrier.as_ref().map(|barrier| barrier.until_ms);
        [until_ms, self.retry_at_ms].into_iter().flatten().min()
    }
}

impl Switch {
    /// What follows in the queue waits until the call's present value, or a later one, is stored.
    pub(crate) fn commit(&mut self, slot: &mut Slot) {
        if slot.recorded {
            return;
        }
        let patience_ms = if self.may_go_unprotected(slot) {
            UNPROTECTED_AFTER_MS
        } else {
            COMMIT_LIMIT_MS
        };
        let revision = self.propose_value(slot);
        slot.commits.barrier = Some(Barrier {
            revision,
            until_ms: self.now_ms + patience_ms,
        });
    }

    pub(crate) fn commit_lazily(&mut self, slot: &mut Slot) {
        if !slot.recorded {
            self.propose_value(slot);
        }
    }

    fn may_go_unprotected(&self, slot: &Slot) -> bool {
        self.config.unprotected_calls || slot.commits.stored > 0
    }

    fn propose_value(&mut self, slot: &mut Slot) -> u64 {
        let call = slot.call.id();
        if slot.commits.proposed > slot.commits.stored {
            self.proposals.withdraw_value(call);
        }
        slot.commits.proposed += 1;
        slot.commits.retry_at_ms = None;
        let revision = slot.commits.proposed;
        let entry = CallEntry {
            id: call,
            owner: self.config.node,
            epoch: slot.call.epoch(),
            revision,
            dialogs: slot.call.dialogs(),
            summary: slot.call.summary(),
            body: slot.call.encode(),
        };
        self.propose(
            Command::Call(CallCommand::Put(Box::new(entry))),
            Purpose::Value { call, revision },
        );
        revision
    }

    pub(crate) fn value_committed(
        &mut self,
        call: CallId,
        revision: u64,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        self.with_call(call, |switch, slot| match outcome {
            Ok(Outcome::Call(CallOutcome::Accepted)) => slot.value_stored(revision),
            // A later value was stored before this one: as good.
            Ok(Outcome::Call(CallOutcome::Superseded { revision: stored })) => {
                slot.value_stored(stored.max(revision))
            }
            _ if slot.recorded => {}
            Ok(Outcome::Call(CallOutcome::Fenced { .. } | CallOutcome::Ended)) => switch.lose(slot),
            Ok(Outcome::Call(CallOutcome::TooMuch | CallOutcome::DialogTaken)) => {
                switch.value_impossible(slot)
            }
            Ok(_) | Err(_) => {
                let delay_ms = if slot.commits.is_blocked() {
                    BARRIER_RETRY_MS
                } else {
                    LAZY_RETRY_MS
                };
                slot.commits.retry_at_ms = Some(switch.now_ms + delay_ms);
            }
        });
    }

    /// Times of a call's commits that have come.
    pub(crate) fn commit_due(&mut self, slot: &mut Slot) {
        if slot
            .commits
            .barrier
            .as_ref()
            .is_some_and(|barrier| barrier.until_ms <= self.now_ms)
        {
            self.value_late(slot);
        }
        if slot
            .commits
            .retry_at_ms
            .is_some_and(|at_ms| at_ms <= self.now_ms)
            && !slot.lost
        {
            slot.commits.retry_at_ms = None;
            if !slot.recorded && !self.is_congested() {
                self.propose_value(slot);
            }
        }
    }

    /// The quorum takes too long: a call that others know of goes on, a new one is refused.
    fn value_late(&mut self, slot: &mut Slot) {
        if !self.may_go_unprotected(slot) {
            return self.refuse_set_up(slot);
        }
        slot.commits.barrier = None;
        slot.call.mark_unprotected();
        slot.commits
            .retry_at_ms
            .get_or_insert(self.now_ms + LAZY_RETRY_MS);
        self.tell(Notice::CallUnprotected {
            call: slot.call.id(),
            refused: false,
        });
    }

    /// The cluster has no room for the value, ever.
    fn value_impossible(&mut self, slot: &mut Slot) {
        if slot.commits.stored == 0 && !self.config.unprotected_calls {
            return self.refuse_set_up(slot);
        }
        if slot.commits.barrier.take().is_some() {
            slot.call.mark_unprotected();
            self.tell(Notice::CallUnprotected {
                call: slot.call.id(),
                refused: false,
            });
        }
    }

    /// Ends a call that nobody but the caller has heard of: what waited behind the barrier is never done.
    fn refuse_set_up(&mut self, slot: &mut Slot) {
        let call = slot.call.id();
        slot.queue.clear();
        slot.inputs.clear();
        slot.commits.barrier = None;
        if let Some((key, invite)) = slot.invite.take() {
            let response = self.unavailable(&invite);
            self.answer(key, response);
        }
        slot.call
            .handle_input(self.now_ms, &mut self.random, Input::Hangup);
        self.abandon_media(slot);
        let record = self.last_record(slot);
        self.record_refused(slot, record);
        self.tell(Notice::CallUnprotected {
            call,
            refused: true,
        });
        slot.lost = true;
    }

    /// The record that the call writes when it is made to end, whatever else it wanted to do.
    fn last_record(&mut self, slot: &mut Slot) -> CallRecord {
        let mut written = None;
        let far_ms = self.now_ms + crate::media::REPLY_LIMIT_MS;
        for _ in 0..2 {
            while let Some(output) = slot.call.poll_output() {
                if let Output::Record(record) = output {
                    written = Some(record);
                }
            }
            // It may wait for the media server's figures, which there are none of.
            let nothing = carillon_call::MediaReply::Released {
                quality: Vec::new(),
            };
            slot.call
                .handle_input(far_ms, &mut self.random, Input::Media(nothing));
        }
        let summary = slot.call.summary();
        let mut record = written.unwrap_or_else(|| CallRecord {
            call: slot.call.id(),
            caller: summary.caller,
            callee: summary.callee,
            started_at_ms: summary.started_at_ms,
            ended_at_ms: self.now_ms,
            node: self.config.node,
            ..CallRecord::default()
        });
        record.status = CallStatus::Failed;
        record.cause.sip = 503;
        // Q.850: temporary failure
        record.cause.q850 = 41;
        record
    }
}

impl Slot {
    /// Others know of it.
    pub(crate) fn is_stored(&self) -> bool {
        self.commits.stored > 0
    }

    fn value_stored(&mut self, revision: u64) {
        self.commits.stored = self.commits.stored.max(revision);
        if self
            .commits
            .barrier
            .as_ref()
            .is_some_and(|barrier| barrier.revision <= revision)
        {
            self.commits.barrier = None;
        }
        if self.commits.stored >= self.commits.proposed {
            self.commits.retry_at_ms = None;
        }
    }
}
