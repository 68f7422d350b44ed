//! A phone hangs up between the death of its call's owner and the moment in which its node learns of that.

use carillon_model::NodeId;
use carillon_sip::{Message, Method};
use carillon_switch::Input;
use expect_test::expect;

use super::office::{Event, Office};

/// When the node that will be the heir notices, and when bob's does.
const NOTICED_MS: u64 = 700;
const NOTICED_LATE_MS: u64 = 3_000;

/// alice at node 1 talks with bob at node 2.
fn talking() -> Office {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(5_000);
    office.ladder();
    office
}

/// Node 1 dies. bob has hung up, and says so to whoever asks.
fn left_alone() -> (Office, Message) {
    let mut office = talking();
    office.nodes.remove(&NodeId(1));
    for (node, after_ms) in [(3, NOTICED_MS), (2, NOTICED_LATE_MS)] {
        let input = Input::NodeDown(NodeId(1));
        office.after(after_ms, Event::ToNode(NodeId(node), input));
    }
    let bye = office.phone("bob").inside(Method::Bye);
    office.phone("bob").refuses = Some(481);
    (office, bye)
}

#[test]
fn a_bye_that_a_dead_node_was_handed_goes_to_the_heir_as_soon_as_there_is_one() {
    let (mut office, bye) = left_alone();
    office.run(500);
    office.say("bob", bye);
    office.run(2_000);
    expect![[r#"
        bob -> n2: BYE
        n2 => n1: BYE
        n2 => n3: BYE
        n3 -> alice: INVITE alice
        n3 by n2 -> bob: INVITE bob
        n3 by n2 -> bob: 200 BYE
        n3 -> alice: BYE alice
        alice -> n3: 200 INVITE
        bob -> n2: 481 INVITE
        alice -> n3: 200 BYE
        n3 -> alice: ACK alice
        n2 => n3: 481 INVITE
        n3 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_node_that_hears_nobody_leaves_a_hold_to_the_heir() {
    let mut office = talking();
    office.deaf = Some(NodeId(1));
    office.input(NodeId(1), Input::Quorum(false));
    for other in [2, 3] {
        office.input(NodeId(1), Input::NodeDown(NodeId(other)));
        office.input(NodeId(other), Input::NodeDown(NodeId(1)));
    }
    office.run(1_000);
    let hold = office.phone("alice").reinvite("sendonly");
    office.say("alice", hold);
    office.run(2_500);
    expect![[r#"
        alice -> n1: INVITE (sendonly)
        n1 => n2: INVITE (sendonly)
        n1 => n3: INVITE (sendonly)
        n2 -> alice: 100 INVITE
        n2 -> alice: INVITE alice
        n2 -> bob: INVITE bob
        n2 -> alice: 491 INVITE
        alice -> n2: 200 INVITE
        bob -> n2: 200 INVITE
        alice -> n1: ACK 102
        n2 -> alice: ACK alice
        n2 -> bob: ACK bob
        n2 -> alice: 491 INVITE
        alice -> n1: ACK 102
        n2 -> alice: 491 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
}

#[test]
fn a_bye_for_a_call_that_has_ended_with_the_heir_is_answered() {
    let (mut office, bye) = left_alone();
    office.run(NOTICED_LATE_MS + 100);
    assert_eq!(office.records.len(), 1, "bob has refused the heir");
    office.ladder();
    office.say("bob", bye.clone());
    office.run(100);
    expect![[r#"
        bob -> n2: BYE
        n2 -> bob: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    // By the node that had it.
    office.say_to("bob", NodeId(3), bye);
    office.run(100);
    expect![[r#"
        bob -> n3: BYE
        n3 -> bob: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn a_bye_for_a_call_that_nobody_remembers_is_denied_once_the_cluster_has_said_so() {
    let (mut office, bye) = left_alone();
    office.run(100_000);
    office.ladder();
    office.say("bob", bye.clone());
    office.run(500);
    office.say("bob", bye.clone());
    office.run(500);
    expect![[r#"
        bob -> n2: BYE
        bob -> n2: BYE
        n2 -> bob: 481 BYE
    "#]]
    .assert_eq(&office.ladder());
    // Without a word of the cluster nobody knows.
    office.run(100_000);
    office.silent_quorum = true;
    office.say("bob", bye.clone());
    office.run(500);
    office.say("bob", bye);
    office.run(500);
    expect![[r#"
        bob -> n2: BYE
        bob -> n2: BYE
    "#]]
    .assert_eq(&office.ladder());
}
