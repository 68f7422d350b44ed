use carillon_model::CallState;
use carillon_sip::{Method, Name};
use carillon_switch::Notice;
use expect_test::expect;

use super::office::Office;

#[test]
fn alice_calls_bob_on_another_node_and_bob_hangs_up() {
    let mut office = Office::with_alice_and_bob(3);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.answer("bob", 200);
    let call = office.state.calls().values().next().unwrap().clone();
    assert_eq!(call.summary.state, CallState::Answered);
    assert_eq!(call.dialogs.len(), 2);
    office.run(5000);
    office.hang_up("bob");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 by n3 -> bob: INVITE bob
        bob -> n3: 180 INVITE
        n3 => n1: 180 INVITE
        n1 -> alice: 180 INVITE
        bob -> n3: 200 INVITE
        n3 => n1: 200 INVITE
        n1 by n3 -> bob: ACK bob
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
        bob -> n3: BYE
        n3 => n1: BYE
        n1 by n3 -> bob: 200 BYE
        n1 -> alice: BYE alice
        alice -> n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Answered 200/16, 5050 ms"].assert_eq(&office.record());
    let record = &office.records[0];
    assert_eq!(record.caller_quality.unwrap().packets, 50);
    assert_eq!(record.caller.name.as_deref(), Some("alice"));
    office.assert_quiet();
}

#[test]
fn the_callee_sees_the_line_and_not_what_the_caller_claims() {
    let mut office = Office::with_alice_and_bob(1);
    let mut invite = office.phone("alice").invite("102");
    invite
        .headers
        .set(Name::From, "\"The Boss\" <sip:999@pbx.example>;tag=x");
    invite
        .headers
        .push(Name::PAssertedIdentity, "<sip:999@pbx.example>");
    office.phone("alice").asked = Some(invite.clone());
    office.say("alice", invite);
    office.run(50);
    let seen = office.phone("bob").ringing.clone().unwrap();
    let from = seen.from().unwrap();
    assert_eq!(
        (from.display_text().as_deref(), from.uri.user()),
        (Some("alice"), Some("101"))
    );
    assert!(!seen.headers.contains(Name::PAssertedIdentity));
}

