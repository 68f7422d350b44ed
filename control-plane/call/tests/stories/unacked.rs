//! The node of a call dies when the caller has been answered, and nobody has taken down that it has heard so.

use carillon_call::Policy;
use carillon_sip::Method;
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

#[test]
fn the_node_dies_between_the_answer_and_its_ack() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.heir();
        stage.wait(600);
        stage.acks(ALICE);
        stage.picks_up(BOB);
        stage.wait(6_000);
        stage.picks_up(ALICE);
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
            0      - the node dies and another one takes over
            0      - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            500    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            600    alice -> ACK 1
            600    - commit lazily
            600    bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            600    bob <- ACK 18
            600    - commit lazily
            1000   alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
            6600   alice -> 200 17 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
            6600   alice <- ACK 17
            6600   - commit lazily
        "#]],
    );
}

/// Her 2xx never came, or not from the former owner: she knows of no dialog until the heir has said it to her.
#[test]
fn the_answer_has_not_reached_alice_when_the_node_dies() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.heir();
        stage.picks_up(BOB);
        stage.wait(1_100);
        stage.says(ALICE, &Method::Invite, 481);
        stage.wait(500);
        stage.acks(ALICE);
        stage.wait(1_000);
        stage.picks_up(ALICE);
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
        0      - the node dies and another one takes over
        0      - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
        0      bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 18
        0      - commit lazily
        500    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        1000   alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
        1100   alice -> 481 17 INVITE
        1500   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        1600   alice -> ACK 1
        1600   - commit lazily
        2100   alice <- INVITE 18 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v1 10.77.2.1:10000 8 101 sendrecv}
        2600   alice -> 200 18 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        2600   alice <- ACK 18
        2600   - commit lazily
    "#]],
    );
}

/// She has acknowledged to the dead node, and hung up towards it: that she knows nothing of a call is believed in the end.
#[test]
fn alice_has_hung_up_before_the_heir_says_the_answer_again() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.alice_calls();
    stage.picks_up(BOB);
    stage.heir();
    stage.picks_up(BOB);
    for asked_after_ms in [1_100, 1_000] {
        stage.wait(asked_after_ms);
        stage.says(ALICE, &Method::Invite, 481);
    }
    stage.says(BOB, &Method::Bye, 200);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

/// Her ACK went to the dead node before that could take it down, and she holds at once.
#[test]
fn alice_holds_before_the_heir_knows_that_she_has_heard_the_answer() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        stage.heir();
        stage.picks_up(BOB);
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        stage.wait(3_000);
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
            0      - the node dies and another one takes over
            0      - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 18
            0      - commit lazily
            0      alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
            0      - commit
            0      bob <- INVITE 19 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
            0      bob -> 200 19 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
            0      bob <- ACK 19
            0      - media r68 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
            0      - commit
            0      alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
            0      alice -> ACK 2
            0      - commit lazily
        "#]],
    );
}
