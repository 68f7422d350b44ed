use carillon_call::{MAX_FORKS, Policy};
use carillon_sip::transaction::Failure;
use carillon_sip::{Message, Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, BOB2, BOB3, Stage};

/// Bob's first two contacts are two ways to the same phone.
fn one_phone_with_two_flows(stage: &mut Stage) {
    stage.bob_has_phones(3);
    for (at, target) in stage.targets().iter_mut().take(2).enumerate() {
        target.instance = Some("<urn:uuid:1>".into());
        target.reg_id = Some(at as u32 + 1);
    }
}

#[test]
fn the_first_phone_to_answer_wins_and_the_others_stop_ringing() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(3);
        stage.alice_calls();
        stage.rings(BOB);
        stage.rings(BOB2);
        stage.picks_up(BOB2);
        stage.acks(ALICE);
        stage.says(BOB, &Method::Cancel, 200);
        stage.says(BOB, &Method::Invite, 487);
        stage.says(BOB3, &Method::Invite, 180);
        stage.says(BOB3, &Method::Cancel, 200);
        stage.says(BOB3, &Method::Invite, 487);
        stage.wait(1_000);
        stage.requests(ALICE, Method::Bye);
        stage.says(BOB2, &Method::Bye, 200);
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
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      bob2 -> 180 1 INVITE
            0      - commit lazily
            0      bob2 -> 200 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      bob2 <- ACK 1
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.12:4020 SendRecv (0>1 1>0) watched 30000
            0      bob <- CANCEL 1 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
            0      bob -> 200 1 CANCEL
            0      bob -> 487 1 INVITE
            0      bob3 -> 180 1 INVITE
            0      bob3 <- CANCEL 1 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      bob3 -> 200 1 CANCEL
            0      bob3 -> 487 1 INVITE
            1000   alice -> BYE 2
            1000   alice <- 200 2 BYE
            1000   bob2 <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
            1000   - media released
            1000   - record 101 -> 102: Answered 200/16, talked 1000 ms, packets 250 and 240
            1000   bob2 -> 200 2 BYE
            1000   - ended
        "#]],
    );
}

#[test]
fn two_phones_answer_at_once() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(2);
        stage.alice_calls();
        stage.rings(BOB);
        stage.rings(BOB2);
        stage.picks_up(BOB);
        stage.picks_up(BOB2);
        stage.acks(ALICE);
        stage.picks_up(BOB2);
        stage.says(BOB2, &Method::Bye, 200);
        stage.requests(BOB, Method::Bye);
        stage.says(ALICE, &Method::Bye, 200);
        stage.says(BOB2, &Method::Cancel, 481);
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
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      bob2 <- CANCEL 1 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob2 -> 200 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      bob2 <- ACK 1
            0      bob2 <- BYE 2 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      alice -> ACK 1
            0      - commit lazily
            0      bob2 -> 200 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      bob2 <- ACK 1
            0      bob2 -> 200 2 BYE
            0      bob -> BYE 1
            0      bob <- 200 1 BYE
            0      alice <- BYE 1 [Reason: Q.850;cause=16;text="Normal call clearing"]
            0      - media released
            0      - record 101 -> 102: Answered 200/16, talked 0 ms, packets 250 and 240
            0      alice -> 200 1 BYE
            0      - ended
            0      bob2 -> 481 1 CANCEL
        "#]],
    );
}

#[test]
fn a_proxy_behind_a_contact_forks_and_both_answer() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        let tagged = |tag: &'static str| {
            move |response: &mut Message| {
                response
                    .headers
                    .set(Name::To, format!("<sip:102@10.77.1.1:5060>;tag={tag}"));
            }
        };
        stage.says_with(BOB, &Method::Invite, 180, tagged("kitchen"));
        stage.picks_up(BOB);
        stage.acks(ALICE);
        let body = stage.phones[BOB].sdp("sendrecv");
        stage.says_with(BOB, &Method::Invite, 200, |response| {
            tagged("kitchen")(response);
            response.set_body("application/sdp", body);
        });
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
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      bob <- BYE 2 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      bob -> 200 2 BYE
        "#]],
    );
}

