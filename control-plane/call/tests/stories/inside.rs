use carillon_call::Policy;
use carillon_sip::{Message, Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

fn digit(digit: char) -> impl FnOnce(&mut Message) {
    move |info| {
        info.headers.push(Name::UserAgent, "Secret Phone 1.0");
        info.set_body("application/dtmf-relay", format!("Signal={digit}"));
    }
}

#[test]
fn digits_go_through_in_both_directions() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests_with(ALICE, Method::Info, digit('4'));
        stage.requests_with(ALICE, Method::Info, digit('2'));
        stage.says(BOB, &Method::Info, 200);
        stage.says(BOB, &Method::Info, 415);
        stage.requests_with(BOB, Method::Info, digit('#'));
        stage.says(ALICE, &Method::Info, 200);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INFO 2 (Signal=4)
        6000   bob <- INFO 2 (Signal=4)
        6000   alice -> INFO 3 (Signal=2)
        6000   bob <- INFO 3 (Signal=2)
        6000   bob -> 200 3 INFO
        6000   alice <- 200 3 INFO
        6000   bob -> 415 2 INFO
        6000   alice <- 415 2 INFO
        6000   bob -> INFO 1 (Signal=#)
        6000   alice <- INFO 1 (Signal=#)
        6000   alice -> 200 1 INFO
        6000   bob <- 200 1 INFO
    "#]],
    );
}

#[test]
fn an_info_shows_nothing_but_its_body() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.requests_with(ALICE, Method::Info, digit('4'));
    let info = stage.last_request(BOB, &Method::Info);
    assert_eq!(info.content_type(), Some("application/dtmf-relay"));
    assert!(!info.headers.contains(Name::UserAgent));
}

#[test]
fn more_infos_than_the_limit_have_to_wait() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    for _ in 0..carillon_call::MAX_RELAYED {
        stage.requests_with(ALICE, Method::Info, digit('1'));
    }
    assert_eq!(
        stage.last_response(ALICE).status(),
        Some(200),
        "the last one is still the call's"
    );
    stage.requests_with(ALICE, Method::Info, digit('1'));
    assert_eq!(stage.last_response(ALICE).status(), Some(500));
    stage.requests_with(ALICE, Method::Info, |info| {
        info.set_body("text/plain", vec![b'x'; 20_000])
    });
    assert_eq!(stage.last_response(ALICE).status(), Some(513));
    assert!(!stage.ended);
}

#[test]
fn other_requests_inside_the_dialog() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.requests(ALICE, Method::Options);
        stage.requests(ALICE, Method::Refer);
        stage.requests(BOB, Method::Subscribe);
        stage.requests(BOB, "PUZZLE".parse().unwrap());
        stage.requests_with(BOB, Method::Options, |options| {
            options.headers.push(Name::Require, "x-sauce")
        });
        stage.requests(BOB, Method::Prack);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> OPTIONS 2
        6000   alice <- 200 2 OPTIONS [Accept: application/sdp]
        6000   alice -> REFER 3
        6000   alice <- 405 3 REFER
        6000   bob -> SUBSCRIBE 1
        6000   bob <- 405 1 SUBSCRIBE
        6000   bob -> PUZZLE 2
        6000   bob <- 501 2 PUZZLE
        6000   bob -> OPTIONS 3 [Require: x-sauce]
        6000   bob <- 420 3 OPTIONS [Unsupported: x-sauce]
        6000   bob -> PRACK 4
        6000   bob <- 400 4 PRACK
    "#]],
    );
}

#[test]
fn a_request_out_of_order_is_refused() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let old = stage.phones[ALICE].request(Method::Options);
    stage.requests(ALICE, Method::Options);
    stage.send(ALICE, old);
    assert_eq!(stage.last_response(ALICE).status(), Some(500));
}

#[test]
fn an_update_that_comes_again_gets_the_same_answer() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    let update = stage.phones[ALICE].request(Method::Update);
    stage.send(ALICE, update.clone());
    let first = stage.last_response(ALICE).clone();
    stage.send(ALICE, update);
    assert_eq!(*stage.last_response(ALICE), first);
}

#[test]
fn before_the_answer_there_is_nobody_to_inform() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.requests_with(ALICE, Method::Info, digit('1'));
        stage.requests_with(BOB, Method::Info, digit('1'));
        stage.requests(BOB, Method::Options);
        stage.requests(BOB, Method::Bye);
        stage.says(BOB, &Method::Cancel, 200);
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
            0      alice -> INFO 2 (Signal=1)
            0      alice <- 480 2 INFO
            0      bob -> INFO 1 (Signal=1)
            0      bob <- 488 1 INFO
            0      bob -> OPTIONS 2
            0      bob <- 200 2 OPTIONS [Accept: application/sdp]
            0      bob -> BYE 3
            0      bob <- 200 3 BYE
            0      bob <- CANCEL 1
            0      alice <- 480 1 INVITE
            0      - media released
            0      - record 101 -> 102: Failed 480/18, talked 0 ms, packets 250 and 240
            0      bob -> 200 1 CANCEL
        "#]],
    );
}

#[test]
fn a_phone_that_comes_by_another_port_is_reached_there() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.phones[BOB].address = "10.77.3.11:32768".parse().unwrap();
    stage.requests(BOB, Method::Options);
    stage.requests(ALICE, Method::Bye);
    assert_eq!(
        stage.last_request(BOB, &Method::Bye).method(),
        Some(&Method::Bye)
    );
}
