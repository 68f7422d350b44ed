use carillon_call::{MediaEvent, Policy};
use carillon_sip::Method;
use carillon_sip::transaction::Failure;
use expect_test::expect;

use crate::stage::{ALICE, BOB, MediaServer, Stage};
use crate::{check, check_with};

#[test]
fn bob_hangs_up() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(BOB, Method::Bye);
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> BYE 1
        6000   bob <- 200 1 BYE
        6000   alice <- BYE 1 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   alice -> 200 1 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn both_hang_up_at_once() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(ALICE, Method::Bye);
        stage.requests(BOB, Method::Bye);
        stage.says(BOB, &Method::Bye, 481);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> BYE 2
        6000   alice <- 200 2 BYE
        6000   bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   bob -> BYE 1
        6000   bob <- 200 1 BYE
        6000   bob -> 481 2 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn bob_hangs_up_before_alice_has_acknowledged() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.requests(BOB, Method::Bye);
        stage.wait(700);
        stage.acks(ALICE);
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
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      bob -> BYE 1
        0      bob <- 200 1 BYE
        0      - media released
        0      - record 101 -> 102: Answered 200/16, talked 0 ms, packets 250 and 240
        500    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        700    alice -> ACK 1
        700    alice <- BYE 1 [Reason: Q.850;cause=16;text="Normal call clearing"]
        700    alice -> 200 1 BYE
        700    - ended
    "#]],
    );
}

#[test]
fn bob_hangs_up_and_alice_never_acknowledges() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.requests(BOB, Method::Bye);
        stage.wait(70_000);
    };
    let mut stage = Stage::new(Policy::default(), true);
    story(&mut stage);
    assert!(
        stage.ended && stage.phones[ALICE].requests.len() == 1,
        "{}",
        stage.ladder
    );
}

#[test]
fn the_operator_hangs_up() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.hang_up();
        stage.says(ALICE, &Method::Bye, 200);
        stage.says(BOB, &Method::Bye, 200);
        stage.hang_up();
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   operator hangs up
        6000   alice <- BYE 1 [Reason: Q.850;cause=16;text="Hung up by the operator"]
        6000   bob <- BYE 2 [Reason: Q.850;cause=16;text="Hung up by the operator"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   alice -> 200 1 BYE
        6000   bob -> 200 2 BYE
        6000   - ended
        6000   operator hangs up
    "#]],
    );
}

#[test]
fn the_operator_hangs_up_a_call_that_rings() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.hang_up();
        stage.says(BOB, &Method::Cancel, 200);
        stage.says(BOB, &Method::Invite, 487);
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
            0      operator hangs up
            0      alice <- 480 1 INVITE [Reason: Q.850;cause=16;text="Hung up by the operator"]
            0      bob <- CANCEL 1
            0      - media released
            0      - record 101 -> 102: Failed 480/16, talked 0 ms, packets 250 and 240
            0      bob -> 200 1 CANCEL
            0      bob -> 487 1 INVITE
            0      - ended
        "#]],
    );
}

#[test]
fn bobs_phone_does_not_answer_the_bye() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(ALICE, Method::Bye);
        stage.wait(20_000);
        stage.fail(BOB, &Method::Bye, Failure::Timeout);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> BYE 2
        6000   alice <- 200 2 BYE
        6000   bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        26000  bob is not reached by BYE: Timeout
        26000  - ended
    "#]],
    );
}

#[test]
fn a_bye_that_nobody_reports_on_ends_by_itself() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.requests(ALICE, Method::Bye);
    stage.wait(35_000);
    assert!(stage.ended, "{}", stage.ladder);
}

