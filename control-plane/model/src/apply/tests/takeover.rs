//! Whose a call is when nodes come, stop and go.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::Cluster;
use crate::{
    CallCommand, CallEntry, CallId, CallOutcome, CallSummary, Command, Epoch, LeaseCommand,
    LeaseOutcome, NodeId, Outcome, Stamp, State, node_resource, rendezvous,
};

const CALL: CallId = CallId(7);
const TTL_MS: u64 = 800;

fn value(owner: u64, epoch: u64, revision: u64) -> Command {
    Command::Call(CallCommand::Put(Box::new(CallEntry {
        id: CALL,
        owner: NodeId(owner),
        epoch: Epoch(epoch),
        revision,
        dialogs: Vec::new(),
        summary: CallSummary::default(),
        body: Bytes::new(),
    })))
}

fn claim(epoch: u64, by: u64) -> Command {
    Command::Call(CallCommand::Claim {
        id: CALL,
        epoch: Epoch(epoch),
        by: NodeId(by),
    })
}

fn take_lease(node: u64) -> Command {
    Command::Lease(LeaseCommand::Claim {
        resource: node_resource(NodeId(node)),
        holder: NodeId(node),
        ttl_ms: TTL_MS,
    })
}

fn renew(node: u64, epoch: u64) -> Command {
    Command::Lease(LeaseCommand::Renew {
        resource: node_resource(NodeId(node)),
        holder: NodeId(node),
        epoch: Epoch(epoch),
    })
}

#[test]
fn the_calls_of_a_living_node_stay_its_own() {
    let mut cluster = Cluster::new();
    cluster.apply(take_lease(1));
    cluster.apply(renew(1, 1));
    cluster.apply(value(1, 1, 1));
    let lives = CallOutcome::OwnerLives { owner: NodeId(1) };
    assert_eq!(
        cluster.apply(claim(1, 2)).outcome,
        Outcome::Call(lives.clone())
    );
    cluster.at.now_ms += TTL_MS - 1;
    cluster.apply(renew(1, 1));
    cluster.at.now_ms += TTL_MS - 1;
    assert_eq!(cluster.apply(claim(1, 2)).outcome, Outcome::Call(lives));
    cluster.at.now_ms += 1;
    let claimed = CallOutcome::Claimed { epoch: Epoch(2) };
    assert_eq!(cluster.apply(claim(1, 2)).outcome, Outcome::Call(claimed));
}

#[test]
fn a_node_that_was_stopped_finds_its_lease_and_its_call_gone() {
    let mut cluster = Cluster::new();
    cluster.apply(take_lease(1));
    cluster.apply(value(1, 1, 1));
    cluster.at.now_ms += 30_000;
    cluster.apply(claim(1, 2));
    assert_eq!(
        cluster.apply(renew(1, 1)).outcome,
        Outcome::Lease(LeaseOutcome::Lost)
    );
    let fenced = CallOutcome::Fenced {
        owner: NodeId(2),
        epoch: Epoch(2),
    };
    assert_eq!(
        cluster.apply(value(1, 1, 9)).outcome,
        Outcome::Call(fenced.clone())
    );
    // It serves again, and takes nothing back.
    assert_eq!(
        cluster.apply(take_lease(1)).outcome,
        Outcome::Lease(LeaseOutcome::Granted { epoch: Epoch(2) })
    );
    cluster.apply(take_lease(2));
    cluster.apply(renew(2, 1));
    assert_eq!(cluster.apply(claim(1, 1)).outcome, Outcome::Call(fenced));
    let lives = CallOutcome::OwnerLives { owner: NodeId(2) };
    assert_eq!(cluster.apply(claim(2, 1)).outcome, Outcome::Call(lives));
}

#[test]
fn a_node_that_claims_and_is_deaf_to_the_answer_does_not_keep_its_calls() {
    let mut cluster = Cluster::new();
    cluster.apply(take_lease(1));
    cluster.apply(renew(1, 1));
    cluster.apply(value(1, 1, 1));
    cluster.at.now_ms += TTL_MS;
    // It asks again and again, and never by the epoch that it was granted.
    cluster.apply(take_lease(1));
    cluster.apply(renew(1, 1));
    cluster.apply(take_lease(1));
    assert!(cluster.state.has_let_lapse(NodeId(1)));
    let claimed = CallOutcome::Claimed { epoch: Epoch(2) };
    assert_eq!(cluster.apply(claim(1, 2)).outcome, Outcome::Call(claimed));
    cluster.apply(renew(1, 3));
    assert!(!cluster.state.has_let_lapse(NodeId(1)));
}

#[test]
fn the_calls_of_one_node_are_spread_over_the_others() {
    let mut won = BTreeMap::<u64, usize>::new();
    for call in 0..3_000u128 {
        let heir = (1..=3)
            .max_by_key(|node| rendezvous(CallId((call << 64) | (call * 7)), NodeId(*node)))
            .unwrap();
        *won.entry(heir).or_default() += 1;
    }
    assert!(
        won.len() == 3 && won.values().all(|calls| (800..1_200).contains(calls)),
        "{won:?}"
    );
}

fn act() -> impl Strategy<Value = (Command, u64)> {
    let node = || 1..4u64;
    let command = prop_oneof![
        1 => (node(), 0..6u64, 0..8u64)
            .prop_map(|(owner, epoch, revision)| value(owner, epoch, revision)),
        4 => (0..6u64, node()).prop_map(|(epoch, by)| claim(epoch, by)),
        2 => node().prop_map(take_lease),
        2 => (node(), 0..6u64).prop_map(|(node, epoch)| renew(node, epoch)),
    ];
    (command, 0..600u64)
}

proptest! {
    #[test]
    fn a_call_changes_hands_only_when_its_owner_has_gone_and_each_time_with_a_higher_epoch(acts in vec(act(), 0..80)) {
        let mut state = State::default();
        let mut now_ms = 1_000;
        for (index, (command, later_ms)) in acts.into_iter().enumerate() {
            now_ms += later_ms;
            let before = state.calls().get(&CALL).cloned();
            let gone = before.as_ref().is_none_or(|call| state.has_gone(call.owner, now_ms));
            state.apply(Stamp { index: index as u64 + 1, now_ms }, &command);
            let (Some(before), Some(after)) = (before, state.calls().get(&CALL)) else {
                continue;
            };
            prop_assert!(after.epoch >= before.epoch);
            if after.owner != before.owner {
                prop_assert!(gone, "{command:?}");
                prop_assert!(after.epoch > before.epoch, "{command:?}");
                prop_assert_eq!(&after.body, &before.body);
            }
        }
    }
}
