use carillon_call::Policy;
use carillon_sip::{Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

#[test]
fn an_heir_refreshes_both_sides_and_goes_on() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.heir();
        stage.picks_up(BOB);
        stage.picks_up(ALICE);
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        stage.requests(BOB, Method::Bye);
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
            6000   alice and bob talk
            6000   - the node dies and another one takes over
            6000   - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            6000   - commit
            6000   alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
            6000   bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            6000   bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            6000   bob <- ACK 18
            6000   - commit lazily
            6000   alice -> 200 17 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
            6000   alice <- ACK 17
            6000   - commit lazily
            6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
            6000   - commit
            6000   bob <- INVITE 19 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
            6000   bob -> 200 19 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
            6000   bob <- ACK 19
            6000   - media r68 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
            6000   - commit
            6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
            6000   alice -> ACK 2
            6000   - commit lazily
            6000   bob -> BYE 1
            6000   bob <- 200 1 BYE
            6000   alice <- BYE 18 [Reason: Q.850;cause=16;text="Normal call clearing"]
            6000   - media released
            6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
            6000   alice -> 200 18 BYE
            6000   - ended
        "#]],
    );
}

#[test]
fn both_phones_follow_the_contact_of_the_heir() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.heir();
    for phone in [ALICE, BOB] {
        let invite = stage.last_request(phone, &Method::Invite);
        assert_eq!(
            invite.headers.text(Name::Contact),
            Some("<sip:10.77.1.2:5060>")
        );
        assert_eq!(invite.via().unwrap().host().to_string(), "10.77.1.2");
        assert!(
            invite
                .via()
                .unwrap()
                .branch()
                .unwrap()
                .starts_with("z9hG4bK2."),
            "the heir's branch"
        );
        assert!(
            invite.cseq().unwrap().number > 16,
            "above what was set aside"
        );
    }
}

#[test]
fn alice_has_hung_up_towards_the_dead_node() {
    for code in [481, 488] {
        let mut stage = Stage::new(Policy::default(), true);
        stage.talk();
        stage.heir();
        stage.picks_up(BOB);
        stage.says(ALICE, &Method::Invite, code);
        stage.says(BOB, &Method::Bye, 200);
        assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
    }
}

#[test]
fn alice_was_about_to_hold_when_the_node_died() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.heir();
        stage.picks_up(BOB);
        stage.says(ALICE, &Method::Invite, 491);
        stage.says(ALICE, &Method::Update, 200);
        stage.wait(4_000);
        stage.picks_up(ALICE);
    };
    check(
        story,
        &expect![[r#"
            6000   alice and bob talk
            6000   - the node dies and another one takes over
            6000   - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            6000   - commit
            6000   alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
            6000   bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            6000   bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            6000   bob <- ACK 18
            6000   - commit lazily
            6000   alice -> 491 17 INVITE
            6000   alice <- UPDATE 18
            6000   alice -> 200 18 UPDATE
            9300   alice <- INVITE 19 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
            10000  alice -> 200 19 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
            10000  alice <- ACK 19
            10000  - commit lazily
        "#]],
    );
}

#[test]
fn the_node_dies_while_bob_is_asked_to_hold() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.heir();
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        stage.wait(10_000);
    };
    check(
        story,
        &expect![[r#"
            6000   alice and bob talk
            6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
            6000   - commit
            6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
            6000   - the node dies and another one takes over
            6000   - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            6000   - commit
            6000   - commit
            6000   bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
            6000   bob -> 200 18 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
            6000   bob <- ACK 18
            6000   - media r68 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
            6000   - commit
            6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
            6000   alice -> ACK 2
            6000   - commit lazily
        "#]],
    );
}

#[test]
fn the_process_starts_again_while_bob_rings() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.starts_again();
        stage.wait(3_000);
        stage.picks_up(BOB);
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      - the node starts again
            0      - commit
            0      - adopts the INVITE of leg 1
            3000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            3000   bob <- ACK 1
            3000   - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            3000   - commit
            3000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            3000   alice -> ACK 1
            3000   - commit lazily
        "#]],
    );
}

#[test]
fn both_phones_are_told_of_the_new_ports_of_a_media_server() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_server_restarts();
        stage.wait(0);
        stage.picks_up(BOB);
        stage.picks_up(ALICE);
        stage.wait(60_000);
    };
    check(
        story,
        &expect![[r#"
            6000   alice and bob talk
            6000   - the media server starts again
            6000   - commit
            6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
            6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
            6000   bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            6000   bob <- ACK 2
            6000   - commit lazily
            6000   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
            6000   alice <- ACK 1
            6000   - commit lazily
        "#]],
    );
}

#[test]
fn a_call_that_talks_is_small() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let octets = stage.call.encode().len();
    assert!(octets < 4 * 1024, "{octets} octets");
}

#[test]
fn a_value_is_compressed_and_one_that_is_not_is_read_too() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let plain = rmp_serde::to_vec_named(&stage.call).unwrap();
    let octets = stage.call.encode();
    assert!(octets.len() * 3 < plain.len() * 2, "{}", octets.len());
    let of_before = [&[1], plain.as_slice()].concat();
    let read = carillon_call::Call::decode(&of_before).unwrap();
    assert_eq!(read.encode(), octets);
}

