use carillon_call::Policy;
use carillon_sip::transaction::Failure;
use carillon_sip::{Message, Method, Name};
use expect_test::expect;

use crate::stage::{ALICE, BOB, Stage, sdp};
use crate::{check, check_with};

const HALF_AN_HOUR_MS: u64 = 1_800_000;

/// Bob's 200 says who refreshes his side, and what his phone can do.
fn bob_answers(stage: &mut Stage, session_expires: Option<&'static str>, allow: &'static str) {
    let body = stage.phones[BOB].sdp("sendrecv");
    stage.says_with(BOB, &Method::Invite, 200, |response| {
        if let Some(value) = session_expires {
            response.headers.push(Name::SessionExpires, value);
        }
        response.headers.set(Name::Allow, allow);
        response.set_body("application/sdp", body);
    });
    stage.acks(ALICE);
}

fn alice_refreshes(stage: &mut Stage) {
    stage.requests_with(ALICE, Method::Update, |update| {
        update.headers.push(Name::Supported, "timer");
        update
            .headers
            .push(Name::SessionExpires, "1800;refresher=uac");
    });
}

#[test]
fn alice_refreshes_her_side_and_we_refresh_bobs() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        bob_answers(stage, None, "INVITE, UPDATE");
        for _ in 0..2 {
            stage.wait(HALF_AN_HOUR_MS / 2 - 1_000);
            alice_refreshes(stage);
            stage.wait(1_000);
            stage.says(BOB, &Method::Update, 200);
        }
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
        899000 alice -> UPDATE 2 [Session-Expires: 1800;refresher=uac]
        899000 - commit
        899000 alice <- 200 2 UPDATE [Require: timer] [Session-Expires: 1800;refresher=uac]
        900000 bob <- UPDATE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        900000 bob -> 200 2 UPDATE
        900000 - commit lazily
        1799000 alice -> UPDATE 3 [Session-Expires: 1800;refresher=uac]
        1799000 - commit
        1799000 alice <- 200 3 UPDATE [Require: timer] [Session-Expires: 1800;refresher=uac]
        1800000 bob <- UPDATE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        1800000 bob -> 200 3 UPDATE
        1800000 - commit lazily
    "#]],
    );
}

#[test]
fn the_caller_vanishes() {
    let policy = Policy {
        session_interval_s: 120,
        ..Policy::default()
    };
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        bob_answers(stage, Some("120;refresher=uac"), "INVITE, UPDATE");
        stage.wait(60_000);
        stage.says(BOB, &Method::Update, 200);
        stage.wait(60_000);
        stage.fail(ALICE, &Method::Bye, Failure::Timeout);
        stage.says(BOB, &Method::Bye, 200);
    };
    check_with(
        &policy,
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 120] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 200 1 INVITE [Session-Expires: 120;refresher=uac] {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 120;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      alice -> ACK 1
        0      - commit lazily
        60000  bob <- UPDATE 2 [Session-Expires: 120;refresher=uac] [Min-SE: 90]
        60000  bob -> 200 2 UPDATE
        60000  - commit lazily
        88000  alice <- BYE 1 [Reason: Q.850;cause=102;text="Session timer expired"]
        88000  bob <- BYE 3 [Reason: Q.850;cause=102;text="Session timer expired"]
        88000  - media released
        88000  - record 101 -> 102: Answered 200/102, talked 88000 ms, packets 250 and 240
        120000 alice is not reached by BYE: Timeout
        120000 bob -> 200 3 BYE
        120000 - ended
    "#]],
    );
}

#[test]
fn bobs_phone_vanishes() {
    let policy = Policy {
        session_interval_s: 120,
        ..Policy::default()
    };
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        bob_answers(stage, None, "INVITE");
        stage.wait(60_000);
        stage.wait(27_000);
        stage.fail(BOB, &Method::Invite, Failure::Timeout);
        stage.says(ALICE, &Method::Bye, 200);
        stage.fail(BOB, &Method::Bye, Failure::Timeout);
    };
    check_with(
        &policy,
        story,
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 120] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 120;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
            60000  bob <- INVITE 2 [Session-Expires: 120;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            87000  bob is not reached by INVITE: Timeout
            87000  alice <- BYE 1 [Reason: Q.850;cause=102;text="Session timer expired"]
            87000  bob <- BYE 3 [Reason: Q.850;cause=102;text="Session timer expired"]
            87000  - media released
            87000  - record 101 -> 102: Answered 200/102, talked 87000 ms, packets 250 and 240
            87000  alice -> 200 1 BYE
            87000  bob is not reached by BYE: Timeout
            87000  - ended
        "#]],
    );
}

