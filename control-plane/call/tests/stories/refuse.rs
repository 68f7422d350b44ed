use bytes::Bytes;
use carillon_call::Refusal;
use carillon_model::Party;
use carillon_sip::transaction::Failure;
use carillon_sip::{Message, Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, BOB2, BOB3, MediaServer, Stage};

/// Alice calls with an INVITE that is changed a little.
fn alice_calls_with(edit: impl Fn(&mut Message)) -> impl Fn(&mut Stage) {
    move |stage: &mut Stage| {
        let offer = stage.phones[ALICE].sdp("sendrecv");
        let mut invite = stage.phones[ALICE].invite(Some(offer));
        edit(&mut invite);
        stage.send(ALICE, invite);
    }
}

#[test]
fn bob_is_busy() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.says(BOB, &Method::Invite, 486);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 486 1 INVITE
        0      alice <- 486 1 INVITE
        0      - media released
        0      - record 101 -> 102: Busy 486/17, talked 0 ms, packets 250 and 240
        0      - ended
    "#]],
    );
}

#[test]
fn bob_declines_and_his_other_phones_stop_ringing() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(2);
        stage.alice_calls();
        stage.rings(BOB);
        stage.rings(BOB2);
        stage.says(BOB2, &Method::Invite, 603);
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
            0      bob2 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      bob2 -> 180 1 INVITE
            0      - commit lazily
            0      bob2 -> 603 1 INVITE
            0      alice <- 603 1 INVITE
            0      bob <- CANCEL 1
            0      - media released
            0      - record 101 -> 102: Busy 603/21, talked 0 ms, packets 250 and 240
            0      bob -> 200 1 CANCEL
            0      bob -> 487 1 INVITE
            0      - ended
        "#]],
    );
}

#[test]
fn nobody_answers() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.wait(31_000);
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
            30000  alice <- 480 1 INVITE [Reason: Q.850;cause=19;text="No answer"]
            30000  bob <- CANCEL 1
            30000  - media released
            30000  - record 101 -> 102: NoAnswer 480/19, talked 0 ms, packets 250 and 240
            31000  bob -> 200 1 CANCEL
            31000  bob -> 487 1 INVITE
            31000  - ended
        "#]],
    );
}

#[test]
fn of_several_refusals_the_most_telling_is_passed_on() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(3);
        stage.alice_calls();
        stage.says(BOB, &Method::Invite, 404);
        stage.says(BOB2, &Method::Invite, 486);
        stage.says(BOB3, &Method::Invite, 503);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob2 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob3 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 404 1 INVITE
        0      bob2 -> 486 1 INVITE
        0      bob3 -> 503 1 INVITE
        0      alice <- 486 1 INVITE
        0      - media released
        0      - record 101 -> 102: Busy 486/17, talked 0 ms, packets 250 and 240
        0      - ended
    "#]],
    );
}

#[test]
fn no_phone_of_bob_can_be_reached() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(2);
        stage.alice_calls();
        stage.fail(BOB, &Method::Invite, Failure::Transport);
        stage.wait(28_000);
        stage.fail(BOB2, &Method::Invite, Failure::Timeout);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob2 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob is not reached by INVITE: Transport
        28000  bob2 is not reached by INVITE: Timeout
        28000  alice <- 480 1 INVITE
        28000  - media released
        28000  - record 101 -> 102: Failed 480/18, talked 0 ms, packets 250 and 240
        28000  - ended
    "#]],
    );
}

#[test]
fn a_redirection_is_not_followed() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.says_with(BOB, &Method::Invite, 302, |response| {
            response
                .headers
                .push(Name::Contact, "<sip:elsewhere@example.net>");
        });
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 302 1 INVITE
        0      alice <- 480 1 INVITE
        0      - media released
        0      - record 101 -> 102: Failed 480/18, talked 0 ms, packets 250 and 240
        0      - ended
    "#]],
    );
}

