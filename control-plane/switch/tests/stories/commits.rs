//! What waits for the quorum, and what happens when it does not come.

use carillon_model::NodeId;
use carillon_switch::{
    BATCH_INTERVAL_MS, COMMIT_LIMIT_MS, Input, Notice, ProposalFailure, UNPROTECTED_AFTER_MS,
};
use expect_test::expect;

use super::office::Office;

#[test]
fn bob_does_not_ring_before_the_call_is_stored() {
    let mut office = Office::with_alice_and_bob(2);
    office.silent_quorum = true;
    office.call("alice", "102");
    assert_eq!(office.phone("bob").ringing, None);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
    "#]]
    .assert_eq(&office.ladder());
    office.run(COMMIT_LIMIT_MS);
    expect![[r#"
        n1 -> alice: 503 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.node(1).load().calls, 0);
    assert!(
        office
            .media
            .values()
            .all(|server| server.sessions.is_empty())
    );
}

#[test]
fn a_phone_that_this_node_has_not_heard_of_rings_once_the_call_is_stored() {
    let mut office = Office::new(2);
    office.place("alice", 1);
    office.place("bob", 2);
    office.register("alice");
    office.run(100);
    office.deaf = Some(NodeId(1));
    office.register("bob");
    office.run(100);
    office.deaf = None;
    office.ladder();
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 by n2 -> bob: INVITE bob
    "#]]
    .assert_eq(&office.ladder());
    office.answer("bob", 200);
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn without_a_quorum_who_is_not_known_is_said_to_be_unknown_at_once() {
    let mut office = Office::with(2, |config| config.unprotected_calls = true);
    office.settle_in(2);
    office.failing = Some(ProposalFailure::NoQuorum);
    office.input(NodeId(1), Input::Quorum(false));
    office.call("alice", "103");
    expect![[r#"
        alice -> n1: INVITE 103
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 103
        alice -> n1: INVITE 103
        n1 -> alice: 480 INVITE
        alice -> n1: ACK 103
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_call_whose_node_dies_while_it_asks_whom_to_ring_ends_at_its_caller() {
    let mut office = Office::with_alice_and_bob(2);
    office.deaf = Some(NodeId(1));
    office.call("alice", "103");
    office.ladder();
    office.deaf = None;
    office.kill(1);
    office.run(3_000);
    expect![[r#"
        n2 -> alice: 503 INVITE
        alice -> n1: ACK 103
        n2 -> alice: 503 INVITE
        alice -> n1: ACK 103
        n2 -> alice: 503 INVITE
        alice -> n1: ACK 103
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 1);
}

#[test]
fn a_refused_call_has_its_record_when_the_quorum_is_back() {
    let mut office = Office::with_alice_and_bob(2);
    office.failing = Some(ProposalFailure::NoQuorum);
    office.call("alice", "102");
    office.run(COMMIT_LIMIT_MS + 10_000);
    assert_eq!(office.records.len(), 0);
    assert_eq!(office.node(1).load().records, 1);
    office.failing = None;
    office.run(5_000);
    expect!["101 -> 102: Failed 503/41, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn a_change_of_leader_delays_a_call_and_does_not_refuse_it() {
    let mut office = Office::with_alice_and_bob(2);
    office.failing = Some(ProposalFailure::NoQuorum);
    office.call("alice", "102");
    office.run(1_000);
    assert_eq!(office.phone("bob").ringing, None);
    office.failing = None;
    office.run(200);
    assert!(office.phone("bob").ringing.is_some());
    office.answer("bob", 200);
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn an_answer_waits_a_moment_for_the_quorum_and_then_goes_unprotected() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.ladder();
    office.failing = Some(ProposalFailure::NoQuorum);
    office.answer("bob", 200);
    office.run(UNPROTECTED_AFTER_MS - 100);
    expect![[r#"
        bob -> n2: 200 INVITE
        n2 => n1: 200 INVITE
        n1 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    office.run(200);
    expect![[r#"
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
    assert!(
        office
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::CallUnprotected { refused: false, .. }))
    );
    office.failing = None;
    office.run(2_000);
    let call = office.state.calls().values().next().unwrap();
    assert!(
        call.summary.unprotected && call.summary.answered_at_ms.is_some(),
        "stored when the quorum is back"
    );
    office.hang_up("alice");
    assert!(office.records[0].unprotected);
    office.assert_quiet();
}

#[test]
fn where_it_is_allowed_a_new_call_goes_unprotected_too() {
    let mut office = Office::with(2, |config| config.unprotected_calls = true);
    office.settle_in(2);
    office.silent_quorum = true;
    office.call("alice", "102");
    office.run(UNPROTECTED_AFTER_MS);
    office.answer("bob", 200);
    office.run(UNPROTECTED_AFTER_MS);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 by n2 -> bob: INVITE bob
        bob -> n2: 200 INVITE
        n2 => n1: 200 INVITE
        n1 by n2 -> bob: ACK bob
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn with_no_quorum_in_sight_new_calls_are_refused_at_once() {
    let mut office = Office::with_alice_and_bob(1);
    office.input(
        carillon_model::NodeId(1),
        carillon_switch::Input::Quorum(false),
    );
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 503 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn calls_that_come_together_share_commits() {
    let mut office = Office::with_alice_and_bob(1);
    office.change_user("bob", |bob| bob.simultaneous_calls = 20);
    let names: Vec<String> = (0..20).map(|number| format!("phone{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        office.hire(name, &format!("1{}", 40 + number));
        office.place(name, 1);
    }
    office.tell_everybody(Vec::new());
    office.run(1_000);
    let before = office.proposed;
    for name in &names {
        office.begin(name, "102");
    }
    office.run(BATCH_INTERVAL_MS + 20);
    assert_eq!(office.state.calls().len(), names.len());
    let proposed = office.proposed - before;
    assert!(proposed <= 2, "{proposed} entries");
}

#[test]
fn the_first_call_after_a_pause_waits_for_no_other() {
    let mut office = Office::with_alice_and_bob(1);
    office.run(1_000);
    let before = office.proposed;
    office.begin("alice", "102");
    office.run(12);
    assert_eq!(office.proposed - before, 1);
    assert!(office.phone("bob").ringing.is_some());
}
