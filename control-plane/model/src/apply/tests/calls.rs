use bytes::Bytes;

use super::Cluster;
use crate::{
    Applied, CallCommand, CallEntry, CallId, CallOutcome, CallRecord, CallSummary, Command,
    DialogKey, Epoch, Event, HistoryRow, HistoryTable, LeaseCommand, LeaseOutcome, LineId, NodeId,
    Outcome, Party, RECORDS_IN_MEMORY,
};

const CALL: CallId = CallId(7);

fn entry(owner: u64, epoch: u64, revision: u64) -> Box<CallEntry> {
    let caller = Party {
        number: "101".to_owned(),
        line: Some(LineId(1)),
        ..Party::default()
    };
    Box::new(CallEntry {
        id: CALL,
        owner: NodeId(owner),
        epoch: Epoch(epoch),
        revision,
        dialogs: vec![DialogKey {
            call_id: "a@phone".to_owned(),
            local_tag: "t1".to_owned(),
        }],
        summary: CallSummary {
            caller,
            ..CallSummary::default()
        },
        body: Bytes::from_static(b"call"),
    })
}

fn end(id: CallId, epoch: u64) -> CallCommand {
    let record = CallRecord {
        call: id,
        started_at_ms: 5,
        duration_ms: 1_000,
        ..CallRecord::default()
    };
    CallCommand::End {
        id,
        epoch: Epoch(epoch),
        record: Box::new(record),
    }
}

impl Cluster {
    fn call(&mut self, command: CallCommand) -> (CallOutcome, Applied) {
        let applied = self.apply(Command::Call(command));
        match &applied.outcome {
            Outcome::Call(outcome) => (outcome.clone(), applied),
            other => panic!("{other:?}"),
        }
    }

