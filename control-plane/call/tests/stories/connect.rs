use carillon_call::Policy;
use carillon_sip::{Message, Method};
use expect_test::{Expect, expect};

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

fn check_text(message: &Message, expected: &Expect) {
    expected.assert_eq(&String::from_utf8_lossy(&message.to_bytes()).replace("\r\n", "\n"));
}

#[test]
fn alice_calls_bob_and_they_talk() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.wait(3_000);
        stage.picks_up(BOB);
        stage.acks(ALICE);
        stage.wait(60_000);
        stage.requests(ALICE, Method::Bye);
        stage.says(BOB, &Method::Bye, 200);
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
            3000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            3000   bob <- ACK 1
            3000   - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            3000   - commit
            3000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            3000   alice -> ACK 1
            3000   - commit lazily
            63000  alice -> BYE 2
            63000  alice <- 200 2 BYE
            63000  bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
            63000  - media released
            63000  - record 101 -> 102: Answered 200/16, talked 60000 ms, packets 250 and 240
            63000  bob -> 200 2 BYE
            63000  - ended
        "#]],
    );
}

#[test]
fn bob_learns_nothing_of_alice_but_her_line() {
    let mut stage = Stage::new(
        Policy {
            domain: Some("pbx.example".into()),
            ..Policy::default()
        },
        true,
    );
    stage.alice_calls();
    check_text(
        stage.last_request(BOB, &Method::Invite),
        &expect![[r#"
        INVITE sip:bob@10.77.3.11:5060 SIP/2.0
        Via: SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.a309457ad6f06cc8;rport
        Max-Forwards: 69
        From: "Alice Martin" <sip:101@pbx.example>;tag=cn1.g56kuaa67sxp
        To: <sip:102@pbx.example>
        Call-ID: qti4aev3mz7tvv3uymgwdti2
        CSeq: 1 INVITE
        Contact: <sip:10.77.1.1:5060>
        User-Agent: Carillon/0.1.0
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO
        Supported: 100rel, timer
        Session-Expires: 1800
        Min-SE: 90
        Content-Type: application/sdp
        Content-Length: 188

        v=0
        o=- 64783804 1 IN IP4 10.77.2.1
        s=-
        c=IN IP4 10.77.2.1
        t=0 0
        m=audio 10002 RTP/AVP 8 101
        c=IN IP4 10.77.2.1
        a=rtpmap:8 PCMA/8000
        a=rtpmap:101 telephone-event/8000
        a=sendrecv
    "#]],
    );
}

#[test]
fn alice_learns_nothing_of_bobs_phone() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    check_text(
        stage.last_response(ALICE),
        &expect![[r#"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 10.77.3.1:5060;branch=z9hG4bKalice1;rport
        From: "I am the boss" <sip:boss@10.77.3.1:5060>;tag=a1
        To: <sip:102@pbx.example>;tag=cn1.tdw3vmvieve2
        Call-ID: alice-call
        CSeq: 1 INVITE
        Contact: <sip:10.77.1.1:5060>
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO
        Supported: 100rel, timer
        Require: timer
        Session-Expires: 1800;refresher=uac
        Content-Type: application/sdp
        Content-Length: 190

        v=0
        o=- 1207105491 1 IN IP4 10.77.2.1
        s=-
        c=IN IP4 10.77.2.1
        t=0 0
        m=audio 10000 RTP/AVP 8 101
        c=IN IP4 10.77.2.1
        a=rtpmap:8 PCMA/8000
        a=rtpmap:101 telephone-event/8000
        a=sendrecv
    "#]],
    );
}

#[test]
fn a_caller_who_wants_to_be_private_is_anonymous() {
    let mut stage = Stage::new(
        Policy {
            asserted_identity: true,
            ..Policy::default()
        },
        true,
    );
    let offer = stage.phones[ALICE].sdp("sendrecv");
    let mut invite = stage.phones[ALICE].invite(Some(offer));
    invite
        .headers
        .push(carillon_sip::Name::Privacy, "id;critical");
    stage.send(ALICE, invite);
    let asked = stage.last_request(BOB, &Method::Invite);
    assert_eq!(
        asked.from().unwrap().uri.as_str(),
        "sip:anonymous@anonymous.invalid"
    );
    assert_eq!(
        asked.from().unwrap().display_text().as_deref(),
        Some("Anonymous")
    );
    assert!(
        !asked
            .headers
            .contains(carillon_sip::Name::PAssertedIdentity)
    );
    assert!(!String::from_utf8_lossy(&asked.to_bytes()).contains("Alice"));
}

#[test]
fn the_asserted_identity_is_that_of_the_line() {
    let mut stage = Stage::new(
        Policy {
            asserted_identity: true,
            ..Policy::default()
        },
        true,
    );
    stage.alice_calls();
    let asked = stage.last_request(BOB, &Method::Invite);
    let asserted = asked
        .headers
        .text(carillon_sip::Name::PAssertedIdentity)
        .unwrap();
    assert_eq!(asserted, "\"Alice Martin\" <sip:101@10.77.1.1:5060>");
}

#[test]
fn a_call_without_an_offer_lets_bob_make_it() {
    let story = |stage: &mut Stage| {
        let invite = stage.phones[ALICE].invite(None);
        stage.send(ALICE, invite);
        stage.rings(BOB);
        stage.picks_up(BOB);
        let body = stage.phones[ALICE].sdp("sendrecv");
        let mut ack = stage.phones[ALICE].ack(1);
        ack.set_body("application/sdp", body);
        stage.send(ALICE, ack);
        stage.requests(BOB, Method::Bye);
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1
            0      - route 102 in default
            0      - media r1 0=? SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90]
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - media r2 0=? SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      bob <- ACK 1 {v1 10.77.2.1:10002 8 101 sendrecv}
            0      - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit lazily
            0      bob -> BYE 1
            0      bob <- 200 1 BYE
            0      alice <- BYE 1 [Reason: Q.850;cause=16;text="Normal call clearing"]
            0      - media released
            0      - record 101 -> 102: Answered 200/16, talked 0 ms, packets 250 and 240
            0      alice -> 200 1 BYE
            0      - ended
        "#]],
    );
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let story = |stage: &mut Stage| {
        let invite = stage.phones[ALICE].invite(None);
        stage.send(ALICE, invite);
        stage.picks_up(BOB);
        stage.acks(ALICE);
        stage.says(ALICE, &Method::Bye, 200);
        stage.says(BOB, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1
        0      - route 102 in default
        0      - media r1 0=? SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90]
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      - media r2 0=? SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      alice -> ACK 1
        0      bob <- ACK 1
        0      alice <- BYE 1 [Reason: Q.850;cause=111;text="ACK without a usable answer"]
        0      bob <- BYE 2 [Reason: Q.850;cause=111;text="ACK without a usable answer"]
        0      - media released
        0      - record 101 -> 102: Answered 200/111, talked 0 ms, packets 250 and 240
        0      alice -> 200 1 BYE
        0      bob -> 200 2 BYE
        0      - ended
    "#]],
    );
}

#[test]
fn our_answer_is_repeated_until_its_ack_comes() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.wait(9_000);
        stage.acks(ALICE);
        stage.wait(9_000);
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
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        500    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        1500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        3500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        7500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        9000   alice -> ACK 1
        9000   - commit lazily
        18000  alice -> ACK 1
    "#]],
    );
}

