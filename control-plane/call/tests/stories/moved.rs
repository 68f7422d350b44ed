//! The media server dies or is to be left: another one carries the call, and the phones are told.

use carillon_call::Policy;
use carillon_sip::{Method, Name};
use expect_test::expect;

use crate::check;
use crate::stage::{ALICE, BOB, Stage};

#[test]
fn both_phones_are_told_of_the_new_address() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_moves();
        assert!(!stage.call.is_media_settled());
        stage.picks_up(BOB);
        stage.picks_up(ALICE);
        assert!(stage.call.is_media_settled() && !stage.call.is_one_way());
        stage.wait(60_000);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - media server 2 takes the call
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6000   bob <- ACK 2
        6000   - commit lazily
        6000   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   alice <- ACK 1
        6000   - commit lazily
    "#]],
    );
}

/// He is told of the new address by the sockets of a node that is dead, as is the Contact that he would follow.
#[test]
fn who_was_reached_by_a_node_that_died_as_well_is_told_anew() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.media_moves();
    stage.picks_up(ALICE);
    stage.node_of_phone_dies(BOB);
    let invite = stage.last_request(BOB, &Method::Invite);
    let contact = invite.headers.text(Name::Contact);
    assert_eq!(contact, Some("<sip:10.77.1.2:5060>"));
    stage.picks_up(BOB);
    assert!(stage.call.is_media_settled() && !stage.call.is_one_way());
    expect![[r#"
        6000   alice and bob talk
        6000   - media server 2 takes the call
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   alice <- ACK 1
        6000   - commit lazily
        6000   - the node dies by which bob was reached
        6000   - commit
        6000   - abandons a request
        6000   - commit
        6000   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   bob -> 200 3 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6000   bob <- ACK 3
        6000   - commit lazily
    "#]].assert_eq(&stage.ladder);
}

/// Her hold was on its way to him.
#[test]
fn what_was_asked_by_way_of_a_node_that_died_is_asked_anew() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.changes(ALICE, Method::Invite, "sendonly");
    stage.node_of_phone_dies(BOB);
    stage.agrees(BOB, &Method::Invite, "recvonly");
    stage.acks(ALICE);
    stage.wait(2_000);
    expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   - the node dies by which bob was reached
        6000   - commit
        6000   - abandons a request
        6000   - commit
        6000   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   bob -> 200 3 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
        6000   bob <- ACK 3
        6000   - media r3 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        6000   - commit
        6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:10000 8 101 recvonly}
        6000   alice -> ACK 2
        6000   - commit lazily
    "#]].assert_eq(&stage.ladder);
}

#[test]
fn who_is_busy_with_a_request_of_its_own_is_asked_again() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_moves();
        stage.says(BOB, &Method::Invite, 491);
        stage.says(ALICE, &Method::Invite, 491);
        stage.wait(4_000);
        assert!(!stage.call.is_one_way());
        stage.picks_up(BOB);
        stage.picks_up(ALICE);
        assert!(stage.call.is_media_settled());
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - media server 2 takes the call
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   bob -> 491 2 INVITE
        6000   alice -> 491 1 INVITE
        7990   - commit
        7990   alice <- INVITE 2 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v3 10.77.2.1:20000 8 101 sendrecv}
        8280   - commit
        8280   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:20002 8 101 sendrecv}
        10000  bob -> 200 3 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        10000  bob <- ACK 3
        10000  - commit lazily
        10000  alice -> 200 2 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        10000  alice <- ACK 2
        10000  - commit lazily
    "#]],
    );
}

#[test]
fn who_refuses_the_new_address_is_marked_and_asked_again_later() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_moves();
        stage.picks_up(ALICE);
        stage.says(BOB, &Method::Invite, 488);
        assert!(stage.call.is_one_way() && !stage.call.is_media_settled());
        stage.wait(20_000);
        stage.wait(10_000);
        stage.picks_up(BOB);
        assert!(!stage.call.is_one_way() && stage.call.is_media_settled());
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - media server 2 takes the call
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   alice <- ACK 1
        6000   - commit lazily
        6000   bob -> 488 2 INVITE
        6000   - commit lazily
        36000  - commit
        36000  bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:20002 8 101 sendrecv}
        36000  bob -> 200 3 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        36000  bob <- ACK 3
        36000  - commit lazily
    "#]],
    );
}

