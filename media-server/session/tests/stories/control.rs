//! What control nodes can and cannot do, and what they are told.

use crate::world::{
    FRAME_US, HEIR, OWNER, World, call, directed, phone, revised, two_parties, with_remotes,
};
use carillon_protocol::{
    DescriptorError, Direction, Event, Family, Reason, Reply, Request, Termination,
};
use carillon_session::{Audience, Input, Limits};

#[test]
fn the_same_descriptor_again_gets_the_same_answer_and_another_content_is_refused() {
    let mut world = World::new();
    let descriptor = two_parties(1);
    let ports = world.put(&descriptor);
    assert_eq!(world.put(&descriptor), ports);
    assert_eq!(world.sessions.len(), 1);
    let mut forged = descriptor.clone();
    forged.rtp_timeout_ms = Some(1);
    assert_eq!(world.refusal(OWNER, &forged), Reason::Conflict);
}

#[test]
fn an_owner_that_lost_its_call_is_fenced_and_the_heir_may_go_back_a_revision() {
    let mut world = World::new();
    let first = two_parties(1);
    let second = directed(&first, [Direction::Inactive; 2]);
    let ports = world.put(&second);
    assert_eq!(world.refusal(OWNER, &first), Reason::Stale { revision: 2 });

    let mut inherited = first.clone();
    inherited.epoch = 2;
    let Reply::Established { terminations, .. } = world.ask(HEIR, Request::Put(inherited)) else {
        panic!()
    };
    assert_eq!(terminations, ports, "the phones notice nothing");
    let late = directed(&second, [Direction::SendOnly; 2]);
    assert_eq!(world.refusal(OWNER, &late), Reason::Fenced { epoch: 2 });
    let refused = world.ask(
        OWNER,
        Request::Release {
            session: call(1),
            epoch: 1,
        },
    );
    let reason = Reason::Fenced { epoch: 2 };
    assert_eq!(
        refused,
        Reply::Refused {
            session: call(1),
            revision: None,
            reason
        }
    );
    assert_eq!(world.sessions.len(), 1);
}

#[test]
fn a_released_session_stays_dead_for_its_former_owner_and_a_repeated_release_says_the_same() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let descriptor = with_remotes(1, &alice, &bob);
    let ports = world.put(&descriptor);
    world.talk(5, &ports, &mut alice, &mut bob);
    let quality = world.release(1);
    assert_eq!(quality[0].packets, 5);
    assert_eq!(world.release(1), quality);
    assert_eq!(world.ended, [quality], "it ended once");
    assert_eq!(
        world.refusal(OWNER, &descriptor),
        Reason::Stale { revision: 1 }
    );
    let mut old = descriptor.clone();
    old.epoch = 0;
    assert_eq!(world.refusal(OWNER, &old), Reason::Fenced { epoch: 1 });
    assert!(world.ports.open.is_empty());
    world.put(&revised(&descriptor, |_| {}));
}

#[test]
fn releasing_what_is_not_there_is_no_error() {
    let mut world = World::new();
    assert_eq!(world.release(9), []);
}

#[test]
fn when_the_ports_are_used_up_nothing_is_left_half_open_and_the_old_session_goes_on() {
    let mut world = World::new();
    world.ports.limit = 3;
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let first = with_remotes(1, &alice, &bob);
    let ports = world.put(&first);
    assert_eq!(world.refusal(OWNER, &two_parties(2)), Reason::NoPorts);
    let more = revised(&first, |d| {
        d.terminations
            .extend([2, 3].map(|id| Termination::new(id, Family::V4)));
    });
    assert_eq!(world.refusal(OWNER, &more), Reason::NoPorts);
    assert_eq!(world.ports.open.len(), 4);
    assert_eq!(world.talk(5, &ports, &mut alice, &mut bob), [5, 5]);
    world.release(1);
    world.put(&two_parties(2));
}

#[test]
fn a_termination_that_changes_its_family_gets_other_ports() {
    let mut world = World::new();
    let first = two_parties(1);
    let before = world.put(&first);
    let after = world.put(&revised(&first, |d| d.terminations[1].family = Family::V6));
    assert_eq!(before[0], after[0]);
    assert!(after[1].rtp.is_ipv6());
    assert_eq!(world.ports.open.len(), 4);
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    let mut world = World::new();
    let mut nonsense = two_parties(1);
    nonsense.links[0].to = 5;
    assert_eq!(
        world.refusal(OWNER, &nonsense),
        Reason::Bad(DescriptorError::UnknownTermination(5))
    );
    let mut everybody = two_parties(1);
    everybody.terminations[0].remote = Some(crate::world::at("224.0.0.1:4000"));
    assert_eq!(
        world.refusal(OWNER, &everybody),
        Reason::Bad(DescriptorError::BadRemote(0))
    );
    assert!(world.sessions.is_empty());
}

#[test]
fn a_full_server_refuses() {
    let mut world = World::with(Limits {
        sessions: 2,
        ..Limits::default()
    });
    world.put(&two_parties(1));
    world.put(&two_parties(2));
    assert_eq!(world.refusal(OWNER, &two_parties(3)), Reason::Full);
    world.put(&revised(&two_parties(1), |_| {}));
}