#[test]
fn octets_that_promise_too_much_are_no_call() {
    let promise = [&[carillon_call::VERSION], &u32::MAX.to_le_bytes()[..], b"x"].concat();
    assert!(carillon_call::Call::decode(&promise).is_err());
}

#[test]
fn phones_that_did_not_answer_are_forgotten() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let alone = stage.call.encode().len();
    let mut stage = Stage::new(Policy::default(), true);
    stage.bob_has_phones(16);
    stage.alice_calls();
    (1..=16).for_each(|phone| stage.rings(phone));
    stage.picks_up(BOB);
    stage.acks(ALICE);
    for phone in 2..=16 {
        stage.says(phone, &Method::Cancel, 200);
        stage.says(phone, &Method::Invite, 487);
    }
    assert_eq!(stage.call.dialogs().len(), 2);
    assert!(stage.call.encode().len() < alone + 64);
}

#[test]
fn bob_rings_towards_the_dead_node_and_has_not_answered() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.heir();
        stage.wait(200);
        stage.says(BOB, &Method::Invite, 481);
        stage.rings(BOB);
        stage.picks_up(BOB);
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 180 1 INVITE
        0      - commit lazily
        0      alice <- 180 1 INVITE
        0      - the node dies and another one takes over
        0      - commit
        0      bob <- ACK 1
        0      bob <- CANCEL 1
        150    bob <- INVITE 18 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        200    bob -> 481 18 INVITE
        200    - commit
        200    bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        200    bob -> 180 1 INVITE
        200    - commit lazily
        200    bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        200    bob <- ACK 1
        200    - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        200    - commit
        200    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        200    alice -> ACK 1
        200    - commit lazily
    "#]],
    );
}

#[test]
fn bob_has_answered_the_dead_node() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.heir();
        stage.wait(200);
        stage.picks_up(BOB);
        stage.acks(ALICE);
        stage.requests(BOB, Method::Bye);
        // Whatever has become of the answer to the CANCEL.
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      - the node dies and another one takes over
            0      - commit
            0      bob <- ACK 1
            0      bob <- CANCEL 1
            150    bob <- INVITE 18 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            200    bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            200    bob <- ACK 18
            200    - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            200    - commit
            200    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            200    alice -> ACK 1
            200    - commit lazily
            200    bob -> BYE 1
            200    bob <- 200 1 BYE
            200    alice <- BYE 17 [Reason: Q.850;cause=16;text="Normal call clearing"]
            200    - media released
            200    - record 101 -> 102: Answered 200/16, talked 0 ms, packets 250 and 240
            200    alice -> 200 17 BYE
            200    - ended
        "#]],
    );
}

#[test]
fn alice_gives_up_while_bob_is_asked_whether_he_has_answered() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    stage.rings(BOB);
    stage.heir();
    stage.wait(200);
    let cancel = stage.phones[ALICE].cancel();
    stage.send(ALICE, cancel);
    stage.picks_up(BOB);
    stage.says(BOB, &Method::Bye, 200);
    stage.wait(40_000);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

#[test]
fn nobody_rings_for_a_caller_whose_connection_has_gone() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    stage.rings(BOB);
    stage.heir_without(ALICE);
    stage.says(BOB, &Method::Cancel, 200);
    stage.says(BOB, &Method::Invite, 487);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

#[test]
fn a_phone_whose_connection_has_gone_is_asked_when_it_comes() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.heir_without(ALICE);
        stage.picks_up(BOB);
        stage.wait(50_000);
        stage.comes_back(ALICE);
        stage.picks_up(ALICE);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - the node dies and another one takes over
        6000   - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        6000   - commit
        6000   bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        6000   bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6000   bob <- ACK 18
        6000   - commit lazily
        56000  alice registers
        56000  - commit
        56000  alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
        56000  alice -> 200 17 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        56000  alice <- ACK 17
        56000  - commit lazily
    "#]],
    );
}

#[test]
fn a_phone_that_says_nothing_to_the_heir_keeps_its_call_while_it_talks() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.heir();
    stage.picks_up(BOB);
    stage.wait(40_000);
    assert!(!stage.ladder.contains("BYE"), "{}", stage.ladder);
    stage.media_event(carillon_call::MediaEvent::RtpTimeout { termination: 0 });
    assert!(stage.ladder.contains("bob <- BYE"), "{}", stage.ladder);
}

#[test]
fn a_phone_that_cannot_be_told_of_other_ports_is_not_given_up_for_its_silence_there() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.heir_without(ALICE);
    stage.picks_up(BOB);
    stage.media_moves();
    stage.picks_up(BOB);
    stage.wait(30_000);
    stage.media_event(carillon_call::MediaEvent::RtpTimeout { termination: 0 });
    assert!(!stage.ladder.contains("BYE"), "{}", stage.ladder);
    stage.comes_back(ALICE);
    stage.picks_up(ALICE);
    assert!(stage.call.is_media_settled(), "{}", stage.ladder);
}
