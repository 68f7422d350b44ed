use carillon_call::Policy;
use carillon_sip::{Message, Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, BOB2, Stage, with_header};

fn alice_calls_reliably(stage: &mut Stage, name: Name) {
    let offer = stage.phones[ALICE].sdp("sendrecv");
    let invite = stage.phones[ALICE].invite(Some(offer));
    stage.send(ALICE, with_header(invite, name, "100rel"));
}

fn progress(stage: &mut Stage, phone: usize, edit: impl FnOnce(&mut Message)) {
    let body = stage.phones[phone].sdp("sendrecv");
    stage.says_with(phone, &Method::Invite, 183, |response| {
        response.set_body("application/sdp", body);
        edit(response);
    });
}

fn reliable(rseq: &'static str) -> impl FnOnce(&mut Message) {
    move |response| {
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, rseq);
    }
}

fn alice_pracks(stage: &mut Stage) {
    let rseq = stage.last_response(ALICE).rseq().unwrap();
    stage.requests_with(ALICE, Method::Prack, |prack| {
        prack.headers.push(Name::RAck, format!("{rseq} 1 INVITE"))
    });
}

#[test]
fn alice_hears_an_announcement_before_bob_answers() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        progress(stage, BOB, |_| {});
        stage.rings(BOB);
        stage.rings(BOB);
        stage.wait(4_000);
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
            0      bob -> 183 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - commit lazily
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0)
            0      alice <- 183 1 INVITE {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob -> 180 1 INVITE
            0      alice <- 180 1 INVITE
            0      bob -> 180 1 INVITE
            4000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            4000   bob <- ACK 1
            4000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            4000   - commit
            4000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            4000   alice -> ACK 1
            4000   - commit lazily
        "#]],
    );
}

#[test]
fn a_reliable_response_of_bob_is_acknowledged_once_and_its_answer_counts() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        progress(stage, BOB, reliable("7"));
        progress(stage, BOB, reliable("7"));
        stage.says(BOB, &Method::Prack, 200);
        stage.says_with(BOB, &Method::Invite, 180, reliable("9"));
        stage.says_with(BOB, &Method::Invite, 180, reliable("8"));
        stage.says(BOB, &Method::Prack, 200);
        // The answer has been given: the 200 needs none.
        stage.says(BOB, &Method::Invite, 200);
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
            0      bob -> 183 1 INVITE [Require: 100rel] [RSeq: 7] {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - commit lazily
            0      bob <- PRACK 2 [RAck: 7 1 INVITE]
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0)
            0      alice <- 183 1 INVITE {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob -> 183 1 INVITE [Require: 100rel] [RSeq: 7] {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob -> 200 2 PRACK
            0      bob -> 180 1 INVITE [Require: 100rel] [RSeq: 9]
            0      bob -> 180 1 INVITE [Require: 100rel] [RSeq: 8]
            0      bob <- PRACK 3 [RAck: 8 1 INVITE]
            0      alice <- 180 1 INVITE
            0      bob -> 200 3 PRACK
            0      bob -> 200 1 INVITE
            0      bob <- ACK 1
            0      - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
        "#]],
    );
}

#[test]
fn alice_gets_ringing_reliably_when_she_can() {
    let story = |stage: &mut Stage| {
        alice_calls_reliably(stage, Name::Supported);
        stage.rings(BOB);
        progress(stage, BOB, |_| {});
        stage.wait(1_000);
        alice_pracks(stage);
        stage.wait(1_000);
        alice_pracks(stage);
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
            0      alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            0      bob -> 183 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0)
            500    alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            1000   alice -> PRACK 2 [RAck: 43124 1 INVITE]
            1000   alice <- 200 2 PRACK
            1000   alice <- 183 1 INVITE [Require: 100rel] [RSeq: 43125] {v1 10.77.2.1:10000 8 101 sendrecv}
            1500   alice <- 183 1 INVITE [Require: 100rel] [RSeq: 43125] {v1 10.77.2.1:10000 8 101 sendrecv}
            2000   alice -> PRACK 3 [RAck: 43125 1 INVITE]
            2000   alice <- 200 3 PRACK
            2000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            2000   bob <- ACK 1
            2000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            2000   - commit
            2000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac]
            2000   alice -> ACK 1
            2000   - commit lazily
        "#]],
    );
}