#[test]
fn a_silent_party_is_reported_once_to_the_owner_and_again_when_it_comes_back() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut descriptor = with_remotes(1, &alice, &bob);
    descriptor.rtp_timeout_ms = Some(30_000);
    let ports = world.put(&descriptor);
    world.talk(50, &ports, &mut alice, &mut bob);
    for _ in 0..50 * 60 {
        world.says(&mut alice, ports[0].rtp).unwrap();
        world.pass(FRAME_US);
    }
    let silent_ms = 30_000;
    let timeout = Event::RtpTimeout {
        session: call(1),
        termination: 1,
        silent_ms,
    };
    assert_eq!(world.events(), [(Audience::Peer(OWNER), timeout)]);

    world.says(&mut bob, ports[1].rtp).unwrap();
    let resumed = Event::RtpResumed {
        session: call(1),
        termination: 1,
    };
    assert_eq!(world.events(), [(Audience::Peer(OWNER), resumed)]);
    assert_eq!(world.release(1)[1].longest_gap_ms, 60_020);
}

#[test]
fn nobody_times_out_on_hold_and_the_time_begins_anew_after_it() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut talking = with_remotes(1, &alice, &bob);
    talking.rtp_timeout_ms = Some(10_000);
    let ports = world.put(&talking);
    world.talk(50, &ports, &mut alice, &mut bob);
    let held = directed(&talking, [Direction::Inactive; 2]);
    world.put(&held);
    world.pass(3_600_000_000);
    assert_eq!(world.events(), []);
    world.put(&directed(&held, [Direction::SendRecv; 2]));
    world.pass(9_000_000);
    assert_eq!(world.events(), []);
    world.pass(1_000_000);
    assert_eq!(world.events().len(), 2);
    world.pass(100_000_000);
    assert_eq!(world.events(), [], "said once");
}

#[test]
fn an_heir_that_puts_the_session_learns_of_the_silence_that_its_predecessor_was_told() {
    let mut world = World::new();
    let mut descriptor = two_parties(1);
    descriptor.rtp_timeout_ms = Some(10_000);
    world.put(&descriptor);
    world.pass(15_000_000);
    assert_eq!(world.events().len(), 2);
    world.input(Input::PeerGone(OWNER));
    world.pass(5_000_000);
    descriptor.epoch = 2;
    world.ask(HEIR, Request::Put(descriptor));
    let silent = |termination| Event::RtpTimeout {
        session: call(1),
        termination,
        silent_ms: 20_000,
    };
    assert_eq!(
        world.events(),
        [0, 1].map(|termination| (Audience::Peer(HEIR), silent(termination)))
    );
}

#[test]
fn a_session_outlives_its_control_node_and_tells_everyone_what_happens() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut descriptor = with_remotes(1, &alice, &bob);
    descriptor.rtp_timeout_ms = Some(10_000);
    let ports = world.put(&descriptor);
    world.input(Input::PeerGone(OWNER));
    let frames = 50 * 60 * 15;
    assert_eq!(
        world.talk(frames, &ports, &mut alice, &mut bob),
        [frames, frames],
        "past the time for orphans"
    );
    world.pass(10_000_000);
    assert!(
        world
            .events()
            .iter()
            .all(|(to, _)| *to == Audience::Everyone)
    );
}

#[test]
fn a_session_that_nobody_claims_and_nobody_talks_in_is_reaped() {
    let mut world = World::with(Limits {
        orphan_ms: 60_000,
        ..Limits::default()
    });
    world.put(&two_parties(1));
    world.put(&two_parties(2));
    world.pass(3_600_000_000);
    assert_eq!(
        world.sessions.len(),
        2,
        "an owner that is there keeps its sessions"
    );
    world.input(Input::PeerGone(OWNER));
    world.pass(30_000_000);
    let kept = two_parties(2);
    world.ask(HEIR, Request::Put(kept));
    world.pass(30_000_000);
    let events = world.events();
    assert!(
        matches!(&events[..], [(Audience::Everyone, Event::Reaped { session, .. })] if *session == call(1))
    );
    assert_eq!((world.sessions.len(), world.ports.open.len()), (1, 4));

    // Its owner was only cut off: it says the same again.
    world.put(&two_parties(1));
}

#[test]
fn an_inventory_tells_all_sessions_page_by_page() {
    let mut world = World::new();
    for number in 0..1500 {
        world.put(&two_parties(number));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let Reply::Inventory { sessions, more } = world.ask(HEIR, Request::Inventory { after })
        else {
            panic!()
        };
        after = sessions.last().map(|held| held.session);
        seen.extend(sessions.into_iter().map(|held| held.session.call));
        if !more {
            break;
        }
    }
    assert_eq!(seen, (0..1500).collect::<Vec<_>>());
}

#[test]
fn a_draining_server_keeps_its_sessions_takes_no_new_ones_and_says_when_it_is_empty() {
    let mut world = World::new();
    let descriptor = two_parties(1);
    world.put(&descriptor);
    let Reply::Pong(load) = world.ask(OWNER, Request::Drain) else {
        panic!()
    };
    assert_eq!((load.sessions, load.draining), (1, true));
    assert_eq!(
        world.events(),
        [(Audience::Everyone, Event::Draining { sessions: 1 })]
    );
    assert_eq!(world.refusal(OWNER, &two_parties(2)), Reason::Draining);
    world.put(&revised(&descriptor, |_| {}));
    world.release(1);
    assert_eq!(world.events(), [(Audience::Everyone, Event::Drained)]);
    world.ask(OWNER, Request::Resume);
    world.put(&two_parties(2));
}