#[test]
fn without_an_ack_the_call_is_over_after_32_seconds() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.wait(33_000);
        stage.says(ALICE, &Method::Bye, 481);
        stage.says(BOB, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        500    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        1500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        3500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        7500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        11500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        15500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        19500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        23500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        27500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        31500  alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        32000  alice <- BYE 1 [Reason: Q.850;cause=102;text="No answer from the phone"]
        32000  bob <- BYE 2 [Reason: Q.850;cause=102;text="No answer from the phone"]
        32000  - media released
        32000  - record 101 -> 102: Answered 200/102, talked 32000 ms, packets 250 and 240
        33000  alice -> 481 1 BYE
        33000  bob -> 200 2 BYE
        33000  - ended
    "#]],
    );
}

#[test]
fn bobs_repeated_answer_gets_the_same_ack_again() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.picks_up(BOB);
    stage.picks_up(BOB);
    let acks = &stage.phones[BOB].acks;
    assert_eq!(acks.len(), 3);
    assert_eq!((&acks[0], &acks[0]), (&acks[1], &acks[2]));
    assert!(!stage.ended);
}

#[test]
fn bob_is_reached_by_ipv6_while_alice_has_ipv4() {
    let story = |stage: &mut Stage| {
        stage.phones[BOB] = crate::phone::Phone::new("bob", "[fd00::11]:5060", 4010);
        let target = stage.phones[BOB].target();
        *stage.targets() = vec![target];
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 2=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 fd00::2:10004 8 101 sendrecv}
        0      bob -> 200 1 INVITE {v1 fd00::11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 2=[fd00::11]:4010 SendRecv (0>2 2>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      alice -> ACK 1
        0      - commit lazily
    "#]],
    );
}

#[test]
fn the_media_server_is_told_where_both_are_and_watches_them() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let descriptor = stage.descriptors.last().unwrap();
    expect![[r#"
        SessionDescriptor {
            session: SessionId {
                call: 7,
                part: 0,
            },
            epoch: 3,
            revision: 2,
            terminations: [
                Termination {
                    id: 0,
                    remote: Some(
                        10.77.3.1:4000,
                    ),
                    remote_rtcp: Some(
                        10.77.3.1:4001,
                    ),
                    rtcp_mux: false,
                    family: V4,
                    direction: SendRecv,
                    payloads: [
                        Payload {
                            number: 8,
                            name: "PCMA",
                            clock_rate: 8000,
                        },
                        Payload {
                            number: 101,
                            name: "telephone-event",
                            clock_rate: 8000,
                        },
                    ],
                    latch: true,
                },
                Termination {
                    id: 1,
                    remote: Some(
                        10.77.3.11:4010,
                    ),
                    remote_rtcp: Some(
                        10.77.3.11:4011,
                    ),
                    rtcp_mux: false,
                    family: V4,
                    direction: SendRecv,
                    payloads: [
                        Payload {
                            number: 8,
                            name: "PCMA",
                            clock_rate: 8000,
                        },
                        Payload {
                            number: 101,
                            name: "telephone-event",
                            clock_rate: 8000,
                        },
                    ],
                    latch: true,
                },
            ],
            links: [
                Link {
                    from: 0,
                    to: 1,
                },
                Link {
                    from: 1,
                    to: 0,
                },
            ],
            rtp_timeout_ms: Some(
                30000,
            ),
        }
    "#]]
    .assert_debug_eq(descriptor);
}

#[test]
fn what_others_see_of_a_call() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let summary = stage.call.summary();
    assert_eq!(summary.state, carillon_model::CallState::Answered);
    assert_eq!(summary.caller.number, "101");
    assert_eq!(summary.callee.name.as_deref(), Some("Bob"));
    assert_eq!(
        summary
            .answered_at_ms
            .map(|at_ms| at_ms - summary.started_at_ms),
        Some(1_000)
    );
    let dialogs = stage.call.dialogs();
    assert_eq!(dialogs.len(), 2);
    let legs: Vec<_> = dialogs
        .iter()
        .map(|key| stage.call.leg_of(key).unwrap().0)
        .collect();
    assert_eq!(legs, [0, 1]);
}
