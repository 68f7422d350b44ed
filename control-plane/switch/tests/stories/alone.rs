//! A node without a quorum takes registrations for a minute, and merges them when the quorum is back.

use carillon_model::Binding;
use carillon_sip::Name;
use carillon_switch::{LOCAL_AFTER_MS, LOCAL_BINDING_MS, Notice, ProposalFailure};
use expect_test::expect;

use super::office::Office;

/// An office whose nodes may do without a quorum, and have none.
fn alone() -> Office {
    let mut office = Office::with(2, |config| {
        config.registrar.without_quorum = true;
        config.unprotected_calls = true;
    });
    office.place("alice", 1);
    office.place("bob", 1);
    office.failing = Some(ProposalFailure::NoQuorum);
    office
}

fn stored(office: &Office, name: &str) -> Vec<Binding> {
    let endpoint = office.state.endpoint_by_username(name).unwrap().id;
    office
        .state
        .live_bindings(endpoint, office.now_ms)
        .cloned()
        .collect()
}

fn last_answer(office: &mut Office, name: &str) -> (Option<u16>, String) {
    let last = office.phone(name).received.last().unwrap();
    let contact = last
        .headers
        .text(Name::Contact)
        .unwrap_or_default()
        .to_owned();
    (last.status(), contact)
}

#[test]
fn a_phone_is_registered_after_a_moment_and_for_a_minute_at_most() {
    let mut office = alone();
    office.register("alice");
    assert_eq!(last_answer(&mut office, "alice").0, Some(401));
    office.run(LOCAL_AFTER_MS);
    let (code, contact) = last_answer(&mut office, "alice");
    assert_eq!(code, Some(200));
    expect!["<sip:alice@10.3.0.10:5060>;expires=60"].assert_eq(&contact);
    assert_eq!(office.node(1).counters().unprotected_registrations, 1);
    assert!(
        office
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::RegistrationUnprotected { .. }))
    );
    assert_eq!(stored(&office, "alice"), []);
}

#[test]
fn a_quorum_that_says_nothing_is_waited_for_no_longer() {
    let mut office = alone();
    office.silent_quorum = true;
    office.register("alice");
    office.run(LOCAL_AFTER_MS);
    assert_eq!(last_answer(&mut office, "alice").0, Some(200));
}

#[test]
fn phones_that_one_node_alone_knows_call_each_other() {
    let mut office = alone();
    office.register("alice");
    office.register("bob");
    office.run(LOCAL_AFTER_MS);
    office.ladder();
    office.call("alice", "102");
    office.run(300);
    office.answer("bob", 200);
    office.run(300);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 -> bob: INVITE bob
        bob -> n1: 200 INVITE
        n1 -> bob: ACK bob
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn when_the_quorum_is_back_every_node_knows_the_phone() {
    let mut office = alone();
    office.register("alice");
    office.run(5_000);
    office.failing = None;
    office.run(1_000);
    let bindings = stored(&office, "alice");
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    // The cluster knows it for as long as the phone had asked for.
    office.run(LOCAL_BINDING_MS);
    assert_eq!(stored(&office, "alice").len(), 1);
    office.run(LOCAL_BINDING_MS);
    assert_eq!(stored(&office, "alice").len(), 0);
}

#[test]
fn a_phone_that_does_not_come_again_is_forgotten_and_never_merged() {
    let mut office = alone();
    office.register("alice");
    office.register("bob");
    office.run(2 * LOCAL_BINDING_MS + 10_000);
    office.failing = None;
    office.run(10_000);
    assert_eq!(stored(&office, "bob"), []);
    office.register("alice");
    office.ladder();
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 -> alice: 480 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_registered_phone_stays_registered_by_refreshing_at_its_node() {
    let mut office = alone();
    office.failing = None;
    office.register("alice");
    office.register("bob");
    office.failing = Some(ProposalFailure::NoQuorum);
    for _ in 0..4 {
        office.run(LOCAL_BINDING_MS - 10_000);
        office.register("bob");
        office.run(LOCAL_AFTER_MS);
        assert_eq!(last_answer(&mut office, "bob").0, Some(200));
    }
    office.call("alice", "102");
    office.run(300);
    assert!(office.phone("bob").ringing.is_some());
}

#[test]
fn nobody_is_taken_away_without_the_quorum() {
    let mut office = alone();
    office.failing = None;
    office.register("alice");
    office.failing = Some(ProposalFailure::NoQuorum);
    let mut message = office.phone("alice").register();
    message.headers.set(Name::Expires, "0");
    office.phone("alice").asked = Some(message.clone());
    office.say("alice", message);
    office.run(LOCAL_AFTER_MS);
    assert_eq!(last_answer(&mut office, "alice").0, Some(503));
    assert_eq!(stored(&office, "alice").len(), 1);
}
