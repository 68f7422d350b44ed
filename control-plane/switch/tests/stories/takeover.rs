//! A node dies, is stopped or cut off, and its calls go on at another.

use carillon_model::{NodeId, Transport};
use carillon_sip::Method;
use carillon_switch::{COMMIT_LIMIT_MS, HEIR_LIMIT_MS, Input};
use expect_test::expect;

use super::office::Office;

/// Longer than a node is waited for, with what follows.
const TAKEN_OVER_MS: u64 = 1_500;

/// alice at node 1 talks with bob at node `bob`, of three.
fn talking(bob: u64) -> Office {
    let mut office = Office::new(3);
    office.settle_in(bob);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.answer("bob", 200);
    office.run(5_000);
    office.ladder();
    office
}

fn ringing(bob: u64) -> Office {
    let mut office = Office::new(3);
    office.settle_in(bob);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.run(5_000);
    office.ladder();
    office
}

fn taken_over(office: &Office) -> u64 {
    let nodes = office.nodes.values();
    nodes.map(|node| node.counters().taken_over).sum()
}

#[test]
fn both_phones_follow_the_heir() {
    let mut office = talking(1);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    expect![[r#"
        n3 -> alice: INVITE alice
        n3 -> bob: INVITE bob
        alice -> n3: 200 INVITE
        bob -> n3: 200 INVITE
        n3 -> alice: ACK alice
        n3 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(taken_over(&office), 1);
    let hold = office.phone("bob").reinvite("sendonly");
    office.say("bob", hold);
    office.run(100);
    let resume = office.phone("bob").reinvite("sendrecv");
    office.say("bob", resume);
    office.run(100);
    office.hang_up("alice");
    expect![[r#"
        bob -> n3: INVITE (sendonly)
        n3 -> bob: 100 INVITE
        n3 -> alice: INVITE alice (sendonly)
        alice -> n3: 200 INVITE (recvonly)
        n3 -> alice: ACK alice
        n3 -> bob: 200 INVITE (recvonly)
        bob -> n3: ACK
        bob -> n3: INVITE
        n3 -> bob: 100 INVITE
        n3 -> alice: INVITE alice
        alice -> n3: 200 INVITE
        n3 -> alice: ACK alice
        n3 -> bob: 200 INVITE
        bob -> n3: ACK
        alice -> n3: BYE
        n3 -> alice: 200 BYE
        n3 -> bob: BYE bob
        bob -> n3: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Answered 200/16, 6750 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn an_heir_whose_clock_is_behind_that_of_the_cluster_waits_no_longer() {
    let mut office = talking(1);
    office.leader_ahead_ms = 20_000;
    office.run(5_000);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    assert_eq!(taken_over(&office), 1, "{}", office.ladder());
    office.hang_up("bob");
    office.assert_quiet();
}

#[test]
fn the_first_word_to_a_phone_comes_soon() {
    let mut office = talking(1);
    office.kill(1);
    office.run(1_250);
    assert!(office.ladder().contains("INVITE alice"));
    office.hang_up("bob");
    office.assert_quiet();
}

#[test]
fn a_bye_into_the_gap_waits_for_the_heir_at_the_node_that_got_it() {
    let mut office = talking(2);
    office.kill(1);
    office.run(750);
    let bye = office.phone("bob").inside(Method::Bye);
    office.say("bob", bye);
    office.run(TAKEN_OVER_MS);
    expect![[r#"
        bob -> n2: BYE
        n2 => n1: BYE
        n2 -> alice: INVITE alice
        n2 -> bob: INVITE bob
        n2 -> bob: 200 BYE
        n2 -> alice: BYE alice
        alice -> n2: 200 INVITE
        bob -> n2: 200 INVITE
        alice -> n2: 200 BYE
        n2 -> alice: ACK alice
        n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_phone_that_has_hung_up_towards_the_dead_node_ends_the_call() {
    for code in [481, 488] {
        let mut office = talking(1);
        office.phone("alice").refuses = Some(code);
        office.kill(1);
        office.run(TAKEN_OVER_MS);
        assert!(
            office.phone("bob").dialog.is_none(),
            "bob has a BYE: {}",
            office.ladder()
        );
        assert_eq!(office.records.len(), 1);
        office.assert_quiet();
    }
}

#[test]
fn a_phone_that_is_busy_with_the_dead_node_is_asked_again_and_at_last_released() {
    let mut office = talking(1);
    office.phone("alice").refuses = Some(491);
    office.kill(1);
    office.run(20_000);
    let ladder = office.ladder();
    assert!(ladder.contains("UPDATE alice") && !ladder.contains("BYE"));
    assert!(ladder.matches("INVITE alice").count() > 4, "{ladder}");
    office.run(20_000);
    assert!(office.phone("bob").dialog.is_none());
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_phone_that_still_rings_is_not_disturbed_where_its_node_lives() {
    let mut office = ringing(2);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    office.answer("bob", 200);
    office.run(100);
    expect![[r#"
        bob -> n2: 200 INVITE
        n2 -> bob: ACK bob
        n2 -> alice: 200 INVITE
        alice -> n2: ACK
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("alice");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_phone_that_rang_towards_the_dead_node_rings_again() {
    let mut office = ringing(1);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    office.answer("bob", 200);
    office.run(100);
    expect![[r#"
        n3 -> bob: ACK bob
        n3 -> bob: CANCEL bob
        bob -> n3: 200 CANCEL
        bob -> n3: 487 INVITE
        n3 -> bob: INVITE bob
        bob -> n3: 481 INVITE
        n3 -> bob: ACK bob
        n3 -> bob: INVITE bob
        bob -> n3: 200 INVITE
        n3 -> bob: ACK bob
        n3 -> alice: 200 INVITE
        alice -> n3: ACK
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_phone_that_has_answered_the_dead_node_is_taken_over() {
    let mut office = ringing(1);
    office.kill(1);
    office.answer("bob", 200);
    office.run(TAKEN_OVER_MS);
    expect![[r#"
        bob -> n1: 200 INVITE
        n3 -> bob: ACK bob
        n3 -> bob: CANCEL bob
        bob -> n3: 200 CANCEL
        n3 -> bob: INVITE bob
        bob -> n3: 200 INVITE
        n3 -> bob: ACK bob
        n3 -> alice: 200 INVITE
        alice -> n3: ACK
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_caller_who_gives_up_at_another_node_is_heard() {
    let mut office = ringing(2);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    office.ladder();
    let cancel = office.phone("alice").cancel();
    office.say_to("alice", NodeId(3), cancel);
    office.run(100);
    expect![[r#"
        alice -> n3: CANCEL 102
        n3 => n2: CANCEL 102
        n2 by n3 -> alice: 200 CANCEL
        n2 -> alice: 487 INVITE
        n2 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_call_survives_its_heir_too() {
    let mut office = talking(1);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let heir = office.state.calls().values().next().unwrap().owner;
    office.kill(heir.0);
    office.run(TAKEN_OVER_MS);
    assert_eq!(taken_over(&office), 1, "by the one that is left");
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_phone_whose_node_dies_is_called_back_by_the_owner() {
    let mut office = talking(2);
    office.kill(2);
    office.run(TAKEN_OVER_MS);
    expect![[r#"
        n1 -> bob: INVITE bob
        bob -> n1: 200 INVITE
        n1 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_node_that_was_stopped_touches_nothing_when_it_goes_on() {
    let mut office = talking(1);
    office.stop(1);
    office.run(30_000);
    assert_eq!(taken_over(&office), 1);
    office.ladder();
    office.go_on(1);
    office.run(3_000);
    expect![[r#""#]].assert_eq(&office.ladder());
    assert_eq!(office.node(1).load().calls, 0);
    assert_eq!(office.node(1).counters().fenced, 1);
    let bye = office.phone("alice").inside(Method::Bye);
    office.say_to("alice", NodeId(1), bye);
    office.run(100);
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn what_a_stopped_node_was_sent_meanwhile_is_for_the_heir() {
    let mut office = talking(1);
    office.stop(1);
    office.run(500);
    let bye = office.phone("alice").inside(Method::Bye);
    office.say_to("alice", NodeId(1), bye);
    office.run(10_000);
    office.ladder();
    office.go_on(1);
    office.run(3_000);
    expect![[r#""#]].assert_eq(&office.ladder());
}

#[test]
fn a_node_that_others_cannot_hear_keeps_its_calls_while_it_renews_its_lease() {
    let mut office = talking(1);
    office.input(NodeId(2), Input::NodeDown(NodeId(1)));
    office.run(20_000);
    assert_eq!(taken_over(&office), 0);
    assert_eq!(office.node(1).load().calls, 1);
    office.hang_up("alice");
    assert_eq!(office.records.len(), 1);
}

#[test]
fn without_a_quorum_nobody_says_that_there_is_no_such_call() {
    let mut office = talking(2);
    office.kill(1);
    office.failing = Some(carillon_switch::ProposalFailure::NoQuorum);
    office.input(NodeId(2), Input::Quorum(false));
    office.run(TAKEN_OVER_MS);
    office.ladder();
    let bye = office.phone("bob").inside(Method::Bye);
    office.say("bob", bye.clone());
    office.run(HEIR_LIMIT_MS + 100);
    expect![[r#"
        bob -> n2: BYE
    "#]]
    .assert_eq(&office.ladder());
    office.phone("bob").transport = Transport::Tcp;
    office.phone("bob").connection = 7;
    office.say("bob", bye);
    office.run(HEIR_LIMIT_MS + 100);
    expect![[r#"
        bob -> n2: BYE
        n2 -> bob: 503 BYE
    "#]]
    .assert_eq(&office.ladder());
}

/// It names the very address that its connection comes from, so it was called by any connection to that.
#[test]
fn an_heir_that_holds_the_connection_of_a_phone_goes_on_by_it() {
    let mut office = Office::new(3);
    office.place("alice", 1);
    office.place("bob", 2);
    office.phone("bob").transport = Transport::Tcp;
    office.phone("bob").connection = 7;
    office.register("alice");
    office.register("bob");
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(1_000);
    office.ladder();
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    expect![[r#"
        n2 -> alice: INVITE alice
        n2 -> bob: INVITE bob
        alice -> n2: 200 INVITE
        bob -> n2: 200 INVITE
        n2 -> alice: ACK alice
        n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.node(2).counters().taken_over, 1);
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn a_phone_whose_connection_died_is_called_back_when_it_registers() {
    let mut office = Office::new(3);
    office.place("alice", 1);
    office.place("bob", 2);
    office.phone("alice").transport = Transport::Tcp;
    office.phone("alice").connection = 5;
    office.register("alice");
    office.register("bob");
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(1_000);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let ladder = office.ladder();
    assert!(!ladder.contains("INVITE alice"), "{ladder}");
    office.phone("alice").node = NodeId(3);
    office.phone("alice").connection = 9;
    office.register("alice");
    office.run(100);
    expect![[r#"
        alice -> n3: REGISTER
        n3 -> alice: 401 REGISTER
        alice -> n3: REGISTER
        n3 -> alice: 200 REGISTER
        n2 by n3 -> alice: INVITE alice
        alice -> n3: 200 INVITE
        n3 => n2: 200 INVITE
        n2 by n3 -> alice: ACK alice
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("bob");
    office.assert_quiet();
}

#[test]
fn a_node_that_is_cut_off_neither_calls_back_nor_refuses_what_an_heir_may_have() {
    let mut office = ringing(2);
    office.failing = Some(carillon_switch::ProposalFailure::NoQuorum);
    office.input(NodeId(1), Input::Quorum(false));
    for other in [2, 3] {
        office.input(NodeId(1), Input::NodeDown(NodeId(other)));
    }
    office.run(3_000);
    assert_eq!(office.ladder(), "", "bob's phone is not asked anything");
    // The heir has silenced it.
    office.answer("bob", 487);
    office.run(1_000);
    let ladder = office.ladder();
    assert!(!ladder.contains("-> alice"), "{ladder}");
    office.failing = None;
    office.input(NodeId(1), Input::Quorum(true));
    office.run(70_000);
    assert_eq!(office.records.len(), 1);
}

/// Bob is called by the sockets of a node beyond a cut that nobody has noticed yet.
#[test]
fn a_phone_that_has_said_nothing_is_called_by_another_way_once_the_cut_is_noticed() {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.nodes.remove(&NodeId(2));
    office.call("alice", "102");
    office.ladder();
    office.input(NodeId(1), Input::NodeDown(NodeId(2)));
    office.run(400);
    expect![[r#"
        n1 -> bob: CANCEL bob
        bob -> n1: 200 CANCEL
        bob -> n1: 487 INVITE
        n1 -> bob: INVITE bob
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_call_that_a_media_server_fenced_does_not_come_back_from_an_old_replica() {
    let mut office = talking(1);
    let call = office.state.calls().values().next().unwrap().clone();
    let fenced = carillon_protocol::Reply::Refused {
        session: carillon_protocol::SessionId {
            call: call.id.0,
            part: 0,
        },
        revision: Some(1),
        reason: carillon_protocol::Reason::Fenced { epoch: 2 },
    };
    office.media_says(1, 1, fenced);
    assert_eq!(office.node(1).load().calls, 0);
    let bye = office.phone("alice").inside(Method::Bye);
    office.say("alice", bye);
    office.run(500);
    expect![[r#"
        alice -> n1: BYE
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.node(1).load().calls, 0);
}

#[test]
fn a_node_that_hears_nobody_loses_its_calls_though_all_hear_it() {
    let mut office = talking(1);
    // Its commands arrive, and it never learns what becomes of them.
    office.deaf = Some(NodeId(1));
    office.run(6_000);
    assert_eq!(taken_over(&office), 1, "{}", office.ladder());
    office.hang_up("alice");
    office.run(100);
    assert_eq!(office.records.len(), 1);
    assert!(office.phone("bob").dialog.is_none());
}

#[test]
fn the_heir_rings_no_more_when_an_owner_that_heard_nobody_has_refused_the_caller() {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.deaf = Some(NodeId(1));
    office.run(2_000);
    office.call("alice", "102");
    office.run(2_500);
    office.answer("bob", 180);
    office.run(COMMIT_LIMIT_MS - 2_000);
    office.deaf = None;
    office.run(2_000);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n2 -> bob: INVITE bob
        n2 -> bob: INVITE bob
        bob -> n2: 180 INVITE
        n2 -> alice: 180 INVITE
        n1 -> alice: 503 INVITE
        alice -> n1: ACK 102
        n2 -> alice: 480 INVITE
        n2 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n2 -> bob: ACK bob
        n2 -> alice: 480 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.phone("bob").ringing, None);
    expect!["101 -> 102: Failed 480/16, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

/// The owner's own CANCEL is for a ringing that is over.
#[test]
fn the_heir_rings_no_more_when_the_caller_has_given_up_at_an_owner_that_heard_nobody() {
    let mut office = ringing(2);
    office.deaf = Some(NodeId(1));
    office.nodes.remove(&NodeId(2));
    office.input(NodeId(3), Input::NodeDown(NodeId(2)));
    office.run(5_000);
    office.answer("bob", 180);
    office.cancel("alice");
    office.run(500);
    office.deaf = None;
    office.run(3_000);
    expect![[r#"
        n3 -> bob: ACK bob
        n3 -> bob: CANCEL bob
        bob -> n3: 200 CANCEL
        bob -> n3: 487 INVITE
        n3 -> bob: INVITE bob
        bob -> n3: 481 INVITE
        n3 -> bob: ACK bob
        n3 -> bob: INVITE bob
        n3 -> bob: INVITE bob
        bob -> n3: 180 INVITE
        alice -> n1: CANCEL 102
        n1 -> alice: 200 CANCEL
        n1 -> alice: 487 INVITE
        n1 by n2 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n1 by n2 -> bob: CANCEL bob
        bob -> n2: 200 CANCEL
        n3 -> alice: 480 INVITE
        n3 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n3: 200 CANCEL
        n1 => n3: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.phone("bob").ringing, None);
    expect!["101 -> 102: Failed 480/16, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}
