use carillon_sip::transaction::Failure;
use carillon_sip::{Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

#[test]
fn alice_holds_and_resumes() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        assert_eq!(stage.call.summary().state, carillon_model::CallState::Held);
        stage.wait(20_000);
        stage.changes(ALICE, Method::Invite, "sendrecv");
        stage.agrees(BOB, &Method::Invite, "sendrecv");
        stage.acks(ALICE);
        assert_eq!(
            stage.call.summary().state,
            carillon_model::CallState::Answered
        );
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> 200 2 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
        6000   bob <- ACK 2
        6000   - media r3 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        6000   - commit
        6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
        6000   alice -> ACK 2
        6000   - commit lazily
        26000  alice -> INVITE 3 {v3 10.77.3.1:4000 8 101 sendrecv}
        26000  - commit
        26000  bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:10002 8 101 sendrecv}
        26000  bob -> 200 3 INVITE {v3 10.77.3.11:4010 8 101 sendrecv}
        26000  bob <- ACK 3
        26000  - media r4 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        26000  - commit
        26000  alice <- 200 3 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v3 10.77.2.1:10000 8 101 sendrecv}
        26000  alice -> ACK 3
        26000  - commit lazily
    "#]],
    );
}

#[test]
fn bob_holds() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(BOB, Method::Invite, "inactive");
        stage.agrees(ALICE, &Method::Invite, "inactive");
        stage.acks(BOB);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> INVITE 1 {v2 10.77.3.11:4010 8 101 inactive}
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:10000 8 101 inactive}
        6000   alice -> 200 1 INVITE {v2 10.77.3.1:4000 8 101 inactive}
        6000   alice <- ACK 1
        6000   - media r3 0=10.77.3.1:4000 Inactive, 1=10.77.3.11:4010 Inactive (0>1 1>0)
        6000   - commit
        6000   bob <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10002 8 101 inactive}
        6000   bob -> ACK 1
        6000   - commit lazily
    "#]],
    );
}

#[test]
fn bob_changes_the_codec() {
    let story = |stage: &mut Stage| {
        stage.talk();
        let body = "v=0\r\no=- 1 9 IN IP4 10.77.3.11\r\ns=-\r\nc=IN IP4 10.77.3.11\r\nt=0 0\r\nm=audio 4010 RTP/AVP 9 101\r\n\
                    a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
        stage.requests_with(BOB, Method::Invite, |invite| {
            invite.set_body("application/sdp", body)
        });
        let answer = body
            .replace("10.77.3.11", "10.77.3.1")
            .replace("4010", "4000");
        stage.says_with(ALICE, &Method::Invite, 200, |response| {
            response.set_body("application/sdp", answer)
        });
        stage.acks(BOB);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> INVITE 1 {v9 10.77.3.11:4010 9 101 sendrecv}
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:10000 9 101 sendrecv}
        6000   alice -> 200 1 INVITE {v9 10.77.3.1:4000 9 101 sendrecv}
        6000   alice <- ACK 1
        6000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        6000   - commit
        6000   bob <- 200 1 INVITE [Session-Expires: 1800;refresher=uas] {v2 10.77.2.1:10002 9 101 sendrecv}
        6000   bob -> ACK 1
        6000   - commit lazily
    "#]],
    );
}

#[test]
fn a_reinvite_without_an_offer_asks_the_other_side_for_one() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(ALICE, Method::Invite);
        stage.agrees(BOB, &Method::Invite, "sendrecv");
        let body = stage.phones[ALICE].sdp("sendrecv");
        let mut ack = stage.phones[ALICE].ack(2);
        ack.set_body("application/sdp", body);
        stage.send(ALICE, ack);
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
        6000   alice -> ACK 2 {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   bob <- ACK 2 {v1 10.77.2.1:10002 8 101 sendrecv}
        6000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        6000   - commit lazily
    "#]],
    );
}

#[test]
fn bob_holds_by_update() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(BOB, Method::Update, "sendonly");
        stage.agrees(ALICE, &Method::Update, "recvonly");
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> UPDATE 1 {v2 10.77.3.11:4010 8 101 sendonly}
        6000   - commit
        6000   alice <- UPDATE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:10000 8 101 sendonly}
        6000   alice -> 200 1 UPDATE {v2 10.77.3.1:4000 8 101 recvonly}
        6000   - media r3 0=10.77.3.1:4000 SendOnly, 1=10.77.3.11:4010 RecvOnly (0>1 1>0)
        6000   - commit
        6000   bob <- 200 1 UPDATE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10002 8 101 recvonly}
    "#]],
    );
}