#[test]
fn the_answer_waits_for_the_prack_of_a_session_description() {
    let story = |stage: &mut Stage| {
        alice_calls_reliably(stage, Name::Require);
        progress(stage, BOB, |_| {});
        stage.picks_up(BOB);
        stage.wait(600);
        alice_pracks(stage);
        stage.acks(ALICE);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 [Require: 100rel] {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 183 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - commit lazily
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0)
            0      alice <- 183 1 INVITE [Require: 100rel] [RSeq: 43124] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      bob <- ACK 1
            0      - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            500    alice <- 183 1 INVITE [Require: 100rel] [RSeq: 43124] {v1 10.77.2.1:10000 8 101 sendrecv}
            600    alice -> PRACK 2 [RAck: 43124 1 INVITE]
            600    alice <- 200 2 PRACK
            600    - commit
            600    alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac]
            600    alice -> ACK 1
            600    - commit lazily
        "#]],
    );
}

#[test]
fn a_wrong_prack_is_refused_and_without_the_right_one_the_call_fails() {
    let story = |stage: &mut Stage| {
        alice_calls_reliably(stage, Name::Require);
        stage.rings(BOB);
        stage.requests_with(ALICE, Method::Prack, |prack| {
            prack.headers.push(Name::RAck, "1 1 INVITE")
        });
        stage.requests_with(ALICE, Method::Prack, |prack| {
            prack.headers.push(Name::RAck, "nonsense")
        });
        stage.wait(29_000);
        stage.rings(BOB);
        stage.wait(4_000);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 [Require: 100rel] {v1 10.77.3.1:4000 8 101 sendrecv}
            0      - route 102 in default
            0      - media r1 0=10.77.3.1:4000 SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90] {v1 10.77.2.1:10002 8 101 sendrecv}
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            0      alice -> PRACK 2 [RAck: 1 1 INVITE]
            0      alice <- 481 2 PRACK
            0      alice -> PRACK 3 [RAck: nonsense]
            0      alice <- 400 3 PRACK
            500    alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            1500   alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            3500   alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            7500   alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            15500  alice <- 180 1 INVITE [Require: 100rel] [RSeq: 43124]
            29000  bob -> 180 1 INVITE
            30000  alice <- 480 1 INVITE [Reason: Q.850;cause=19;text="No answer"]
            30000  bob <- CANCEL 1
            30000  - media released
            30000  - record 101 -> 102: NoAnswer 480/19, talked 0 ms, packets 250 and 240
        "#]],
    );
}

#[test]
fn a_call_without_an_offer_has_no_reliable_ringing() {
    let story = |stage: &mut Stage| {
        let invite = stage.phones[ALICE].invite(None);
        stage.send(ALICE, with_header(invite, Name::Require, "100rel"));
        stage.rings(BOB);
        stage.picks_up(BOB);
    };
    check(
        story,
        &expect![[r#"
            0      alice -> INVITE 1 [Require: 100rel]
            0      - route 102 in default
            0      - media r1 0=? SendRecv, 1=? SendRecv ()
            0      - commit
            0      bob <- INVITE 1 [Session-Expires: 1800] [Min-SE: 90]
            0      bob -> 180 1 INVITE
            0      - commit lazily
            0      bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - media r2 0=? SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        "#]],
    );
}

#[test]
fn another_phone_answers_than_the_one_that_sent_media() {
    let story = |stage: &mut Stage| {
        stage.bob_has_phones(2);
        stage.alice_calls();
        progress(stage, BOB, |_| {});
        progress(stage, BOB2, |_| {});
        stage.picks_up(BOB2);
        stage.acks(ALICE);
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
            0      bob -> 183 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
            0      - commit lazily
            0      - media r2 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0)
            0      alice <- 183 1 INVITE {v1 10.77.2.1:10000 8 101 sendrecv}
            0      bob2 -> 183 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      - commit lazily
            0      bob2 -> 200 1 INVITE {v1 10.77.3.12:4020 8 101 sendrecv}
            0      bob2 <- ACK 1
            0      - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.12:4020 SendRecv (0>1 1>0) watched 30000
            0      bob <- CANCEL 1 [Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26]
            0      - commit
            0      alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
            0      alice -> ACK 1
            0      - commit lazily
            0      bob -> 200 1 CANCEL
            0      bob -> 487 1 INVITE
        "#]],
    );

    let mut stage = Stage::new(Policy::default(), true);
    story(&mut stage);
    let tags: Vec<String> = stage.phones[ALICE]
        .responses
        .iter()
        .map(|response| response.to().unwrap().tag().unwrap().to_owned())
        .collect();
    assert_ne!(
        tags.first(),
        tags.last(),
        "an answer does not change within a dialog"
    );
    assert_eq!(
        stage.call.dialogs().len(),
        3,
        "both dialogs of alice are ours"
    );
}
