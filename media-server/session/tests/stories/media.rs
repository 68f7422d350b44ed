//! What the parties of a session hear.

use crate::world::{World, at, directed, phone, revised, two_parties, with_remotes};
use carillon_protocol::{Direction, Link, Payload, Termination};
use carillon_rtp::rtcp::{self, ReportBlock, SenderInfo, Writer};
use carillon_rtp::{Packet, TelephoneEvent};
use carillon_session::Discard;

#[test]
fn alice_and_bob_hear_each_other() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    assert_eq!(world.talk(100, &ports, &mut alice, &mut bob), [100, 100]);

    let quality = world.release(1);
    for (direction, id) in quality.iter().zip([0, 1]) {
        assert_eq!(
            (direction.termination, direction.packets, direction.lost),
            (id, 100, 0)
        );
        assert_eq!((direction.bytes, direction.sent_packets), (16_000, 100));
        assert_eq!((direction.jitter_us, direction.payload), (0, Some(8)));
        assert_eq!(direction.mos_hundredths, Some(440));
        assert_eq!(direction.longest_gap_ms, 20);
    }
    assert!(world.ports.open.is_empty());
}

#[test]
fn each_party_hears_from_the_port_that_it_was_told() {
    let mut world = World::new();
    let (alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    let mut octets = Vec::new();
    Packet::new(8, 1, 1, 1, &[0]).write(&mut octets);
    assert_eq!(
        world.deliver(alice.address, ports[0].rtp, &octets),
        Ok(vec![(ports[1].rtp, bob.address)])
    );
}

#[test]
fn a_phone_behind_nat_is_answered_where_its_media_comes_from() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("198.51.100.7:31000", 1), phone("192.0.2.2:5000", 2));
    let mut descriptor = with_remotes(1, &alice, &bob);
    descriptor.terminations[0].remote = Some(at("10.1.1.1:4000"));
    let ports = world.put(&descriptor);
    assert_eq!(
        world.talk(100, &ports, &mut alice, &mut bob),
        [98, 100],
        "two packets went to the SDP's address"
    );
}

#[test]
fn media_flows_before_the_sdp_of_the_callee_is_known_and_goes_on_when_it_comes() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let early = revised(&with_remotes(1, &alice, &bob), |d| {
        d.terminations[1].remote = None
    });
    let ports = world.put(&early);
    assert_eq!(
        world.says(&mut alice, ports[0].rtp),
        Ok(vec![]),
        "nobody knows where bob is"
    );
    assert_eq!(world.talk(10, &ports, &mut alice, &mut bob), [10, 9]);
    assert_eq!(
        world.put(&revised(&early, |d| d.terminations[1].remote = Some(bob.address))),
        ports
    );
    assert_eq!(world.talk(10, &ports, &mut alice, &mut bob), [10, 10]);
}

#[test]
fn a_stranger_is_neither_heard_nor_answered_and_is_counted() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut thief = phone("203.0.113.66:6666", 1);
    let ports = world.put(&two_parties(1));
    world.talk(10, &ports, &mut alice, &mut bob);
    for _ in 0..100 {
        thief.sequence = alice.sequence;
        assert_eq!(world.says(&mut thief, ports[0].rtp), Err(Discard::Foreign));
        assert_eq!(world.talk(1, &ports, &mut alice, &mut bob), [1, 1]);
    }
    let quality = world.release(1);
    assert_eq!((quality[0].foreign, quality[0].lost), (100, 0));
    assert_eq!(world.sessions.totals().foreign, 100);
}

#[test]
fn on_hold_the_held_party_hears_nothing_and_after_it_both_talk_again() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let talking = with_remotes(1, &alice, &bob);
    let ports = world.put(&talking);
    world.talk(10, &ports, &mut alice, &mut bob);

    // Alice says a=sendonly: she may play music, bob's voice stays here.
    let held = directed(&talking, [Direction::RecvOnly, Direction::SendOnly]);
    assert_eq!(world.put(&held), ports);
    assert_eq!(world.talk(10, &ports, &mut alice, &mut bob), [0, 10]);
    assert_eq!(world.says(&mut bob, ports[1].rtp), Err(Discard::Unheard));

    let inactive = directed(&held, [Direction::Inactive, Direction::Inactive]);
    world.put(&inactive);
    assert_eq!(world.talk(10, &ports, &mut alice, &mut bob), [0, 0]);

    let resumed = directed(&inactive, [Direction::SendRecv, Direction::SendRecv]);
    assert_eq!(world.put(&resumed), ports);
    assert_eq!(world.talk(10, &ports, &mut alice, &mut bob), [10, 10]);
}