#[test]
fn an_update_reaches_a_phone_that_knows_none_as_a_reinvite() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        let body = stage.phones[BOB].sdp("sendrecv");
        stage.says_with(BOB, &Method::Invite, 200, |response| {
            response.headers.set(Name::Allow, "INVITE, ACK, BYE");
            response.set_body("application/sdp", body);
        });
        stage.acks(ALICE);
        stage.changes(ALICE, Method::Update, "sendonly");
        stage.agrees(BOB, &Method::Invite, "recvonly");
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
        0      alice -> ACK 1
        0      - commit lazily
        0      alice -> UPDATE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        0      - commit
        0      bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        0      bob -> 200 2 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
        0      bob <- ACK 2
        0      - media r3 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        0      - commit
        0      alice <- 200 2 UPDATE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
    "#]],
    );
}

#[test]
fn a_reinvite_that_says_nothing_new_is_answered_here() {
    let story = |stage: &mut Stage| {
        stage.talk();
        let same = stage.phones[ALICE].sdp("sendrecv");
        stage.requests_with(ALICE, Method::Invite, |invite| {
            invite.headers.push(Name::Supported, "timer");
            invite
                .headers
                .push(Name::SessionExpires, "1800;refresher=uac");
            invite.set_body("application/sdp", same);
        });
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 [Session-Expires: 1800;refresher=uac] {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   - commit
        6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        6000   alice -> ACK 2
        6000   - commit lazily
    "#]],
    );
}

#[test]
fn an_update_without_a_body_refreshes_the_target() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests_with(BOB, Method::Update, |update| {
            update
                .headers
                .set(Name::Contact, "<sip:bob@10.77.3.99:5062>");
        });
        stage.requests(ALICE, Method::Bye);
        let bye = stage.last_request(BOB, &Method::Bye);
        assert_eq!(bye.uri().unwrap().as_str(), "sip:bob@10.77.3.99:5062");
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> UPDATE 1
        6000   - commit
        6000   bob <- 200 1 UPDATE [Session-Expires: 1800;refresher=uas]
        6000   alice -> BYE 2
        6000   alice <- 200 2 BYE
        6000   bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/16, talked 5000 ms, packets 250 and 240
    "#]],
    );
}

#[test]
fn bob_refuses_and_everything_stays_as_it_was() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.says(BOB, &Method::Invite, 488);
        stage.wait(1_000);
        stage.changes(ALICE, Method::Invite, "sendrecv");
        stage.agrees(BOB, &Method::Invite, "sendrecv");
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> 488 2 INVITE
        6000   alice <- 488 2 INVITE
        7000   alice -> INVITE 3 {v3 10.77.3.1:4000 8 101 sendrecv}
        7000   - commit
        7000   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:10002 8 101 sendrecv}
        7000   bob -> 200 3 INVITE {v2 10.77.3.11:4010 8 101 sendrecv}
        7000   bob <- ACK 3
        7000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        7000   - commit
        7000   alice <- 200 3 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        7000   alice -> ACK 3
        7000   - commit lazily
    "#]],
    );
}

#[test]
fn both_press_hold_at_the_same_moment() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        // Bob's own re-INVITE crosses ours: each side refuses the other's.
        stage.changes(BOB, Method::Invite, "sendonly");
        stage.says(BOB, &Method::Invite, 491);
        stage.wait(4_500);
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        stage.changes(BOB, Method::Invite, "inactive");
        stage.agrees(ALICE, &Method::Invite, "inactive");
        stage.acks(BOB);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> INVITE 1 {v2 10.77.3.11:4010 8 101 sendonly}
        6000   bob <- 491 1 INVITE
        6000   bob -> 491 2 INVITE
        9840   - commit
        9840   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:10002 8 101 sendonly}
        10500  bob -> 200 3 INVITE {v3 10.77.3.11:4010 8 101 recvonly}
        10500  bob <- ACK 3
        10500  - media r3 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        10500  - commit
        10500  alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
        10500  alice -> ACK 2
        10500  - commit lazily
        10500  bob -> INVITE 2 {v4 10.77.3.11:4010 8 101 inactive}
        10500  - commit
        10500  alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v3 10.77.2.1:10000 8 101 inactive}
        10500  alice -> 200 1 INVITE {v3 10.77.3.1:4000 8 101 inactive}
        10500  alice <- ACK 1
        10500  - media r4 0=10.77.3.1:4000 Inactive, 1=10.77.3.11:4010 Inactive (0>1 1>0)
        10500  - commit
        10500  bob <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v4 10.77.2.1:10002 8 101 inactive}
        10500  bob -> ACK 2
        10500  - commit lazily
    "#]],
    );
}

