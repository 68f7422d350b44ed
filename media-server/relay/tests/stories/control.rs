//! What control nodes see, and what survives them.

use carillon_link::Peer;
use carillon_protocol::{Event, Reason, Reply, Request, SessionDescriptor};

use crate::place::{Phone, Place, between, revised, talk};

#[tokio::test]
async fn five_hundred_calls_leave_no_port_and_no_descriptor_behind() {
    let place =
        Place::with(|config| (config.first_port, config.last_port) = (10_000, 12_001)).await;
    let mut node = place.node(1).await;
    let all = place.server.load().free_port_pairs;
    for round in 0..2 {
        let calls: Vec<SessionDescriptor> = (0..500)
            .map(|call| between(call << 64 | round, None, None))
            .collect();
        for call in &calls {
            node.put(call).await;
        }
        assert_eq!(
            (place.server.load().sessions, place.bound_ports()),
            (500, 2000)
        );
        assert_eq!(place.server.load().free_port_pairs, all - 1000);
        for call in &calls {
            node.release(call).await;
        }
        assert_eq!((place.server.load().sessions, place.bound_ports()), (0, 0));
        assert_eq!(place.server.load().free_port_pairs, all);
    }
}

#[tokio::test]
async fn no_two_calls_have_a_port_in_common_and_too_many_are_refused_until_one_ends() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let mut ports = Vec::new();
    for call in 0..25 {
        let locals = node.put(&between(call, None, None)).await;
        ports.extend(locals.iter().flat_map(|local| [local.rtp, local.rtcp]));
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 100);
    let one_more = between(99, None, None);
    let refused = node.ask(Request::Put(one_more.clone())).await;
    let reason = Reason::NoPorts;
    assert_eq!(
        refused,
        Reply::Refused {
            session: one_more.session,
            revision: Some(1),
            reason
        }
    );
    node.release(&between(3, None, None)).await;
    node.put(&one_more).await;
}

#[tokio::test]
async fn a_port_that_another_program_has_is_passed_over() {
    let place = Place::open().await;
    let taken = std::net::UdpSocket::bind((place.address, 10_041)).unwrap();
    let mut node = place.node(1).await;
    for call in 0..24 {
        let locals = node.put(&between(call, None, None)).await;
        assert!(
            locals
                .iter()
                .all(|local| local.rtcp != taken.local_addr().unwrap())
        );
    }
}

#[tokio::test]
async fn phones_talk_on_when_their_control_node_dies_and_its_heir_finds_the_call() {
    let place = Place::open().await;
    let mut owner = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = owner.put(&call).await;
    let instance = owner.hello.instance;
    talk(5, &ports, &mut alice, &mut bob);
    owner.die().await;
    talk(50, &ports, &mut alice, &mut bob);

    let mut heir = place.node(2).await;
    assert_eq!(heir.hello.instance, instance);
    let Reply::Inventory {
        sessions,
        more: false,
    } = heir.ask(Request::Inventory { after: None }).await
    else {
        panic!()
    };
    assert_eq!(
        (sessions.len(), sessions[0].session, sessions[0].epoch),
        (1, call.session, 1)
    );
    let mut inherited = call.clone();
    inherited.epoch = 2;
    assert_eq!(heir.put(&inherited).await, ports);
    talk(5, &ports, &mut alice, &mut bob);

    // The former owner was only cut off.
    let mut former = place.node(1).await;
    let fenced = Reason::Fenced { epoch: 2 };
    let refused = Reply::Refused {
        session: call.session,
        revision: Some(2),
        reason: fenced.clone(),
    };
    assert_eq!(
        former.ask(Request::Put(revised(&call, |_| {}))).await,
        refused
    );
    let refused = Reply::Refused {
        session: call.session,
        revision: None,
        reason: fenced,
    };
    assert_eq!(
        former
            .ask(Request::Release {
                session: call.session,
                epoch: 1
            })
            .await,
        refused
    );
    talk(5, &ports, &mut alice, &mut bob);
    assert_eq!(heir.release(&inherited).await[0].packets, 65);
}