#[test]
fn hold_in_the_old_way_with_an_unspecified_address_sends_nothing_anywhere() {
    let mut world = World::new();
    let (alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut descriptor = with_remotes(1, &alice, &bob);
    descriptor.terminations[0].remote = Some(at("0.0.0.0:4000"));
    let ports = world.put(&descriptor);
    assert_eq!(world.says(&mut bob, ports[1].rtp), Ok(vec![]));
}

#[test]
fn a_re_invite_moves_the_media_to_another_address_at_once() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let first = with_remotes(1, &alice, &bob);
    let ports = world.put(&first);
    world.talk(10, &ports, &mut alice, &mut bob);
    let mut mobile = phone("192.0.2.99:7000", 9);
    assert_eq!(
        world.put(&revised(&first, |d| d.terminations[1].remote = Some(mobile.address))),
        ports
    );
    assert_eq!(world.talk(10, &ports, &mut alice, &mut mobile), [10, 10]);
    assert_eq!(world.says(&mut bob, ports[1].rtp), Err(Discard::Foreign));
}

#[test]
fn telephone_events_go_through_and_cost_no_quality() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut descriptor = with_remotes(1, &alice, &bob);
    let event = Payload {
        number: 101,
        name: "telephone-event".into(),
        clock_rate: 8000,
    };
    descriptor.terminations[1].payloads.push(event);
    let ports = world.put(&descriptor);
    world.talk(10, &ports, &mut alice, &mut bob);
    for packet in 0..10_u16 {
        let duration = 160 * (packet + 1);
        let payload = TelephoneEvent {
            event: 5,
            end: packet > 6,
            volume: 10,
            duration,
        }
        .to_octets();
        let mut octets = Vec::new();
        Packet::new(101, alice.sequence, 10 * 160, 1, &payload).write(&mut octets);
        alice.sequence += 1;
        assert_eq!(
            world.deliver(alice.address, ports[0].rtp, &octets).unwrap()[0].1,
            bob.address
        );
        world.pass(20_000);
    }
    world.talk(10, &ports, &mut alice, &mut bob);
    let quality = world.release(1);
    assert_eq!(
        (
            quality[0].payload,
            quality[0].jitter_max_us,
            quality[0].lost
        ),
        (Some(8), 0, 0)
    );
    assert_eq!(quality[0].packets, 30);
}

#[test]
fn reports_go_between_the_rtcp_ports_and_tell_the_round_trip() {
    let mut world = World::new();
    let (alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    let ntp = 0x1122_3344_5566_7788;
    let mut report = Vec::new();
    Writer::new(&mut report).sender_report(
        1,
        &SenderInfo {
            ntp,
            ..SenderInfo::default()
        },
        &[],
    );
    let copies = world.deliver(at("192.0.2.1:4001"), ports[0].rtcp, &report);
    assert_eq!(copies, Ok(vec![(ports[1].rtcp, at("192.0.2.2:5001"))]));

    world.pass(1_030_000);
    let delay = rtcp::us_short_ntp(1_000_000);
    let echo = ReportBlock {
        ssrc: 1,
        last_sender_report: rtcp::ntp_middle(ntp),
        delay,
        ..ReportBlock::default()
    };
    let mut answer = Vec::new();
    Writer::new(&mut answer)
        .receiver_report(2, &[echo])
        .canonical_name(2, b"bob")
        .goodbye(&[2]);
    let copies = world.deliver(at("192.0.2.2:5001"), ports[1].rtcp, &answer);
    assert_eq!(copies, Ok(vec![(ports[0].rtcp, at("192.0.2.1:4001"))]));
    assert_eq!(world.release(1)[1].round_trip_us, Some(30_000));
}

#[test]
fn with_mux_reports_share_the_rtp_ports_and_the_others_are_given_back() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let offered = with_remotes(1, &alice, &bob);
    let ports = world.put(&offered);
    assert_eq!(world.ports.open.len(), 4);
    let agreed = revised(&offered, |d| {
        d.terminations.iter_mut().for_each(|t| t.rtcp_mux = true)
    });
    let shared = world.put(&agreed);
    assert_eq!(
        (shared[0].rtp, shared[0].rtcp),
        (ports[0].rtp, ports[0].rtp)
    );
    assert_eq!(world.ports.open.len(), 2);
    world.talk(3, &shared, &mut alice, &mut bob);
    let mut report = Vec::new();
    Writer::new(&mut report).receiver_report(1, &[]);
    let copies = world.deliver(alice.address, ports[0].rtp, &report);
    assert_eq!(copies, Ok(vec![(ports[1].rtp, bob.address)]));

    let split = revised(&agreed, |d| d.terminations[1].rtcp_mux = false);
    assert_eq!(world.put(&split)[1], ports[1]);
    let copies = world.deliver(alice.address, ports[0].rtp, &report);
    assert_eq!(copies, Ok(vec![(ports[1].rtcp, at("192.0.2.2:5001"))]));
}