#[test]
fn who_has_hung_up_ends_the_call() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.media_moves();
    stage.says(BOB, &Method::Invite, 481);
    stage.says(ALICE, &Method::Invite, 487);
    stage.says(ALICE, &Method::Bye, 200);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

#[test]
fn who_says_nothing_at_all_is_gone_after_half_a_minute() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.media_moves();
    stage.picks_up(ALICE);
    stage.wait(30_000);
    assert!(!stage.ended, "{}", stage.ladder);
    stage.wait(5_000);
    stage.says(ALICE, &Method::Bye, 200);
    stage.says(BOB, &Method::Bye, 481);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

#[test]
fn a_phone_that_rings_learns_of_the_new_address_when_it_has_answered() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        stage.rings(BOB);
        stage.media_moves();
        stage.wait(3_000);
        stage.picks_up(BOB);
        stage.acks(ALICE);
        stage.picks_up(BOB);
        assert!(stage.call.is_media_settled());
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
        0      - media server 2 takes the call
        0      - commit lazily
        3000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        3000   bob <- ACK 1
        3000   - media r3 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        3000   - commit
        3000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:20000 8 101 sendrecv}
        3000   - commit
        3000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        3000   alice -> ACK 1
        3000   - commit lazily
        3000   bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        3000   bob <- ACK 2
        3000   - commit lazily
    "#]],
    );
}

#[test]
fn who_heard_early_media_learns_of_the_new_address_after_the_answer() {
    let story = |stage: &mut Stage| {
        stage.alice_calls();
        let early = stage.phones[BOB].sdp("sendrecv");
        stage.says_with(BOB, &Method::Invite, 183, |response| {
            response.set_body("application/sdp", early);
        });
        stage.media_moves();
        stage.wait(3_000);
        stage.picks_up(BOB);
        stage.acks(ALICE);
        stage.wait(100);
        stage.picks_up(ALICE);
        stage.picks_up(BOB);
        assert!(stage.call.is_media_settled());
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
        0      - media server 2 takes the call
        0      - commit lazily
        3000   bob -> 200 1 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        3000   bob <- ACK 1
        3000   - media r4 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        3000   - commit
        3000   alice <- 200 1 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v1 10.77.2.1:10000 8 101 sendrecv}
        3000   - commit
        3000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        3000   alice -> ACK 1
        3000   - commit lazily
        3100   - commit
        3100   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        3100   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        3100   alice <- ACK 1
        3100   - commit lazily
        3100   bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        3100   bob <- ACK 2
        3100   - commit lazily
    "#]],
    );
}

#[test]
fn a_hold_under_way_tells_its_side_of_the_new_address() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.changes(ALICE, Method::Invite, "sendonly");
        stage.media_moves();
        stage.agrees(BOB, &Method::Invite, "recvonly");
        stage.acks(ALICE);
        stage.agrees(BOB, &Method::Invite, "recvonly");
        assert!(stage.call.is_media_settled());
        stage.wait(10_000);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   alice -> INVITE 2 {v2 10.77.3.1:4000 8 101 sendonly}
        6000   - commit
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:10002 8 101 sendonly}
        6000   - media server 2 takes the call
        6000   bob -> 200 2 INVITE {v2 10.77.3.11:4010 8 101 recvonly}
        6000   bob <- ACK 2
        6000   - media r4 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        6000   - commit
        6000   alice <- 200 2 INVITE [Require: timer] [Session-Expires: 1800;refresher=uac] {v2 10.77.2.1:20000 8 101 recvonly}
        6000   - commit
        6000   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:20002 8 101 sendonly}
        6000   alice -> ACK 2
        6000   - commit lazily
        6000   bob -> 200 3 INVITE {v3 10.77.3.11:4010 8 101 recvonly}
        6000   bob <- ACK 3
        6000   - media r5 0=10.77.3.1:4000 RecvOnly, 1=10.77.3.11:4010 SendOnly (0>1 1>0)
        6000   - commit lazily
    "#]],
    );
}

#[test]
fn an_heir_without_the_media_server_says_both_in_one_request() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.heir_without_media();
        stage.wait(100);
        stage.media_moves();
        stage.picks_up(ALICE);
        stage.picks_up(BOB);
        assert!(stage.call.is_media_settled());
        stage.wait(10_000);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - the node and the media server die
        6000   - media r67 0=10.77.3.1:4000 SendRecv, 1=10.77.3.11:4010 SendRecv (0>1 1>0) watched 30000
        6000   - commit
        6100   - media server 2 takes the call
        6100   - commit
        6100   alice <- INVITE 17 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6100   bob <- INVITE 18 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6100   alice -> 200 17 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6100   alice <- ACK 17
        6100   - commit lazily
        6100   bob -> 200 18 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6100   bob <- ACK 18
        6100   - commit lazily
    "#]],
    );
}