#[test]
fn towards_the_side_whose_call_id_it_is_we_wait_less() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(BOB, Method::Invite, "sendonly");
        stage.says(ALICE, &Method::Invite, 491);
        stage.wait(2_000);
        stage.agrees(ALICE, &Method::Invite, "recvonly");
        stage.acks(BOB);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   bob -> INVITE 1 {v2 10.77.3.11:4010 8 101 sendonly}
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:10000 8 101 sendonly}
        6000   alice -> 491 1 INVITE
        6750   - commit
        6750   alice <- INVITE 2 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v3 10.77.2.1:10000 8 101 sendonly}
        8000   alice -> 200 2 INVITE {v2 10.77.3.1:4000 8 101 recvonly}
        8000   alice <- ACK 2
        8000   - media r3 0=10.77.3.1:4000 SendOnly, 1=10.77.3.11:4010 RecvOnly (0>1 1>0)
        8000   - commit
        8000   bob <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10002 8 101 recvonly}
        8000   bob -> ACK 1
        8000   - commit lazily
    "#]],
    );
}

#[test]
fn a_phone_that_always_collides_is_left_alone() {
    let mut stage = Stage::new(carillon_call::Policy::default(), true);
    stage.talk();
    stage.changes(ALICE, Method::Invite, "sendonly");
    for _ in 0..5 {
        stage.says(BOB, &Method::Invite, 491);
        stage.wait(4_000);
    }
    assert_eq!(stage.last_response(ALICE).status(), Some(491));
    assert!(!stage.ended);
}

#[test]
fn a_second_reinvite_before_the_first_is_answered_has_to_wait() {
    let mut stage = Stage::new(carillon_call::Policy::default(), true);
    stage.talk();
    stage.changes(ALICE, Method::Invite, "sendonly");
    stage.changes(ALICE, Method::Invite, "inactive");
    let refusal = stage.last_response(ALICE);
    assert_eq!(refusal.status(), Some(500));
    assert!(refusal.retry_after().unwrap() <= 10);
}

#[test]
fn bobs_phone_has_forgotten_the_call() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.says(BOB, &Method::Invite, 481);
        stage.says(ALICE, &Method::Bye, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> 481 2 INVITE
        6000   alice <- 487 2 INVITE
        6000   alice <- BYE 1 [Reason: Q.850;cause=41;text="The other side has gone"]
        6000   - media released
        6000   - record 101 -> 102: Answered 200/41, talked 5000 ms, packets 250 and 240
        6000   alice -> 200 1 BYE
        6000   - ended
    "#]],
    );
}

#[test]
fn bobs_phone_does_not_answer_the_reinvite() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Update, "sendonly");
        stage.fail(BOB, &Method::Update, Failure::Timeout);
        stage.says(ALICE, &Method::Bye, 200);
        stage.says(BOB, &Method::Bye, 481);
    };
    check(
        story,
        &expect![[r#"
            6000   alice and bob talk
            6000   alice -> UPDATE 2 {v2 10.77.3.1:4000 8 101 sendonly}
            6000   - commit
            6000   bob <- UPDATE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
            6000   bob is not reached by UPDATE: Timeout
            6000   alice <- 487 2 UPDATE
            6000   alice <- BYE 1 [Reason: Q.850;cause=102;text="The other side has gone"]
            6000   bob <- BYE 3 [Reason: Q.850;cause=102;text="The other side has gone"]
            6000   - media released
            6000   - record 101 -> 102: Answered 200/102, talked 5000 ms, packets 250 and 240
            6000   alice -> 200 1 BYE
            6000   bob -> 481 3 BYE
            6000   - ended
        "#]],
    );
}

#[test]
fn a_change_before_the_answer_is_not_possible() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.changes(ALICE, Method::Update, "sendonly");
        stage.changes(BOB, Method::Update, "sendonly");
        stage.requests(BOB, Method::Update);
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
            0      alice -> UPDATE 2 {v2 10.77.3.1:4000 8 101 sendonly}
            0      alice <- 500 2 UPDATE [Retry-After: 7]
            0      bob -> UPDATE 1 {v2 10.77.3.11:4010 8 101 sendonly}
            0      bob <- 488 1 UPDATE
            0      bob -> UPDATE 2
            0      bob <- 200 2 UPDATE [Accept: application/sdp]
        "#]],
    );
}

#[test]
fn a_phone_that_answers_with_fewer_sections_than_offered_is_understood() {
    let mut stage = Stage::new(carillon_call::Policy::default(), true);
    let mut offer = stage.phones[ALICE].sdp("sendrecv").to_vec();
    offer.extend_from_slice(b"m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    let invite = stage.phones[ALICE].invite(Some(offer.into()));
    stage.send(ALICE, invite);
    stage.picks_up(BOB);
    assert!(
        stage
            .ladder
            .contains("10.77.2.1:10000 8 101 sendrecv | video refused"),
        "{}",
        stage.ladder
    );
}