#[test]
fn reports_of_a_stranger_are_not_passed_on() {
    let mut world = World::new();
    let (alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    let mut report = Vec::new();
    Writer::new(&mut report).receiver_report(1, &[]);
    assert_eq!(
        world.deliver(at("203.0.113.66:6"), ports[0].rtcp, &report),
        Err(Discard::Foreign)
    );
    assert_eq!(
        world.deliver(at("203.0.113.66:6"), ports[0].rtp, &report),
        Err(Discard::Foreign)
    );
}

#[test]
fn what_is_not_media_is_dropped() {
    let mut world = World::new();
    let (alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    let dropped =
        |world: &mut World, octets: &[u8]| world.deliver(alice.address, ports[0].rtp, octets);
    assert_eq!(dropped(&mut world, &[]), Err(Discard::OtherProtocol));
    assert_eq!(
        dropped(&mut world, b"\0\x01\0\0stun"),
        Err(Discard::OtherProtocol)
    );
    assert_eq!(
        dropped(&mut world, b"\x80\x08short"),
        Err(Discard::Malformed)
    );
    assert_eq!(world.sessions.totals().malformed, 1);
}

#[test]
fn a_flood_is_cut_off_at_a_thousand_packets_a_second() {
    let mut world = World::new();
    let (mut alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    let relayed = (0..5000)
        .filter(|_| world.says(&mut alice, ports[0].rtp).is_ok())
        .count();
    assert_eq!(relayed, 1000);
    world.pass(1_000_000);
    assert!(world.says(&mut alice, ports[0].rtp).is_ok());
}

#[test]
fn loss_and_jitter_are_told_at_the_end() {
    let mut world = World::new();
    let (mut alice, mut bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let ports = world.put(&with_remotes(1, &alice, &bob));
    for frame in 0..1000_u64 {
        if frame % 20 == 7 {
            alice.sequence += 1; // lost on the way
        } else {
            world.says(&mut alice, ports[0].rtp).unwrap();
        }
        world.says(&mut bob, ports[1].rtp).unwrap();
        world.pass(if frame % 2 == 0 { 14_000 } else { 26_000 });
    }
    let quality = world.release(1);
    assert_eq!(
        (
            quality[0].expected,
            quality[0].lost,
            quality[0].loss_permille()
        ),
        (1000, 50, 50)
    );
    assert_eq!(quality[1].lost, 0);
    assert!(
        (5.0..=6.0).contains(&quality[1].jitter_ms()),
        "{}",
        quality[1].jitter_ms()
    );
    assert!(quality[0].mos() < quality[1].mos());
}

#[test]
fn three_parties_hear_as_they_are_linked() {
    let mut world = World::new();
    let (mut alice, bob) = (phone("192.0.2.1:4000", 1), phone("192.0.2.2:5000", 2));
    let mut listener = phone("192.0.2.3:6000", 3);
    let mut descriptor = with_remotes(1, &alice, &bob);
    let third = Termination {
        remote: Some(listener.address),
        ..Termination::new(7, carillon_protocol::Family::V4)
    };
    descriptor.terminations.push(third);
    descriptor.links.push(Link { from: 0, to: 7 });
    let ports = world.put(&descriptor);
    assert_eq!(
        world.says(&mut alice, ports[0].rtp),
        Ok(vec![bob.address, listener.address])
    );
    assert_eq!(
        world.says(&mut listener, ports[2].rtp),
        Err(Discard::Unheard)
    );

    let without_bob = revised(&descriptor, |d| {
        d.terminations.remove(1);
        d.links.retain(|link| link.from != 1 && link.to != 1);
    });
    let left = world.put(&without_bob);
    assert_eq!(left, [ports[0], ports[2]]);
    assert_eq!(
        world.says(&mut alice, ports[0].rtp),
        Ok(vec![listener.address])
    );
    let quality = world.release(1);
    assert_eq!(
        quality
            .iter()
            .map(|direction| direction.termination)
            .collect::<Vec<_>>(),
        [1, 0, 7]
    );
}

#[test]
fn a_party_linked_to_itself_hears_its_echo() {
    let mut world = World::new();
    let mut alice = phone("192.0.2.1:4000", 1);
    let mut descriptor = two_parties(1);
    descriptor.terminations.truncate(1);
    descriptor.terminations[0].remote = Some(alice.address);
    descriptor.links = vec![Link { from: 0, to: 0 }];
    let ports = world.put(&descriptor);
    assert_eq!(
        world.says(&mut alice, ports[0].rtp),
        Ok(vec![alice.address])
    );
}