#[test]
fn an_heir_that_finds_no_media_server_calls_the_phones_all_the_same() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.heir_without_media();
    assert!(stage.phones[ALICE].requests.is_empty());
    stage.wait(500);
    stage.picks_up(ALICE);
    stage.picks_up(BOB);
    stage.wait(10_000);
    stage.media_moves();
    stage.picks_up(ALICE);
    stage.picks_up(BOB);
    assert!(stage.call.is_media_settled(), "{}", stage.ladder);
}

#[test]
fn who_refuses_the_address_of_an_heir_is_asked_whether_it_is_there() {
    let refused = || {
        let mut stage = Stage::new(Policy::default(), true);
        stage.talk();
        stage.heir_without_media();
        stage.media_moves();
        stage.picks_up(ALICE);
        stage.says(BOB, &Method::Invite, 488);
        stage.wait(0);
        let again = stage.last_request(BOB, &Method::Invite);
        let sdp = String::from_utf8_lossy(&again.body).into_owned();
        assert!(sdp.contains("m=audio 10002 "), "as before: {sdp}");
        stage
    };
    let mut stage = refused();
    stage.picks_up(BOB);
    assert!(stage.call.is_one_way() && !stage.ended);
    stage.wait(30_000);
    stage.picks_up(BOB);
    assert!(!stage.call.is_one_way() && stage.call.is_media_settled());
    let mut stage = refused();
    stage.says(BOB, &Method::Invite, 488);
    stage.says(ALICE, &Method::Bye, 200);
    assert!(stage.ended && stage.records.len() == 1, "{}", stage.ladder);
}

#[test]
fn an_heir_tells_those_whom_the_owner_could_not_tell_any_more() {
    let mut stage = Stage::new(Policy::default(), true);
    stage.talk();
    stage.media_moves();
    stage.picks_up(ALICE);
    stage.heir();
    let invite = stage.last_request(BOB, &Method::Invite);
    let sdp = String::from_utf8_lossy(&invite.body).into_owned();
    assert!(sdp.contains("m=audio 20002 "), "{sdp}");
    assert!(
        invite
            .headers
            .text(Name::Contact)
            .unwrap()
            .contains("10.77.1.2")
    );
    stage.picks_up(ALICE);
    stage.picks_up(BOB);
    assert!(stage.call.is_media_settled(), "{}", stage.ladder);
}

#[test]
fn the_second_server_dies_before_all_have_heard_of_it() {
    let story = |stage: &mut Stage| {
        stage.talk();
        stage.media_moves();
        stage.picks_up(ALICE);
        stage.media_moves();
        stage.picks_up(ALICE);
        stage.picks_up(BOB);
        stage.wait(100);
        stage.picks_up(BOB);
        assert!(stage.call.is_media_settled());
        stage.wait(10_000);
    };
    check(
        story,
        &expect![[r#"
        6000   alice and bob talk
        6000   - media server 2 takes the call
        6000   - commit
        6000   alice <- INVITE 1 [Session-Expires: 1800;refresher=uas] [Min-SE: 90] {v2 10.77.2.1:20000 8 101 sendrecv}
        6000   bob <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v2 10.77.2.1:20002 8 101 sendrecv}
        6000   alice -> 200 1 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   alice <- ACK 1
        6000   - commit lazily
        6000   - media server 3 takes the call
        6000   - commit
        6000   alice <- INVITE 2 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:30000 8 101 sendrecv}
        6000   alice -> 200 2 INVITE {v1 10.77.3.1:4000 8 101 sendrecv}
        6000   alice <- ACK 2
        6000   - commit lazily
        6000   bob -> 200 2 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6000   bob <- ACK 2
        6000   - commit lazily
        6000   - commit
        6000   bob <- INVITE 3 [Session-Expires: 1800;refresher=uac] [Min-SE: 90] {v3 10.77.2.1:30002 8 101 sendrecv}
        6100   bob -> 200 3 INVITE {v1 10.77.3.11:4010 8 101 sendrecv}
        6100   bob <- ACK 3
        6100   - commit lazily
    "#]],
    );
}