#[test]
fn a_refresh_by_reinvite_says_the_same_and_only_moved_media_is_news() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        bob_answers(stage, None, "INVITE");
        let bob_agrees = |stage: &mut Stage, body| {
            stage.says_with(BOB, &Method::Invite, 200, |response| {
                response.headers.set(Name::Allow, "INVITE");
                response.set_body("application/sdp", body);
            });
        };
        stage.wait(HALF_AN_HOUR_MS / 2);
        let same = stage.phones[BOB].sdp("sendrecv");
        bob_agrees(stage, same);
        alice_refreshes(stage);
        stage.wait(HALF_AN_HOUR_MS / 2);
        let moved = sdp("10.77.3.11:4444".parse().unwrap(), 2, "sendrecv");
        bob_agrees(stage, moved);
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
            900000 bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            900000 bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            900000 bob <- ACK 2
            900000 - commit lazily
            900000 alice -> UPDATE 2 [Session-Expires: 1800;refresher=uac]
            900000 - commit
            900000 alice <- 200 2 UPDATE [Require: timer] [Session-Expires: 1800;refresher=uac]
            1800000 bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            1800000 bob -> 200 3 INVITE {v2 10.77.3.11:4444 8 101 sendrecv}
            1800000 bob <- ACK 3
            1800000 - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4444 SendRecv (0>1 1>0) watched 30000
            1800000 - commit lazily
        "#]],
    );
}

#[test]
fn a_refresh_that_collides_or_is_refused_comes_again() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        bob_answers(stage, None, "INVITE, UPDATE");
        stage.wait(HALF_AN_HOUR_MS / 2);
        stage.says(BOB, &Method::Update, 491);
        stage.wait(4_000);
        stage.says_with(BOB, &Method::Update, 500, |response| {
            response.headers.push(Name::RetryAfter, "2 (later)")
        });
        stage.wait(2_000);
        stage.says_with(BOB, &Method::Update, 422, |response| {
            response.headers.push(Name::MinSe, "2000")
        });
        stage.wait(0);
        stage.says(BOB, &Method::Update, 501);
        stage.wait(0);
        stage.picks_up(BOB);
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
        900000 bob <- UPDATE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        900000 bob -> 491 2 UPDATE
        903840 bob <- UPDATE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        904000 bob -> 500 3 UPDATE [Retry-After: 2 (later)]
        906000 bob <- UPDATE 4 [Session-Expires: 1800;refresher=uac] [Min-SE: 90]
        906000 bob -> 422 4 UPDATE [Min-SE: 2000]
        906000 bob <- UPDATE 5 [Session-Expires: 2000;refresher=uac] [Min-SE: 2000]
        906000 bob -> 501 5 UPDATE
        906000 bob <- INVITE 6 [Session-Expires: 2000;refresher=uac] [Min-SE: 2000] {v1 10.77.2.1:10002 8 101 sendrecv}
        906000 bob -> 200 6 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        906000 bob <- ACK 6
        906000 - commit lazily
    "#]],
    );
}

#[test]
fn a_refresh_waits_for_a_hold_that_is_under_way() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    bob_answers(&mut stage, None, "INVITE, UPDATE");
    stage.wait(HALF_AN_HOUR_MS / 2 - 1_000);
    alice_refreshes(&mut stage);
    stage.changes(ALICE, Method::Invite, "sendonly");
    stage.wait(2_000);
    assert!(
        stage.phones[BOB]
            .requests
            .iter()
            .all(|(_, _, request)| request.method() != Some(&Method::Update))
    );
    stage.agrees(BOB, &Method::Invite, "recvonly");
    stage.acks(ALICE);
    stage.wait(60_000);
    let updates = stage.phones[BOB]
        .requests
        .iter()
        .filter(|(_, _, m)| m.method() == Some(&Method::Update));
    assert_eq!(updates.count(), 0, "the hold has refreshed the session");
}

#[test]
fn who_refreshes_is_agreed_on_each_side_for_itself() {
    let alice_asks = |supported: bool, value: Option<&'static str>| {
        let mut stage = Stage::new(Policy::default(), true);
        let offer = stage.phones[ALICE].sdp("sendrecv");
        let mut invite = stage.phones[ALICE].invite(Some(offer));
        if !supported {
            invite.headers.remove(Name::Supported);
        }
        if let Some(value) = value {
            invite.headers.push(Name::SessionExpires, value);
        }
        stage.send(ALICE, invite);
        stage.picks_up(BOB);
        let answer: &Message = stage.last_response(ALICE);
        let header = |name| answer.headers.text(name).unwrap_or("-").to_owned();
        format!(
            "{} / {}",
            header(Name::SessionExpires),
            header(Name::Require)
        )
    };
    let cases = [
        (true, None),
        (true, Some("600")),
        (true, Some("600;refresher=uas")),
        (true, Some("600;refresher=uac")),
        (true, Some("7200")),
        (false, None),
        (false, Some("600")),
        (false, Some("60")),
    ];
    let answers: Vec<String> = cases
        .iter()
        .map(|(supported, value)| alice_asks(*supported, *value))
        .collect();
    expect![[r#"
        [
            "1800;refresher=uac / timer",
            "600;refresher=uac / timer",
            "600;refresher=uas / -",
            "600;refresher=uac / timer",
            "1800;refresher=uac / timer",
            "1800;refresher=uas / -",
            "600;refresher=uas / -",
            "90;refresher=uas / -",
        ]
    "#]]
    .assert_debug_eq(&answers);
}