#[test]
fn the_second_flow_of_a_phone_is_tried_when_the_first_is_broken() {
    let story = |stage: &mut Stage| {
        one_phone_with_two_flows(stage);
        stage.alice_calls();
        stage.rings(BOB3);
        stage.fail(BOB, &Method::Invite, Failure::Transport);
        stage.rings(BOB2);
        stage.picks_up(BOB2);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob3 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob3 -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE
            0      bob is not reached by INVITE: Transport
            0      - commit
            0      bob2 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob2 -> 180 1 INVITE
            0      - commit lazily
            0      bob2 -> 200 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      bob2 <- ACK 1
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.12:4020 SendRecv (0>1 1>0) watched 30000
            0      bob3 <- CANCEL 1 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        "#]],
    );
}

#[test]
fn the_second_flow_of_a_phone_is_tried_after_two_seconds_of_silence() {
    let story = |stage: &mut Stage| {
        one_phone_with_two_flows(stage);
        stage.alice_calls();
        stage.wait(2_500);
        stage.rings(BOB2);
        stage.fail(BOB, &Method::Invite, Failure::Timeout);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob3 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            2000   - commit
            2000   bob2 <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            2500   bob2 -> 180 1 INVITE
            2500   - commit lazily
            2500   alice <- 180 1 INVITE
            2500   bob is not reached by INVITE: Timeout
        "#]],
    );
}

#[test]
fn a_busy_phone_is_not_asked_again_by_its_second_flow() {
    let story = |stage: &mut Stage| {
        one_phone_with_two_flows(stage);
        stage.targets().truncate(2);
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
fn a_phone_that_wants_a_slower_session_timer_gets_it() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.says_with(BOB, &Method::Invite, 422, |response| {
            response.headers.push(Name::MinSe, "3600")
        });
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
            0      bob -> 422 1 INVITE [Min-SE: 3600]
            0      - commit
            0      bob <- INVITE 2 [Session-Expires: 3600] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 2
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
        "#]],
    );
}

#[test]
fn a_phone_that_is_never_content_with_the_session_timer_is_given_up() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    for min_se in ["2000", "3000", "4000"] {
        stage.says_with(BOB, &Method::Invite, 422, |response| {
            response.headers.push(Name::MinSe, min_se)
        });
    }
    assert_eq!(stage.phones[BOB].requests.len(), 3);
    assert_eq!(stage.last_response(ALICE).status(), Some(500));
    assert!(stage.ended);
}

#[test]
fn more_contacts_than_the_limit_are_not_rung() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.bob_has_phones(40);
    stage.alice_calls();
    let rung = stage.phones[1..]
        .iter()
        .filter(|phone| !phone.requests.is_empty())
        .count();
    assert_eq!(rung, MAX_FORKS);
}

#[test]
fn a_contact_behind_a_proxy_is_reached_by_its_path() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.targets()[0].path = vec!["<sip:edge.example;lr>".into()];
    stage.alice_calls();
    let invite = stage.last_request(BOB, &Method::Invite);
    assert_eq!(
        invite.headers.text(Name::Route),
        Some("<sip:edge.example;lr>")
    );
    assert_eq!(invite.uri().unwrap().as_str(), "sip:bob@10.77.3.11:5060");
    let branch = invite.via().unwrap().to_string();
    stage.rings(BOB);
    stage.hang_up();
    let cancel = stage.last_request(BOB, &Method::Cancel);
    assert_eq!(
        cancel.headers.text(Name::Route),
        Some("<sip:edge.example;lr>")
    );
    assert_eq!(cancel.via().unwrap().to_string(), branch);
}

#[test]
fn a_contact_that_is_no_uri_does_not_stop_the_others() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.bob_has_phones(2);
    stage.targets()[0].uri = "no uri".into();
    stage.alice_calls();
    assert!(stage.phones[BOB].requests.is_empty());
    stage.picks_up(BOB2);
    assert_eq!(stage.last_response(ALICE).status(), Some(200));
}
