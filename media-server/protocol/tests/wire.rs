//! The octets on the wire: they come back as they went, hostile ones are errors, and they do not change by accident.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use carillon_protocol::{
    ClientHello, DescriptorError, Direction, DirectionQuality, Event, Family, Held, Link, Load,
    Local, MAX_MESSAGE_OCTETS, MAX_TERMINATIONS, NodeName, Payload, Reason, Reply, Request,
    ServerHello, SessionDescriptor, SessionId, Termination, ToClient, ToServer, agree, decode,
    encode,
};
use expect_test::expect;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn session() -> impl Strategy<Value = SessionId> {
    (any::<u128>(), any::<u8>()).prop_map(|(call, part)| SessionId { call, part })
}

fn address() -> impl Strategy<Value = SocketAddr> {
    any::<(std::net::IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive)
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    (any::<u8>(), ".{0,40}", any::<u32>()).prop_map(|(number, name, clock_rate)| Payload {
        number,
        name,
        clock_rate,
    })
}

fn termination() -> impl Strategy<Value = Termination> {
    (
        any::<u8>(),
        option::of(address()),
        option::of(address()),
        any::<bool>(),
        prop_oneof![Just(Family::V4), Just(Family::V6)],
        direction(),
        vec(payload(), 0..5),
        any::<bool>(),
    )
        .prop_map(
            |(id, remote, remote_rtcp, rtcp_mux, family, direction, payloads, latch)| Termination {
                id,
                remote,
                remote_rtcp,
                rtcp_mux,
                family,
                direction,
                payloads,
                latch,
            },
        )
}

fn descriptor() -> impl Strategy<Value = SessionDescriptor> {
    (
        session(),
        any::<u64>(),
        any::<u64>(),
        vec(termination(), 0..5),
        vec(any::<(u8, u8)>(), 0..8),
        option::of(any::<u64>()),
    )
        .prop_map(
            |(session, epoch, revision, terminations, links, rtp_timeout_ms)| SessionDescriptor {
                session,
                epoch,
                revision,
                terminations,
                links: links
                    .into_iter()
                    .map(|(from, to)| Link { from, to })
                    .collect(),
                rtp_timeout_ms,
            },
        )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        descriptor().prop_map(Request::Put),
        (session(), any::<u64>()).prop_map(|(session, epoch)| Request::Release { session, epoch }),
        option::of(session()).prop_map(|after| Request::Inventory { after }),
        Just(Request::Drain),
        Just(Request::Resume),
        Just(Request::Ping),
    ]
}

fn quality() -> impl Strategy<Value = DirectionQuality> {
    (
        any::<(u8, u64, u64, u64, u64, u64, u32, u32)>(),
        any::<(Option<u32>, Option<u16>, Option<u8>, u64, u64, u32)>(),
    )
        .prop_map(|(a, b)| DirectionQuality {
            termination: a.0,
            packets: a.1,
            bytes: a.2,
            expected: a.3,
            lost: a.4,
            reordered: a.5,
            jitter_us: a.6,
            jitter_max_us: a.7,
            round_trip_us: b.0,
            mos_hundredths: b.1,
            payload: b.2,
            foreign: b.3,
            sent_packets: b.4,
            longest_gap_ms: b.5,
        })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        any::<u64>().prop_map(|epoch| Reason::Fenced { epoch }),
        any::<u64>().prop_map(|revision| Reason::Stale { revision }),
        Just(Reason::Conflict),
        Just(Reason::NoPorts),
        Just(Reason::Full),
        Just(Reason::Draining),
        Just(Reason::NoAddress),
        any::<u8>().prop_map(|id| Reason::Bad(DescriptorError::DuplicateTermination(id))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (session(), any::<u8>(), any::<u64>()).prop_map(|(session, termination, silent_ms)| {
            Event::RtpTimeout {
                session,
                termination,
                silent_ms,
            }
        }),
        (session(), any::<u8>()).prop_map(|(session, termination)| Event::RtpResumed {
            session,
            termination
        }),
        (session(), vec(quality(), 0..3))
            .prop_map(|(session, quality)| Event::Reaped { session, quality }),
        any::<u32>().prop_map(|sessions| Event::Draining { sessions }),
        Just(Event::Drained),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (
            session(),
            any::<u64>(),
            vec((any::<u8>(), address(), address()), 0..4)
        )
            .prop_map(|(session, revision, all)| {
                let terminations = all
                    .into_iter()
                    .map(|(id, rtp, rtcp)| Local { id, rtp, rtcp })
                    .collect();
                Reply::Established {
                    session,
                    revision,
                    terminations,
                }
            }),
        (session(), any::<Option<u64>>(), reason()).prop_map(|(session, revision, reason)| {
            Reply::Refused {
                session,
                revision,
                reason,
            }
        }),
        (session(), vec(quality(), 0..4))
            .prop_map(|(session, quality)| Reply::Released { session, quality }),
        (
            vec((session(), any::<(u64, u64, u64)>()), 0..4),
            any::<bool>()
        )
            .prop_map(|(all, more)| {
                let held = |(session, (epoch, revision, silent_ms))| Held {
                    session,
                    epoch,
                    revision,
                    silent_ms,
                };
                Reply::Inventory {
                    sessions: all.into_iter().map(held).collect(),
                    more,
                }
            }),
        any::<(u32, u32, bool)>().prop_map(|(sessions, free_port_pairs, draining)| Reply::Pong(
            Load {
                sessions,
                free_port_pairs,
                draining
            }
        )),
        event().prop_map(Reply::Event),
    ]
}