#[test]
fn the_number_is_unknown() {
    let story = |stage: &mut Stage| {
        let refusal = Refusal {
            code: 404,
            reason: String::new(),
            retry_after_s: None,
            callee: Party::default(),
        };
        stage.route = Some(Err(refusal));
        stage.alice_calls();
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      alice <- 404 1 INVITE
        0      - record 101 -> 102: Failed 404/1, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn bobs_line_has_no_contact() {
    let story = |stage: &mut Stage| {
        stage.targets().clear();
        stage.alice_calls();
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      alice <- 480 1 INVITE
        0      - record 101 -> 102: Failed 480/18, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_busy_switch_says_when_to_come_again() {
    let story = |stage: &mut Stage| {
        let refusal = Refusal {
            code: 503,
            reason: String::new(),
            retry_after_s: Some(9),
            callee: Party::default(),
        };
        stage.route = Some(Err(refusal));
        stage.alice_calls();
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      alice <- 503 1 INVITE [Retry-After: 9]
        0      - record 101 -> 102: Failed 503/41, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_switch_that_says_nothing_costs_five_seconds() {
    let story = |stage: &mut Stage| {
        stage.route = None;
        stage.alice_calls();
        stage.wait(6_000);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        5000   alice <- 500 1 INVITE
        5000   - record 101 -> 102: Failed 500/41, talked 0 ms, packets 0 and 0
        5000   - ended
    "#]],
    );
}

#[test]
fn no_media_server_takes_the_call() {
    for server in [MediaServer::Full, MediaServer::Gone] {
        let story = move |stage: &mut Stage| {
            stage.media_server = server;
            stage.alice_calls();
            stage.wait(3_000);
        };
        let mut stage = Stage::new(carillon_call::Policy::default(), true);
        story(&mut stage);
        assert!(
            stage.ladder.contains("503 1 INVITE [Retry-After: 5]"),
            "{}",
            stage.ladder
        );
        assert!(stage.ended && stage.phones[BOB].requests.is_empty());
    }
}

#[test]
fn a_media_server_that_says_nothing_costs_three_seconds() {
    let story = |stage: &mut Stage| {
        stage.media_server = MediaServer::Silent;
        stage.alice_calls();
        stage.wait(6_000);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
        3000   alice <- 503 1 INVITE [Retry-After: 5]
        3000   - media released
        5000   - record 101 -> 102: Failed 503/41, talked 0 ms, packets 0 and 0
        5000   - ended
    "#]],
    );
}

#[test]
fn an_invite_that_has_come_too_far_goes_no_further() {
    check(
        alice_calls_with(|invite| invite.headers.set(Name::MaxForwards, "0")),
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      alice <- 483 1 INVITE
        0      - record 101 -> 102: Failed 483/25, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn each_call_has_a_hop_less_than_the_one_before() {
    let mut stage = Stage::new(carillon_call::Policy::default(), true);
    alice_calls_with(|invite| invite.headers.set(Name::MaxForwards, "12"))(&mut stage);
    assert_eq!(
        stage.last_request(BOB, &Method::Invite).max_forwards(),
        Some(11)
    );
}

#[test]
fn an_extension_that_we_do_not_have_is_named() {
    check(
        alice_calls_with(|invite| {
            invite
                .headers
                .push(Name::Require, "timer, precondition, x-sauce")
        }),
        &expect![[r#"
        0      alice -> INVITE 1 [Require: timer, precondition, x-sauce] {v1 10.77.3.1:4000 8 101 sendrecv}
        0      alice <- 420 1 INVITE [Unsupported: precondition, x-sauce]
        0      - record 101 -> 102: Failed 420/127, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_session_description_that_cannot_be_read() {
    check(
        alice_calls_with(|invite| invite.body = Bytes::from_static(b"hello")),
        &expect![[r#"
        0      alice -> INVITE 1 {hello}
        0      alice <- 400 1 INVITE [Warning: 399 carillon "Bad session description"]
        0      - record 101 -> 102: Failed 400/41, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_session_without_audio_that_we_can_relay() {
    let video = "v=0\r\no=- 1 1 IN IP4 10.77.3.1\r\ns=-\r\nc=IN IP4 10.77.3.1\r\nt=0 0\r\nm=video 5000 RTP/AVP 96\r\n\
                 m=audio 4000 RTP/SAVP 8\r\n";
    check(
        alice_calls_with(|invite| invite.body = Bytes::from_static(video.as_bytes())),
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:5000 96 sendrecv | 10.77.3.1:4000 8 sendrecv}
        0      alice <- 488 1 INVITE [Warning: 304 carillon "No RTP/AVP audio"]
        0      - record 101 -> 102: Failed 488/65, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_body_of_another_kind() {
    check(
        alice_calls_with(|invite| invite.set_body("text/plain", "hello")),
        &expect![[r#"
        0      alice -> INVITE 1 (hello)
        0      alice <- 415 1 INVITE [Accept: application/sdp]
        0      - record 101 -> 102: Failed 415/127, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn a_session_timer_that_runs_too_fast() {
    check(
        alice_calls_with(|invite| invite.headers.push(Name::SessionExpires, "30")),
        &expect![[r#"
        0      alice -> INVITE 1 [Session-Expires: 30] {v1 10.77.3.1:4000 8 101 sendrecv}
        0      alice <- 422 1 INVITE [Min-SE: 90]
        0      - record 101 -> 102: Failed 422/41, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}

#[test]
fn an_invite_that_makes_no_dialog() {
    check(
        alice_calls_with(|invite| {
            invite.headers.remove(Name::Contact);
        }),
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      alice <- 400 1 INVITE
            0      - record 101 -> 102: Failed 400/41, talked 0 ms, packets 0 and 0
            0      - ended
        "#]],
    );
}