#[tokio::test]
async fn a_node_that_reconnects_says_the_same_again_and_gets_the_same_answer() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    talk(5, &ports, &mut alice, &mut bob);
    node.die().await;
    let mut again = place.node(1).await;
    assert_eq!(again.put(&call).await, ports);
    talk(5, &ports, &mut alice, &mut bob);
    assert_eq!(place.bound_ports(), 4);
}

#[tokio::test]
async fn a_call_that_nobody_claims_and_nobody_talks_in_is_removed_and_everyone_is_told() {
    let place = Place::with(|config| config.orphan_ms = 200).await;
    let (mut owner, mut other) = (place.node(1).await, place.node(2).await);
    let call = between(7, None, None);
    owner.put(&call).await;
    owner.die().await;
    let Event::Reaped { session, .. } = other.event().await else {
        panic!()
    };
    assert_eq!(session, call.session);
    assert_eq!(place.bound_ports(), 0);
    assert_eq!(place.server.totals().sessions_reaped, 1);
}

#[tokio::test]
async fn a_draining_server_keeps_its_calls_and_is_empty_after_the_last() {
    let place = Place::open().await;
    let (mut node, mut other) = (place.node(1).await, place.node(2).await);
    let call = between(7, None, None);
    node.put(&call).await;
    let story = async {
        assert_eq!(other.event().await, Event::Draining { sessions: 1 });
        let refused = node.ask(Request::Put(between(8, None, None))).await;
        assert!(
            matches!(
                refused,
                Reply::Refused {
                    reason: Reason::Draining,
                    ..
                }
            ),
            "{refused:?}"
        );
        node.put(&revised(&call, |_| {})).await;
        node.release(&call).await;
        assert_eq!(other.event().await, Event::Drained);
    };
    tokio::join!(place.server.drain(), story);
}

#[tokio::test]
async fn only_control_nodes_may_control() {
    let place = Place::open().await;
    let (_endpoint, connection) = place.dial(Peer::Media(9)).await;
    connection.closed().await;
}

#[tokio::test]
async fn whoever_talks_nonsense_loses_his_connection_and_nobody_else_notices() {
    let place = Place::open().await;
    let mut good = place.node(1).await;
    let mut bad = place.node(2).await;
    bad.send_octets(b"\xff\xff\xff").await;
    bad.connection.closed().await;
    good.put(&between(7, None, None)).await;
}

#[tokio::test]
async fn a_node_of_another_version_is_told_so() {
    let place = Place::open().await;
    let node = place.node_of_version(1, 900, 901).await;
    assert_eq!(node.hello.version, 0);
    let newer = place.node_of_version(2, 1, 901).await;
    assert_eq!(newer.hello.version, 1);
}

#[tokio::test]
async fn ten_thousand_questions_at_once_are_all_answered() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    for _ in 0..100 {
        for _ in 0..100 {
            node.say(Request::Ping).await;
        }
        for _ in 0..99 {
            assert!(matches!(
                node.ask(Request::Inventory { after: None }).await,
                Reply::Pong(_) | Reply::Inventory { .. }
            ));
        }
    }
}

#[tokio::test]
async fn what_goes_through_is_counted_in_the_metrics() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    talk(10, &ports, &mut alice, &mut bob);
    node.release(&call).await;
    place.server.shutdown().await;
    let text = String::from_utf8(place.metrics.render()).unwrap();
    let has = |line: &str| assert!(text.contains(line), "{line} is not in\n{text}");
    has("carillon_rtp_packets_total{direction=\"received\"} 20");
    has("carillon_rtp_packets_total{direction=\"sent\"} 20");
    has("carillon_media_sessions_active 0");
    has("carillon_rtp_jitter_seconds_count 2");
}