proptest! {
    #[test]
    fn what_a_control_node_says_arrives_as_it_was_said(request in request()) {
        let message = ToServer::Request(request);
        let back: ToServer = decode(&encode(&message).unwrap()).unwrap();
        prop_assert_eq!(back, message);
    }

    #[test]
    fn what_a_media_server_says_arrives_as_it_was_said(reply in reply()) {
        let message = ToClient::Reply(reply);
        let back: ToClient = decode(&encode(&message).unwrap()).unwrap();
        prop_assert_eq!(back, message);
    }

    #[test]
    fn any_octets_are_a_message_or_an_error(octets in vec(any::<u8>(), 0..400)) {
        let _ = decode::<ToServer>(&octets);
        let _ = decode::<ToClient>(&octets);
    }

    #[test]
    fn a_damaged_message_is_a_message_or_an_error(request in request(), at in any::<prop::sample::Index>(), to: u8) {
        let mut octets = encode(&ToServer::Request(request)).unwrap();
        let at = at.index(octets.len());
        octets[at] = to;
        let _ = decode::<ToServer>(&octets);
        prop_assert!(decode::<ToServer>(&octets[..at]).is_err());
    }
}

fn plain_call() -> SessionDescriptor {
    let mut caller = Termination::new(0, Family::V4);
    caller.remote = Some("192.0.2.1:4000".parse().unwrap());
    caller.payloads = vec![Payload {
        number: 8,
        name: "PCMA".into(),
        clock_rate: 8000,
    }];
    SessionDescriptor {
        session: SessionId {
            call: 0x0102_0304,
            part: 1,
        },
        epoch: 2,
        revision: 3,
        terminations: vec![caller, Termination::new(1, Family::V6)],
        links: vec![Link { from: 0, to: 1 }, Link { from: 1, to: 0 }],
        rtp_timeout_ms: Some(30_000),
    }
}

fn hex(octets: &[u8]) -> String {
    octets
        .chunks(32)
        .map(|line| line.iter().map(|o| format!("{o:02x}")).collect::<String>() + "\n")
        .collect()
}

