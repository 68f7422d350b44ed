use carillon_sip::Method;
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

fn alice_cancels(stage: &mut Stage) {
    let cancel = stage.phones[ALICE].cancel();
    stage.send(ALICE, cancel);
}

#[test]
fn alice_gives_up_while_bob_rings() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.wait(8_000);
        alice_cancels(stage);
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
            8000   alice -> CANCEL 1
            8000   alice <- 487 1 INVITE
            8000   bob <- CANCEL 1
            8000   - media released
            8000   - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 250 and 240
            8000   bob -> 200 1 CANCEL
            8000   bob -> 487 1 INVITE
            8000   - ended
        "#]],
    );
}

#[test]
fn nothing_is_cancelled_before_a_provisional_response() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        alice_cancels(stage);
        stage.wait(300);
        stage.says(BOB, &Method::Invite, 100);
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
        0      alice -> CANCEL 1
        0      alice <- 487 1 INVITE
        0      - media released
        0      - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 250 and 240
        300    bob -> 100 1 INVITE
        300    bob <- CANCEL 1
        300    bob -> 200 1 CANCEL
        300    bob -> 487 1 INVITE
        300    - ended
    "#]],
    );
}

#[test]
fn bob_answers_while_the_cancel_is_on_its_way() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        alice_cancels(stage);
        stage.picks_up(BOB);
        stage.says(BOB, &Method::Cancel, 481);
        stage.picks_up(BOB);
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
            0      alice -> CANCEL 1
            0      alice <- 487 1 INVITE
            0      bob <- CANCEL 1
            0      - media released
            0      - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 250 and 240
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      bob <- BYE 2
            0      bob -> 481 1 CANCEL
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      bob -> 200 2 BYE
            0      - ended
        "#]],
    );
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.picks_up(BOB);
        alice_cancels(stage);
        stage.acks(ALICE);
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
        0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        0      bob <- ACK 1
        0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        0      - commit
        0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        0      alice -> CANCEL 1
        0      alice -> ACK 1
        0      - commit lazily
        0      alice -> BYE 2
        0      alice <- 200 2 BYE
        0      bob <- BYE 2 [Reason: Q.850;cause=16;text="Normal call clearing"]
        0      - media released
        0      - record 101 -> 102: Answered 200/16, talked 0 ms, packets 250 and 240
        0      bob -> 200 2 BYE
        0      - ended
    "#]],
    );
}

#[test]
fn a_cancelled_phone_that_says_nothing_more_is_given_up() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        alice_cancels(stage);
        stage.wait(40_000);
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
            0      alice -> CANCEL 1
            0      alice <- 487 1 INVITE
            0      bob <- CANCEL 1
            0      - media released
            0      - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 250 and 240
            32000  - ended
        "#]],
    );
}

#[test]
fn a_bye_before_the_answer_gives_up_too() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.requests(ALICE, Method::Bye);
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
            0      alice -> BYE 2
            0      alice <- 200 2 BYE
            0      alice <- 487 1 INVITE
            0      bob <- CANCEL 1
            0      - media released
            0      - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 250 and 240
            0      bob -> 200 1 CANCEL
            0      bob -> 487 1 INVITE
            0      - ended
        "#]],
    );
}

#[test]
fn alice_gives_up_before_the_callee_is_found() {
    let story = |stage: &mut Stage| {
        stage.route = None;
        stage.alice_calls();
        alice_cancels(stage);
    };
    check(
        story,
        &expect![[r#"
        0      alice -> INVITE 1 {v1 10.77.3.1:4000 8 101 sendrecv}
        0      - route 102 in default
        0      alice -> CANCEL 1
        0      alice <- 487 1 INVITE
        0      - record 101 -> 102: Cancelled 487/16, talked 0 ms, packets 0 and 0
        0      - ended
    "#]],
    );
}