#[test]
fn alice_hangs_up_while_bob_is_asked_to_hold() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.requests(ALICE, Method::Bye);
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.says(BOB, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   alice -> BYE 3
        6000   alice <- 200 3 BYE
        6000   alice <- 487 2 INVITE
        6000   bob <- BYE 3 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   bob -> 200 2 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
        6000   bob <- ACK 2
        6000   bob -> 200 3 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn bob_hangs_up_while_he_is_asked_to_hold() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.requests(BOB, Method::Bye);
        stage.says(BOB, &Method::Invite, 487);
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> BYE 1
        6000   bob <- 200 1 BYE
        6000   alice <- 487 2 INVITE
        6000   alice <- BYE 1 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   bob -> 487 2 INVITE
        6000   alice -> 200 1 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn bob_hangs_up_while_alice_owes_the_answer_of_a_reinvite() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(ALICE, Method::Invite);
        stage.agrees(BOB, &Method::Invite, "sendrecv");
        stage.hang_up();
        stage.acks(ALICE);
        stage.says(ALICE, &Method::Bye, 200);
        stage.says(BOB, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        6000   bob -> 200 2 INVITE {v2 10.77.3.11:4010 8 101 sendrecv}
        6000   - commit
        6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        6000   operator hangs up
        6000   bob <- ACK 2 {v1 audio refused}
        6000   bob <- BYE 3 [Reason: Q.850;cause=16;text="Hung up by the operator"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
        6000   alice -> ACK 2
        6000   alice <- BYE 1 [Reason: Q.850;cause=16;text="Hung up by the operator"]
        6000   alice -> 200 1 BYE
        6000   bob -> 200 3 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn the_record_does_not_wait_for_a_media_server_that_says_nothing() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_server = MediaServer::Silent;
        stage.requests(ALICE, Method::Bye);
        stage.says(BOB, &Method::Bye, 200);
        stage.wait(3_000);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> BYE 2
        6000   alice <- 200 2 BYE
        6000   bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   bob -> 200 2 BYE
        8000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 0 and 0
        8000   - ended
    "#]],
    );
}

#[test]
fn silence_ends_the_call_where_that_is_configured() {
    let silence = MediaEvent::RtpTimeout { termination: 1 };
    let policy = Policy {
        rtp_timeout_ends_call: true,
        ..Policy::default()
    };
    let story = move |stage: &mut Stage| {
        stage.talk();
        stage.media_event(silence);
        stage.says(ALICE, &Method::Bye, 200);
        stage.fail(BOB, &Method::Bye, Failure::Timeout);
    };
    check_with(
        &policy,
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   media server: RtpTimeout { termination: 1 }
        6000   alice <- BYE 1 [Reason: Q.850;cause=41;text="RTP time-out"]
        6000   bob <- BYE 2 [Reason: Q.850;cause=41;text="RTP time-out"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/41, talked 5000 ms, packets 250 and 240
        6000   alice -> 200 1 BYE
        6000   bob is not reached by BYE: Timeout
        6000   - ended
    "#]],
    );

    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.media_event(silence);
    assert!(
        !stage.ended
            && stage.phones[BOB]
                .requests
                .iter()
                .all(|(_, _, m)| m.method() != Some(&Method::Bye))
    );
}

#[test]
fn the_record_says_who_talked_how_long_and_how_well() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.call.mark_unprotected();
    stage.talk();
    stage.requests(ALICE, Method::Bye);
    assert_eq!(stage.records.len(), 1);
    expect![[r#"
        CallRecord {
            call: aaaaaaaaaaaaaaaaaaaaaaaaah,
            caller: Party {
                number: "101",
                name: Some(
                    "Alice Martin",
                ),
                user: None,
                line: None,
                trunk: None,
            },
            callee: Party {
                number: "102",
                name: Some(
                    "Bob",
                ),
                user: None,
                line: None,
                trunk: None,
            },
            started_at_ms: 1000000,
            answered_at_ms: Some(
                1001000,
            ),
            ended_at_ms: 1006000,
            duration_ms: 5000,
            status: Answered,
            cause: CallCause {
                sip: 200,
                q850: 16,
            },
            direction: Internal,
            caller_quality: Some(
                DirectionQuality {
                    packets: 250,
                    bytes: 40000,
                    lost: 0,
                    jitter_ms: 2,
                    mos_hundredths: 430,
                },
            ),
            callee_quality: Some(
                DirectionQuality {
                    packets: 240,
                    bytes: 38400,
                    lost: 0,
                    jitter_ms: 2,
                    mos_hundredths: 430,
                },
            ),
            userfield: None,
            billing: Billing {
                account_code: None,
                ama_flags: None,
            },
            node: NodeId(
                1,
            ),
            unprotected: true,
        }
    "#]]
    .assert_debug_eq(&stage.records[0]);
}