#[test]
fn busy_is_busy() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.answer("bob", 486);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 by n2 -> bob: INVITE bob
        bob -> n2: 486 INVITE
        n2 => n1: 486 INVITE
        n1 by n2 -> bob: ACK bob
        n1 -> alice: 486 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Busy 486/17, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn alice_gives_up_while_it_rings() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.ladder();
    office.cancel("alice");
    expect![[r#"
        alice -> n1: CANCEL 102
        n1 -> alice: 200 CANCEL
        n1 -> alice: 487 INVITE
        n1 by n2 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n2 => n1: 200 CANCEL
        n2 => n1: 487 INVITE
        n1 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Cancelled 487/16, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn nobody_answers() {
    let mut office = Office::with_alice_and_bob(2);
    office.change_user("bob", |bob| bob.ring_seconds = 12);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.ladder();
    office.run(11_000);
    assert_eq!(office.ladder(), "");
    office.run(1_100);
    expect![[r#"
        n1 -> alice: 480 INVITE
        n1 by n2 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n2 => n1: 200 CANCEL
        n2 => n1: 487 INVITE
        n1 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: NoAnswer 480/19, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn a_number_that_nobody_has() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "199");
    expect![[r#"
        alice -> n1: INVITE 199
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 199
        alice -> n1: INVITE 199
        n1 -> alice: 100 INVITE
        n1 -> alice: 404 INVITE
        alice -> n1: ACK 199
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 199: Failed 404/1, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn nobody_is_registered_at_the_number() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "103");
    expect![[r#"
        alice -> n1: INVITE 103
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 103
        alice -> n1: INVITE 103
        n1 -> alice: 100 INVITE
        n1 -> alice: 480 INVITE
        alice -> n1: ACK 103
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 103: Failed 480/18, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn a_disabled_user_is_neither_called_nor_calls() {
    let mut office = Office::with_alice_and_bob(1);
    office.change_user("bob", |bob| bob.enabled = false);
    office.call("alice", "102");
    expect!["101 -> 102: Failed 480/18, 0 ms"].assert_eq(&office.record());
    office.ladder();
    office.call("bob", "101");
    expect![[r#"
        bob -> n1: INVITE 101
        n1 -> bob: 401 INVITE
        bob -> n1: ACK 101
        bob -> n1: INVITE 101
        n1 -> bob: 403 INVITE
        bob -> n1: ACK 101
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 1);
}

#[test]
fn who_calls_the_own_number_gets_busy() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "101");
    expect![[r#"
        alice -> n1: INVITE 101
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 101
        alice -> n1: INVITE 101
        n1 -> alice: 486 INVITE
        alice -> n1: ACK 101
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn a_user_takes_part_in_so_many_calls_at_a_time() {
    let mut office = Office::with_alice_and_bob(2);
    office.change_user("bob", |bob| bob.simultaneous_calls = 1);
    office.place("carol", 1);
    office.register("carol");
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    office.call("carol", "102");
    expect![[r#"
        carol -> n1: INVITE 102
        n1 -> carol: 401 INVITE
        carol -> n1: ACK 102
        carol -> n1: INVITE 102
        n1 -> carol: 486 INVITE
        carol -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn hold_and_resume() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    for direction in ["sendonly", "sendrecv"] {
        let message = office.phone("alice").reinvite(direction);
        office.say("alice", message);
        office.run(100);
        let call = office.state.calls().values().next().unwrap();
        assert_eq!(
            call.summary.state == CallState::Held,
            direction == "sendonly"
        );
    }
    expect![[r#"
        alice -> n1: INVITE (sendonly)
        n1 -> alice: 100 INVITE
        n1 by n2 -> bob: INVITE bob (sendonly)
        bob -> n2: 200 INVITE (recvonly)
        n2 => n1: 200 INVITE (recvonly)
        n1 by n2 -> bob: ACK bob
        n1 -> alice: 200 INVITE (recvonly)
        alice -> n1: ACK
        alice -> n1: INVITE
        n1 -> alice: 100 INVITE
        n1 by n2 -> bob: INVITE bob
        bob -> n2: 200 INVITE
        n2 => n1: 200 INVITE
        n1 by n2 -> bob: ACK bob
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn both_hang_up_at_once() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    for name in ["alice", "bob"] {
        let bye = office.phone(name).inside(Method::Bye);
        office.say(name, bye);
    }
    office.run(100);
    expect![[r#"
        alice -> n1: BYE
        bob -> n2: BYE
        n1 -> alice: 200 BYE
        n1 by n2 -> bob: BYE bob
        n2 => n1: BYE
        bob -> n2: 200 BYE
        n1 by n2 -> bob: 200 BYE
        n2 => n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Answered 200/16, 49 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn an_operator_ends_a_call_from_any_node() {
    let mut office = Office::with_alice_and_bob(3);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    let id = office.state.calls().values().next().unwrap().id;
    office.commit(&carillon_model::Command::Call(
        carillon_model::CallCommand::RequestHangup { id },
    ));
    office.run(100);
    expect![[r#"
        n1 -> alice: BYE alice
        n1 by n3 -> bob: BYE bob
        alice -> n1: 200 BYE
        bob -> n3: 200 BYE
        n3 => n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn two_phones_of_one_line_ring_and_the_first_to_answer_has_the_call() {
    let mut office = Office::with_alice_and_bob(2);
    office.place("carol", 1);
    {
        let carol = office.phone("carol");
        carol.username = "bob".to_owned();
    }
    office.register("carol");
    office.ladder();
    office.call("alice", "102");
    office.answer("carol", 180);
    office.answer("bob", 180);
    office.answer("carol", 200);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 -> carol: INVITE bob
        n1 by n2 -> bob: INVITE bob
        carol -> n1: 180 INVITE
        n1 -> alice: 180 INVITE
        bob -> n2: 180 INVITE
        n2 => n1: 180 INVITE
        carol -> n1: 200 INVITE
        n1 -> carol: ACK bob
        n1 by n2 -> bob: CANCEL bob
        bob -> n2: 200 CANCEL
        bob -> n2: 487 INVITE
        n2 => n1: 200 CANCEL
        n2 => n1: 487 INVITE
        n1 by n2 -> bob: ACK bob
        n1 -> alice: 200 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn a_caller_without_credentials_is_asked_and_leaves_no_trace() {
    let mut office = Office::with_alice_and_bob(1);
    let invite = office.phone("alice").invite("102");
    office.say("alice", invite);
    office.run(50);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    office.phone("alice").password = "guess".to_owned();
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 403 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.records.len(), 0);
    assert_eq!(office.node(1).counters().calls, 0);
    office.assert_quiet();
}

#[test]
fn the_same_invite_by_two_ways_is_one_call() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "102");
    let mut second = office.phone("alice").outgoing.clone().unwrap();
    second.headers.set(
        Name::Via,
        "SIP/2.0/UDP 10.3.0.10:5060;branch=z9hG4bKsecond;rport",
    );
    office.ladder();
    office.say("alice", second);
    office.run(50);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 482 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_repeated_invite_is_absorbed() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "102");
    office.answer("bob", 180);
    let again = office.phone("alice").outgoing.clone().unwrap();
    office.ladder();
    office.say("alice", again);
    office.run(50);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 180 INVITE
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.node(1).counters().calls, 1);
}

#[test]
fn notices_tell_when_the_caller_heard_something() {
    let mut office = Office::with_alice_and_bob(1);
    office.notices.clear();
    office.call("alice", "102");
    office.run(950);
    office.answer("bob", 180);
    office.run(950);
    office.answer("bob", 200);
    let heard: Vec<(u16, bool)> = office
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::CallProgressed {
                code,
                since_start_ms,
                ..
            } => Some((*code, *since_start_ms > 1000)),
            _ => None,
        })
        .collect();
    assert_eq!(heard, [(180, false), (200, true)]);
}
