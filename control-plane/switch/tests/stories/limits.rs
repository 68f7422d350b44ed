use carillon_model::NodeId;
use carillon_switch::Input;
use expect_test::expect;

use super::office::Office;

#[test]
fn over_the_limit_of_calls_a_new_one_is_refused_and_the_others_go_on() {
    let mut office = Office::with(1, |config| config.limits.calls = 1);
    office.settle_in(1);
    office.place("carol", 1);
    office.register("carol");
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    office.call("carol", "101");
    expect![[r#"
        carol -> n1: INVITE 101
        n1 -> carol: 503 INVITE
        carol -> n1: ACK 101
    "#]]
    .assert_eq(&office.ladder());
    assert!(
        office
            .phone("carol")
            .received
            .last()
            .unwrap()
            .retry_after()
            .is_some()
    );
    office.hang_up("alice");
    office.run(40_000);
    office.register("alice");
    office.register("carol");
    office.call("carol", "101");
    assert!(office.phone("alice").ringing.is_some());
}

#[test]
fn over_the_limit_of_transactions_an_invite_gets_503_and_a_bye_its_200() {
    let mut office = Office::with(1, |config| config.limits.transactions = 16);
    office.settle_in(1);
    office.run(40_000);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(40_000);
    office.place("carol", 1);
    for _ in 0..16 {
        let mut options = office.phone("carol").request(
            carillon_sip::Method::Options,
            "sip:pbx.example",
            "<sip:x@y>",
        );
        options.headers.remove(carillon_sip::Name::Contact);
        office.say("carol", options);
    }
    office.run(10);
    office.ladder();
    office.call("carol", "101");
    office.hang_up("alice");
    expect![[r#"
        carol -> n1: INVITE 101
        n1 -> carol: 503 INVITE
        carol -> n1: ACK 101
        alice -> n1: BYE
        n1 -> alice: 200 BYE
        n1 -> bob: BYE bob
        bob -> n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn over_the_limit_of_proposals_nothing_new_is_begun() {
    let mut office = Office::with(1, |config| config.limits.proposals = 1);
    office.settle_in(1);
    office.place("carol", 1);
    office.silent_quorum = true;
    office.register("alice");
    office.ladder();
    office.register("carol");
    office.call("bob", "101");
    expect![[r#"
        carol -> n1: REGISTER
        n1 -> carol: 401 REGISTER
        carol -> n1: REGISTER
        n1 -> carol: 503 REGISTER
        bob -> n1: INVITE 101
        n1 -> bob: 503 INVITE
        bob -> n1: ACK 101
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_draining_node_ends_its_calls_and_begins_none() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.input(NodeId(1), Input::Drain);
    office.place("carol", 1);
    office.register("carol");
    office.ladder();
    office.call("carol", "102");
    office.hang_up("bob");
    expect![[r#"
        carol -> n1: INVITE 102
        n1 => n2: INVITE 102
        n2 by n1 -> carol: 401 INVITE
        carol -> n1: ACK 102
        carol -> n1: INVITE 102
        n1 => n2: ACK 102
        n1 => n2: INVITE 102
        n2 by n1 -> carol: 100 INVITE
        n2 -> bob: INVITE bob
        bob -> n2: BYE
        n2 => n1: BYE
        n1 by n2 -> bob: 200 BYE
        n1 -> alice: BYE alice
        alice -> n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn time_is_found_without_looking_at_every_call() {
    let mut office = Office::with_alice_and_bob(1);
    office.change_user("bob", |bob| bob.simultaneous_calls = 20);
    for _ in 0..20 {
        office.call("alice", "102");
    }
    assert_eq!(office.node(1).load().calls, 20);
    let next_ms = office.node(1).poll_timeout().unwrap();
    assert!(
        next_ms > office.now_ms - 1000,
        "nothing overdue is left lying"
    );
    office.run(31_000);
    office.assert_quiet();
}