/// Version 1 on the wire. A change here breaks clusters of mixed versions: add fields with a default instead.
#[test]
fn the_octets_of_version_1_stay() {
    let put = encode(&ToServer::Request(Request::Put(plain_call()))).unwrap();
    expect![[r#"
        81a75265717565737481a350757486a773657373696f6e82a463616c6cc41000
        000000000000000000000001020304a47061727401a565706f636802a8726576
        6973696f6e03ac7465726d696e6174696f6e739288a2696400a672656d6f7465
        81a256349294ccc0000201cd0fa0ab72656d6f74655f72746370c0a872746370
        5f6d7578c2a666616d696c79a25634a9646972656374696f6ea853656e645265
        6376a87061796c6f6164739183a66e756d62657208a46e616d65a450434d41aa
        636c6f636b5f72617465cd1f40a56c61746368c388a2696401a672656d6f7465
        c0ab72656d6f74655f72746370c0a8727463705f6d7578c2a666616d696c79a2
        5636a9646972656374696f6ea853656e6452656376a87061796c6f61647390a5
        6c61746368c3a56c696e6b739282a466726f6d00a2746f0182a466726f6d01a2
        746f00ae7274705f74696d656f75745f6d73cd7530
    "#]]
    .assert_eq(&hex(&put));
    let timeout = Event::RtpTimeout {
        session: SessionId { call: 7, part: 0 },
        termination: 1,
        silent_ms: 30_000,
    };
    expect![[r#"
        81a55265706c7981a54576656e7481aa52747054696d656f757483a773657373
        696f6e82a463616c6cc41000000000000000000000000000000007a470617274
        00ab7465726d696e6174696f6e01a973696c656e745f6d73cd7530
    "#]]
    .assert_eq(&hex(
        &encode(&ToClient::Reply(Reply::Event(timeout))).unwrap()
    ));
    let hello = ToClient::Hello(ServerHello {
        version: 1,
        node: NodeName {
            id: 4,
            software: "carillon 0.1.0".into(),
        },
        instance: 5,
        load: Load {
            sessions: 6,
            free_port_pairs: 7,
            draining: true,
        },
    });
    expect![[r#"
        81a548656c6c6f84a776657273696f6e01a46e6f646582a2696404a8736f6674
        77617265ae636172696c6c6f6e20302e312e30a8696e7374616e636505a46c6f
        616483a873657373696f6e7306af667265655f706f72745f706169727307a864
        7261696e696e67c3
    "#]]
    .assert_eq(&hex(&encode(&hello).unwrap()));
}

#[test]
fn a_field_that_a_newer_version_adds_is_passed_over_and_a_missing_one_has_its_default() {
    // {"Reply": {"Released": {"session": …, "quality": [{termination, packets, …, "news": true}]}}} by hand.
    let mut octets = vec![0x81, 0xa5];
    octets.extend(b"Reply\x81\xa8Released\x82\xa7session\x82\xa4call\xc4\x10");
    octets.extend([0; 16]);
    octets
        .extend(b"\xa4part\x00\xa7quality\x91\x87\xabtermination\x01\xa7packets\x02\xa5bytes\x03");
    octets.extend(b"\xa8expected\x04\xa4lost\x05\xa9jitter_us\x06\xa4news\xc3");
    let expected = DirectionQuality {
        termination: 1,
        packets: 2,
        bytes: 3,
        expected: 4,
        lost: 5,
        jitter_us: 6,
        ..DirectionQuality::default()
    };
    let session = SessionId { call: 0, part: 0 };
    let back: ToClient = decode(&octets).unwrap();
    assert_eq!(
        back,
        ToClient::Reply(Reply::Released {
            session,
            quality: vec![expected]
        })
    );
}

#[test]
fn a_message_over_the_limit_is_neither_sent_nor_read() {
    let mut descriptor = plain_call();
    descriptor.links = vec![Link { from: 0, to: 1 }; 40_000];
    assert!(encode(&ToServer::Request(Request::Put(descriptor))).is_err());
    assert!(decode::<ToServer>(&vec![0xc0; MAX_MESSAGE_OCTETS + 1]).is_err());
}

#[test]
fn octets_after_a_message_are_an_error() {
    let mut octets = encode(&ToServer::Request(Request::Ping)).unwrap();
    octets.push(0xc0);
    assert!(decode::<ToServer>(&octets).is_err());
}

#[test]
fn the_largest_descriptor_fits_into_a_message() {
    let payload = Payload {
        number: 127,
        name: "x".repeat(32),
        clock_rate: 192_000,
    };
    let everybody = 0..u8::try_from(MAX_TERMINATIONS).unwrap();
    let termination = |id| Termination {
        remote: Some("[2001:db8::ffff]:65535".parse().unwrap()),
        remote_rtcp: Some("[2001:db8::ffff]:65535".parse().unwrap()),
        payloads: vec![payload.clone(); 32],
        ..Termination::new(id, Family::V6)
    };
    let descriptor = SessionDescriptor {
        terminations: everybody.clone().map(termination).collect(),
        links: everybody
            .clone()
            .flat_map(|from| everybody.clone().map(move |to| Link { from, to }))
            .collect(),
        ..plain_call()
    };
    assert_eq!(descriptor.validate(), Ok(()));
    encode(&ToServer::Request(Request::Put(descriptor))).unwrap();
}

#[test]
fn a_descriptor_that_makes_no_sense_is_refused_with_the_termination_named() {
    let broken = |change: &dyn Fn(&mut SessionDescriptor)| {
        let mut descriptor = plain_call();
        change(&mut descriptor);
        descriptor.validate()
    };
    assert_eq!(plain_call().validate(), Ok(()));
    assert_eq!(
        broken(&|d| d.terminations[1].id = 0),
        Err(DescriptorError::DuplicateTermination(0))
    );
    assert_eq!(
        broken(&|d| d.links[0].to = 9),
        Err(DescriptorError::UnknownTermination(9))
    );
    assert_eq!(
        broken(&|d| d.terminations[1].remote = d.terminations[0].remote),
        Err(DescriptorError::BadRemote(1))
    );
    assert_eq!(
        broken(&|d| d.terminations[0].payloads[0].number = 128),
        Err(DescriptorError::BadPayload(0))
    );
    assert_eq!(
        broken(&|d| d.terminations[0].payloads = vec![d.terminations[0].payloads[0].clone(); 33]),
        Err(DescriptorError::TooManyPayloads(0))
    );
    assert_eq!(
        broken(&|d| d.terminations = (0..65).map(|id| Termination::new(id, Family::V4)).collect()),
        Err(DescriptorError::TooManyTerminations(65))
    );
}

#[test]
fn two_versions_agree_on_what_both_speak() {
    let hello = |oldest_version, version| ClientHello {
        version,
        oldest_version,
        node: NodeName {
            id: 1,
            software: String::new(),
        },
    };
    assert_eq!(agree(&hello(1, 1)), Some(1));
    assert_eq!(agree(&hello(1, 9)), Some(1));
    assert_eq!(agree(&hello(2, 9)), None);
    assert_eq!(agree(&hello(0, 0)), None);
}