    fn lease(&mut self, command: LeaseCommand) -> LeaseOutcome {
        match self.apply(Command::Lease(command)).outcome {
            Outcome::Lease(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_heir_takes_a_call_and_its_old_owner_is_fenced() {
    let mut cluster = Cluster::new();
    assert_eq!(
        cluster.call(CallCommand::Put(entry(1, 1, 1))).0,
        CallOutcome::Accepted
    );
    assert_eq!(
        cluster.call(CallCommand::Put(entry(1, 1, 2))).0,
        CallOutcome::Accepted
    );
    assert_eq!(
        cluster.call(CallCommand::Put(entry(1, 1, 2))).0,
        CallOutcome::Superseded { revision: 2 }
    );

    let claim = CallCommand::Claim {
        id: CALL,
        epoch: Epoch(1),
        by: NodeId(2),
    };
    assert_eq!(
        cluster.call(claim).0,
        CallOutcome::Claimed { epoch: Epoch(2) }
    );
    let late = CallCommand::Claim {
        id: CALL,
        epoch: Epoch(1),
        by: NodeId(3),
    };
    assert_eq!(
        cluster.call(late).0,
        CallOutcome::Fenced {
            owner: NodeId(2),
            epoch: Epoch(2)
        }
    );
    assert_eq!(
        cluster.call(CallCommand::Put(entry(1, 1, 3))).0,
        CallOutcome::Fenced {
            owner: NodeId(2),
            epoch: Epoch(2)
        }
    );
    assert_eq!(
        cluster.call(end(CALL, 1)).0,
        CallOutcome::Fenced {
            owner: NodeId(2),
            epoch: Epoch(2)
        }
    );
    assert_eq!(
        cluster.call(CallCommand::Put(entry(2, 2, 3))).0,
        CallOutcome::Accepted
    );
}

/// Each side of a cut ends the call in its own way, in either order.
#[test]
fn that_two_have_talked_is_what_the_record_says() {
    let record = |answered_at_ms| {
        Box::new(CallRecord {
            answered_at_ms,
            ..CallRecord::default()
        })
    };
    let end = |epoch, answered_at_ms| CallCommand::End {
        id: CALL,
        epoch: Epoch(epoch),
        record: record(answered_at_ms),
    };
    for (first, second, outcome) in [
        (None, Some(7), CallOutcome::Accepted),
        (Some(7), None, CallOutcome::Ended),
        (Some(7), Some(9), CallOutcome::Ended),
        (None, None, CallOutcome::Ended),
    ] {
        let mut cluster = Cluster::new();
        cluster.call(CallCommand::Put(entry(1, 1, 1)));
        cluster.call(end(2, first));
        let (said, applied) = cluster.call(end(1, second));
        assert_eq!(said, outcome, "{first:?}, then {second:?}");
        assert!(applied.events.is_empty());
        assert_eq!(cluster.state.records().len(), 1);
        let kept = cluster.state.records().values().next().unwrap();
        assert_eq!(
            kept.answered_at_ms,
            Some(7).filter(|_| first.or(second).is_some())
        );
        assert_eq!(
            applied.history.len(),
            usize::from(outcome == CallOutcome::Accepted)
        );
    }
}

#[test]
fn a_call_has_one_record_and_does_not_come_back() {
    let mut cluster = Cluster::new();
    cluster.call(CallCommand::Put(entry(1, 1, 1)));
    let dialog = DialogKey {
        call_id: "a@phone".to_owned(),
        local_tag: "t1".to_owned(),
    };
    assert_eq!(cluster.state.call_of_dialog(&dialog), Some(CALL));
    assert_eq!(cluster.state.calls_of_line(LineId(1)).count(), 1);

    let (outcome, applied) = cluster.call(end(CALL, 1));
    assert_eq!(outcome, CallOutcome::Accepted);
    assert_eq!(applied.events, [Event::CallEnded(CALL)]);
    let [row] = applied.history.as_slice() else {
        panic!("one row")
    };
    assert_eq!(
        (row.table, row.at_ms, row.sequence),
        (HistoryTable::CallRecords, 5, 1)
    );
    assert_eq!(
        HistoryRow::read_call_record(&row.value)
            .unwrap()
            .duration_ms,
        1_000
    );

    let (outcome, applied) = cluster.call(end(CALL, 1));
    assert_eq!((outcome, applied.history.len()), (CallOutcome::Ended, 0));
    assert_eq!(
        cluster.call(CallCommand::Put(entry(1, 1, 9))).0,
        CallOutcome::Ended
    );
    assert_eq!(cluster.state.call_of_dialog(&dialog), None);
    assert_eq!(cluster.state.calls_of_line(LineId(1)).count(), 0);
    assert_eq!(cluster.state.records().len(), 1);
}

#[test]
fn a_call_that_was_never_committed_has_its_record_too() {
    let mut cluster = Cluster::new();
    let (outcome, applied) = cluster.call(end(CallId(9), 1));
    assert_eq!((outcome, applied.history.len()), (CallOutcome::Accepted, 1));
}

#[test]
fn memory_holds_a_window_of_the_records() {
    let mut cluster = Cluster::new();
    let calls = RECORDS_IN_MEMORY as u128 + 3;
    for call in 0..calls {
        cluster.at.index += 1;
        cluster
            .state
            .apply(cluster.at, &Command::Call(end(CallId(call), 1)));
    }
    assert_eq!(cluster.state.records().len(), RECORDS_IN_MEMORY);
    assert_eq!(cluster.state.records().first().unwrap().1.call, CallId(3));
    assert_eq!(
        cluster.call(end(CallId(0), 1)).0,
        CallOutcome::Ended,
        "ended calls are remembered longer"
    );
}

#[test]
fn a_dialog_belongs_to_one_call() {
    let mut cluster = Cluster::new();
    cluster.call(CallCommand::Put(entry(1, 1, 1)));
    let other = CallEntry {
        id: CallId(8),
        ..*entry(1, 1, 1)
    };
    assert_eq!(
        cluster.call(CallCommand::Put(Box::new(other))).0,
        CallOutcome::DialogTaken
    );
}

#[test]
fn a_hangup_is_asked_of_calls_that_exist() {
    let mut cluster = Cluster::new();
    assert_eq!(
        cluster.call(CallCommand::RequestHangup { id: CALL }).0,
        CallOutcome::Unknown
    );
    cluster.call(CallCommand::Put(entry(1, 1, 1)));
    let (outcome, applied) = cluster.call(CallCommand::RequestHangup { id: CALL });
    assert_eq!(
        (outcome, applied.events),
        (CallOutcome::Accepted, vec![Event::HangupRequested(CALL)])
    );
}

#[test]
fn a_lease_changes_hands_only_after_it_has_lapsed() {
    let mut cluster = Cluster::new();
    let claim = |holder| LeaseCommand::Claim {
        resource: "trunk/1".to_owned(),
        holder: NodeId(holder),
        ttl_ms: 1_000,
    };
    let renew = |holder, epoch| LeaseCommand::Renew {
        resource: "trunk/1".to_owned(),
        holder: NodeId(holder),
        epoch: Epoch(epoch),
    };
    assert_eq!(
        cluster.lease(claim(1)),
        LeaseOutcome::Granted { epoch: Epoch(1) }
    );
    assert_eq!(
        cluster.lease(claim(2)),
        LeaseOutcome::Held {
            holder: NodeId(1),
            epoch: Epoch(1)
        }
    );
    cluster.at.now_ms += 900;
    assert_eq!(
        cluster.lease(renew(1, 1)),
        LeaseOutcome::Granted { epoch: Epoch(1) }
    );
    cluster.at.now_ms += 900;
    assert_eq!(
        cluster.lease(claim(2)),
        LeaseOutcome::Held {
            holder: NodeId(1),
            epoch: Epoch(1)
        }
    );
    cluster.at.now_ms += 100;
    assert_eq!(
        cluster.lease(renew(1, 1)),
        LeaseOutcome::Lost,
        "a lapsed lease must be claimed anew"
    );
    assert_eq!(
        cluster.lease(claim(2)),
        LeaseOutcome::Granted { epoch: Epoch(2) }
    );
    assert_eq!(cluster.lease(renew(1, 1)), LeaseOutcome::Lost);
    let release = LeaseCommand::Release {
        resource: "trunk/1".to_owned(),
        holder: NodeId(2),
        epoch: Epoch(2),
    };
    assert_eq!(cluster.lease(release), LeaseOutcome::Released);
    assert_eq!(
        cluster.lease(claim(1)),
        LeaseOutcome::Granted { epoch: Epoch(3) }
    );
    // The holder that starts again has forgotten its epoch and gets a new one.
    assert_eq!(
        cluster.lease(claim(1)),
        LeaseOutcome::Granted { epoch: Epoch(4) }
    );
}

#[test]
fn time_never_goes_back() {
    let mut cluster = Cluster::new();
    let before = cluster.state.now_ms();
    cluster.at.now_ms = 5;
    cluster.apply(Command::Sweep);
    assert_eq!(cluster.state.now_ms(), before);
}
