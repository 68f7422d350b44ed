//! What an heir says to a phone that rings, or should, is lost; or what the former owner said was.

use carillon_call::Policy;
use carillon_sip::Method;
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

#[test]
fn the_process_starts_again_before_bob_has_heard_of_the_call() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.starts_again();
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
        0      - the node starts again
        0      - commit
        0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 180 1 INVITE
        0      - commit lazily
        0      alice <- 180 1 INVITE
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      alice -> ACK 1
        0      - commit lazily
    "#]],
    );
}

#[test]
fn bob_has_answered_the_dead_node_and_has_not_heard_the_ack_of_the_heir() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.heir();
        stage.wait(200);
        stage.says(BOB, &Method::Invite, 491);
        stage.wait(600);
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
        200    bob -> 491 18 INVITE
        200    bob <- ACK 1
        800    bob <- INVITE 19 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        800    bob -> 200 19 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        800    bob <- ACK 19
        800    - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        800    - commit
        800    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        800    alice -> ACK 1
        800    - commit lazily
    "#]],
    );
}

#[test]
fn bob_rings_on_because_the_cancel_of_the_heir_was_lost() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.heir();
        stage.wait(200);
        stage.says(BOB, &Method::Invite, 500);
        stage.wait(600);
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
        200    bob -> 500 18 INVITE
        200    bob <- ACK 1
        800    bob <- INVITE 19 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        800    bob -> 481 19 INVITE
        800    - commit
        800    bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        800    bob -> 180 1 INVITE
        800    - commit lazily
        800    bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        800    bob <- ACK 1
        800    - media r66 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        800    - commit
        800    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        800    alice -> ACK 1
        800    - commit lazily
    "#]],
    );
}

#[test]
fn bob_cannot_say_for_ever_whether_he_has_answered() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    stage.rings(BOB);
    stage.heir();
    stage.wait(200);
    for _ in 0..5 {
        stage.says(BOB, &Method::Invite, 491);
        stage.wait(600);
    }
    stage.rings(BOB);
    stage.picks_up(BOB);
    stage.acks(ALICE);
    assert!(
        stage.ladder.ends_with("- commit lazily\n"),
        "{}",
        stage.ladder
    );
}
