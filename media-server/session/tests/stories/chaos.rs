//! Whatever control nodes and the network say, in whatever order, no port is lost and nothing panics.

use crate::world::{World, call};
use carillon_protocol::{Direction, Family, Link, Request, SessionDescriptor, Termination};
use carillon_session::{Component, Input, Limits, Peer};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Request(Peer, Request),
    Gone(Peer),
    Packet {
        port: prop::sample::Index,
        source: u8,
        octets: Vec<u8>,
    },
    Pass(u64),
    Limit(usize),
}

fn termination() -> impl Strategy<Value = Termination> {
    (
        0_u8..4,
        option::of(1_u16..9),
        any::<(bool, bool, bool)>(),
        0_usize..4,
    )
        .prop_map(|(id, remote, flags, direction)| {
            let directions = [
                Direction::SendRecv,
                Direction::SendOnly,
                Direction::RecvOnly,
                Direction::Inactive,
            ];
            Termination {
                remote: remote
                    .filter(|_| flags.0)
                    .map(|port| ([192, 0, 2, 1], port).into()),
                rtcp_mux: flags.1,
                latch: flags.2,
                direction: directions[direction],
                ..Termination::new(id, if flags.0 { Family::V4 } else { Family::V6 })
            }
        })
        .boxed()
}

fn descriptor() -> impl Strategy<Value = SessionDescriptor> {
    let links = vec((0_u8..4, 0_u8..4), 0..5);
    (
        0_u128..4,
        0_u64..3,
        0_u64..6,
        vec(termination(), 0..4),
        links,
        option::of(0_u64..2000),
    )
        .prop_map(
            |(number, epoch, revision, terminations, links, rtp_timeout_ms)| SessionDescriptor {
                session: call(number),
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
        6 => descriptor().prop_map(Request::Put),
        2 => (0_u128..4, 0_u64..3).prop_map(|(number, epoch)| Request::Release { session: call(number), epoch }),
        1 => Just(Request::Inventory { after: None }),
        1 => prop_oneof![Just(Request::Drain), Just(Request::Resume), Just(Request::Ping)],
    ]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let likely =
        (any::<u16>(), 0_u32..3, vec(any::<u8>(), 0..20)).prop_map(|(sequence, ssrc, payload)| {
            let mut octets = Vec::new();
            carillon_rtp::Packet::new(8, sequence % 8, 0, ssrc, &payload).write(&mut octets);
            octets
        });
    prop_oneof![4 => likely, 1 => vec(any::<u8>(), 0..60)]
}

fn step() -> impl Strategy<Value = Step> {
    let peer = || (0_u64..3).prop_map(Peer);
    prop_oneof![
        4 => (peer(), request()).prop_map(|(peer, request)| Step::Request(peer, request)),
        1 => peer().prop_map(Step::Gone),
        6 => (any::<prop::sample::Index>(), 1_u8..5, octets())
            .prop_map(|(port, source, octets)| Step::Packet { port, source, octets }),
        2 => (0_u64..3_000_000).prop_map(Step::Pass),
        1 => (0_usize..8).prop_map(Step::Limit),
    ]
}

proptest! {
    #[test]
    fn no_port_is_lost_and_every_request_is_answered(steps in vec(step(), 1..120)) {
        let mut world = World::with(Limits { sessions: 3, orphan_ms: 2_000 });
        for step in steps {
            match step {
                Step::Request(peer, request) => drop(world.ask(peer, request)),
                Step::Gone(peer) => world.input(Input::PeerGone(peer)),
                Step::Pass(us) => world.pass(us),
                Step::Limit(limit) => world.ports.limit = limit,
                Step::Packet { port, source, octets } => {
                    let open: Vec<_> = world.ports.open.values().copied().collect();
                    if !open.is_empty() {
                        let (_, component, address) = open[port.index(open.len())];
                        prop_assert!(matches!(component, Component::Rtp | Component::Rtcp));
                        let source = ([192, 0, 2, 1], u16::from(source)).into();
                        for (from, to) in world.deliver(source, address, &octets).unwrap_or_default() {
                            prop_assert!(!to.ip().is_unspecified());
                            prop_assert!(open.iter().any(|(_, _, address)| *address == from));
                        }
                    }
                }
            }
            prop_assert!(world.sessions.poll_timeout().is_none_or(|at_us| at_us > 0));
        }
        for number in 0..4 {
            world.ask(Peer(0), Request::Release { session: call(number), epoch: 9 });
        }
        prop_assert!(world.sessions.is_empty());
        prop_assert!(world.ports.open.is_empty());
        prop_assert_eq!(world.sessions.poll_timeout(), None);
    }
}
