//! What phones hear.

use std::net::Ipv6Addr;

use carillon_protocol::{Direction, Event, Request};
use carillon_relay::MediaAddress;
use carillon_rtp::rtcp::Writer;

use crate::place::{Phone, Place, between, revised, talk};

#[tokio::test]
async fn two_phones_hear_each_other_and_the_release_tells_how_well() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    talk(50, &ports, &mut alice, &mut bob);
    alice.skip(10);
    talk(40, &ports, &mut alice, &mut bob);

    let quality = node.release(&call).await;
    assert_eq!(
        (quality[0].packets, quality[0].expected, quality[0].lost),
        (90, 100, 10)
    );
    assert_eq!(
        (quality[1].packets, quality[1].lost, quality[1].sent_packets),
        (90, 0, 90)
    );
    assert!(quality[1].mos() > quality[0].mos());
    assert_eq!(place.bound_ports(), 0);
}

#[tokio::test]
async fn reports_go_from_rtcp_port_to_rtcp_port() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let (alice_rtcp, bob_rtcp) = (Phone::new(1), Phone::new(2));
    let mut call = between(7, Some(alice.address()), Some(bob.address()));
    call.terminations[0].remote_rtcp = Some(alice_rtcp.address());
    call.terminations[1].remote_rtcp = Some(bob_rtcp.address());
    let ports = node.put(&call).await;
    assert_eq!(ports[0].rtcp.port(), ports[0].rtp.port() + 1);
    let mut report = Vec::new();
    Writer::new(&mut report)
        .receiver_report(1, &[])
        .canonical_name(1, b"alice");
    alice_rtcp.send(ports[0].rtcp, &report);
    assert_eq!(bob_rtcp.hear_octets(), (report, ports[1].rtcp));
}

#[tokio::test]
async fn phones_over_ipv6_hear_each_other_and_those_over_ipv4() {
    let place = Place::with(|config| {
        config.ipv6 = Some(MediaAddress::plain(Ipv6Addr::LOCALHOST));
        (config.first_port, config.last_port) = (20_100, 20_199);
    })
    .await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new_v6(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    assert!(ports[0].rtp.is_ipv6() && ports[1].rtp.is_ipv4());
    talk(20, &ports, &mut alice, &mut bob);
}

#[tokio::test]
async fn a_phone_whose_sdp_comes_late_is_answered_where_its_media_comes_from() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let ringing = between(7, Some(alice.address()), None);
    let ports = node.put(&ringing).await;
    bob.say(ports[1].rtp);
    assert_eq!(alice.hear(), (2, 0));
    talk(5, &ports, &mut alice, &mut bob);

    // Bob is behind a NAT: the address in his SDP leads nowhere.
    let nowhere = Phone::new(9);
    let answered = revised(&ringing, |d| {
        d.terminations[1].remote = Some(nowhere.address())
    });
    assert_eq!(node.put(&answered).await, ports);
    talk(20, &ports, &mut alice, &mut bob);
    nowhere.hears_nothing();
}

#[tokio::test]
async fn on_hold_the_held_phone_hears_nothing_until_it_is_resumed() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let talking = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&talking).await;
    talk(5, &ports, &mut alice, &mut bob);

    let held = revised(&talking, |d| {
        d.terminations[0].direction = Direction::RecvOnly;
        d.terminations[1].direction = Direction::SendOnly;
    });
    assert_eq!(node.put(&held).await, ports);
    bob.say(ports[1].rtp);
    alice.say(ports[0].rtp);
    assert_eq!(bob.hear(), (1, 5), "music on hold comes from alice's phone");
    node.ask(Request::Ping).await;
    alice.hears_nothing();

    let resumed = revised(&held, |d| {
        d.terminations
            .iter_mut()
            .for_each(|termination| termination.direction = Direction::SendRecv);
    });
    assert_eq!(node.put(&resumed).await, ports);
    talk(5, &ports, &mut alice, &mut bob);
}

#[tokio::test]
async fn a_stranger_who_knows_port_source_and_number_changes_nothing() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob, mut thief) = (Phone::new(1), Phone::new(2), Phone::new(1));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    talk(5, &ports, &mut alice, &mut bob);
    thief.skip(5);
    for _ in 0..20 {
        thief.say(ports[0].rtp);
        talk(1, &ports, &mut alice, &mut bob);
    }
    thief.hears_nothing();
    bob.hears_nothing();
    let quality = node.release(&call).await;
    assert_eq!((quality[0].packets, quality[0].foreign), (25, 20));
}

#[tokio::test]
async fn what_is_no_media_goes_nowhere_and_harms_nobody() {
    let place = Place::open().await;
    let mut node = place.node(1).await;
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = between(7, Some(alice.address()), Some(bob.address()));
    let ports = node.put(&call).await;
    talk(2, &ports, &mut alice, &mut bob);
    let giant = [0x80; 9000];
    for octets in [
        &[][..],
        &[0x80],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 1500],
        &giant,
    ] {
        alice.send(ports[0].rtp, octets);
        alice.send(ports[0].rtcp, octets);
    }
    talk(20, &ports, &mut alice, &mut bob);
    bob.hears_nothing();
    assert!(place.server.totals().other_protocol > 0);
}

#[tokio::test]
async fn the_owner_is_told_when_a_phone_falls_silent_and_when_it_speaks_again() {
    let place = Place::open().await;
    let (mut owner, mut other) = (place.node(1).await, place.node(2).await);
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let mut call = between(7, Some(alice.address()), Some(bob.address()));
    call.terminations[0].direction = Direction::SendOnly;
    call.rtp_timeout_ms = Some(200);
    let ports = owner.put(&call).await;
    let Event::RtpTimeout {
        session,
        termination,
        silent_ms,
    } = owner.event().await
    else {
        panic!()
    };
    assert_eq!((session, termination), (call.session, 1));
    assert!((200..5000).contains(&silent_ms), "{silent_ms}");
    bob.say(ports[1].rtp);
    assert_eq!(
        owner.event().await,
        Event::RtpResumed {
            session,
            termination: 1
        }
    );
    alice.say(ports[0].rtp);

    other.say(Request::Drain).await;
    assert!(
        matches!(other.event().await, Event::Draining { .. }),
        "it is not told of others' calls"
    );
}
