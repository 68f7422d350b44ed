use carillon_model::{CallId, MediaServerId, NodeId};
use carillon_protocol::{Event, Reason, Reply, SessionId};
use carillon_switch::{Input, Notice};
use expect_test::expect;

use super::office::Office;

fn session(office: &Office) -> SessionId {
    *office
        .media
        .values()
        .find_map(|server| server.sessions.keys().next())
        .expect("a session")
}

#[test]
fn a_server_that_is_full_is_passed_over() {
    let mut office = Office::with_alice_and_bob(1);
    office.media.get_mut(&MediaServerId(1)).unwrap().refuses = Some(Reason::Full);
    office.add_media_server(2);
    for _ in 0..4 {
        office.call("alice", "102");
        assert!(office.phone("bob").ringing.take().is_some());
        office.cancel("alice");
        office.run(40_000);
        office.register("bob");
        office.register("alice");
    }
    assert_eq!(office.node(1).counters().records, 4);
    office.assert_quiet();
}

#[test]
fn a_server_that_does_not_answer_is_passed_over() {
    let mut office = Office::with_alice_and_bob(1);
    office.media.get_mut(&MediaServerId(1)).unwrap().silent = true;
    office.add_media_server(2);
    office.notices.clear();
    for _ in 0..4 {
        office.call("alice", "102");
        office.run(1_000);
        assert!(office.phone("bob").ringing.take().is_some());
        office.cancel("alice");
        office.run(40_000);
        office.register("bob");
        office.register("alice");
    }
    let refused = office
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::MediaRefused { .. }))
        .count();
    assert!(refused > 0, "the silent one was asked now and then");
    office.assert_quiet();
}

#[test]
fn without_any_server_a_call_is_refused_for_a_while() {
    let mut office = Office::with_alice_and_bob(1);
    office.input(NodeId(1), Input::MediaServerDown(MediaServerId(1)));
    office.call("alice", "102");
    office.run(1_000);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 -> alice: 503 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Failed 503/41, 0 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn a_call_in_the_first_moments_of_a_node_waits_for_a_media_server() {
    let mut office = Office::with_alice_and_bob(1);
    office.input(NodeId(1), Input::MediaServerDown(MediaServerId(1)));
    office.call("alice", "102");
    assert!(office.phone("bob").ringing.is_none());
    office.input(NodeId(1), Input::MediaServerUp(MediaServerId(1)));
    office.run(100);
    assert!(office.phone("bob").ringing.is_some());
    office.answer("bob", 200);
    office.hang_up("alice");
    office.run(40_000);
    office.assert_quiet();
}

#[test]
fn a_server_that_comes_back_is_told_everything_again() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    let before = office.media[&MediaServerId(1)].sessions.clone();
    office.input(NodeId(1), Input::MediaServerDown(MediaServerId(1)));
    office
        .media
        .get_mut(&MediaServerId(1))
        .unwrap()
        .sessions
        .clear();
    office.ladder();
    office.input(NodeId(1), Input::MediaServerUp(MediaServerId(1)));
    office.run(100);
    assert_eq!(office.media[&MediaServerId(1)].sessions, before);
    assert_eq!(office.ladder(), "", "the phones need not know");
    office.hang_up("bob");
    office.assert_quiet();
}

#[test]
fn a_session_of_a_call_that_is_over_is_released() {
    let mut office = Office::with_alice_and_bob(1);
    let stale = SessionId { call: 42, part: 0 };
    let put = Reply::Established {
        session: stale,
        revision: 1,
        terminations: Vec::new(),
    };
    office.media_says(1, 1, put);
    office.assert_quiet();
}

#[test]
fn a_call_whose_session_another_node_holds_is_let_go() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    let session = session(&office);
    let reason = Reason::Fenced { epoch: 9 };
    office.media_says(
        1,
        1,
        Reply::Refused {
            session,
            revision: Some(2),
            reason,
        },
    );
    assert_eq!(office.node(1).load().calls, 0);
    assert_eq!(office.ladder(), "");
}

#[test]
fn a_reaped_session_gives_its_figures_to_the_record() {
    let mut office = Office::with_alice_and_bob(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    let session = session(&office);
    assert_eq!(
        office.state.calls().values().next().unwrap().id,
        CallId(session.call)
    );
    let quality = vec![carillon_protocol::DirectionQuality {
        packets: 7,
        ..Default::default()
    }];
    office
        .media
        .get_mut(&MediaServerId(1))
        .unwrap()
        .sessions
        .clear();
    office.media_says(1, 1, Reply::Event(Event::Reaped { session, quality }));
    office.hang_up("alice");
    assert_eq!(office.records[0].caller_quality.unwrap().packets, 7);
    office.assert_quiet();
}
