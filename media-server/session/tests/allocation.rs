//! How much memory a session takes, and that packets take none.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use carillon_protocol::{
    Family, Link, Payload, Reason, Request, SessionDescriptor, SessionId, Termination,
};
use carillon_rtp::Packet;
use carillon_session::{
    Component, Decision, Input, Limits, Opened, Peer, Place, Ports, Sessions, Slot, SocketKey,
};

/// The system's allocator, with an account of each thread.
struct Counting;

thread_local! {
    static OCTETS: Cell<i64> = const { Cell::new(0) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; the cells need no allocation of their own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        OCTETS.set(OCTETS.get() + layout.size() as i64);
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        OCTETS.set(OCTETS.get() - layout.size() as i64);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Numbered(u32);

impl Ports for Numbered {
    fn open(&mut self, _: Place, _: Family, _: bool) -> Result<Opened, Reason> {
        self.0 += 2;
        let address = |key: u32| SocketAddr::from(([10, 0, 0, 1], key as u16));
        Ok(Opened {
            rtp: address(self.0),
            rtp_socket: SocketKey(self.0),
            rtcp: Some((address(self.0 + 1), SocketKey(self.0 + 1))),
        })
    }

    fn share(&mut self, _: Place, ports: &Opened, _: bool) -> Result<Opened, Reason> {
        Ok(*ports)
    }

    fn close(&mut self, _: Place, _: &Opened) {}

    fn free_pairs(&self) -> u32 {
        1
    }
}

fn call(number: u128) -> SessionDescriptor {
    let payload = |number, name: &str| Payload {
        number,
        name: name.into(),
        clock_rate: 8000,
    };
    let party = |id: u8| Termination {
        remote: Some(([192, 0, 2, id + 1], 4000).into()),
        payloads: vec![
            payload(8, "PCMA"),
            payload(0, "PCMU"),
            payload(9, "G722"),
            payload(101, "telephone-event"),
        ],
        ..Termination::new(id, Family::V4)
    };
    SessionDescriptor {
        session: SessionId {
            call: number,
            part: 0,
        },
        epoch: 1,
        revision: 1,
        terminations: vec![party(0), party(1)],
        links: vec![Link { from: 0, to: 1 }, Link { from: 1, to: 0 }],
        rtp_timeout_ms: Some(30_000),
    }
}

fn put(sessions: &mut Sessions, ports: &mut Numbered, number: u128) {
    let request = Request::Put(call(number));
    let peer = Peer(1);
    sessions.handle_input(1, Input::Request { peer, request }, ports);
    while sessions.poll_output().is_some() {}
}

#[test]
fn a_session_takes_less_than_two_kibibytes() {
    const SESSIONS: u128 = 1024;
    let (mut sessions, mut ports) = (Sessions::new(Limits::default()), Numbered(10_000));
    put(&mut sessions, &mut ports, SESSIONS);
    let before = OCTETS.get();
    (0..SESSIONS).for_each(|number| put(&mut sessions, &mut ports, number));
    let each = (OCTETS.get() - before) / SESSIONS as i64;
    assert!(each < 2048, "{each} octets");
}

#[test]
fn packets_allocate_nothing() {
    let (mut sessions, mut ports) = (Sessions::new(Limits::default()), Numbered(10_000));
    put(&mut sessions, &mut ports, 1);
    let mut octets = Vec::new();
    Packet::new(8, 0, 0, 1, &[0xd5; 160]).write(&mut octets);
    let before = CALLS.get();
    let mut relayed = 0;
    for number in 0..10_000_u16 {
        octets[2..4].copy_from_slice(&number.to_be_bytes());
        octets[4..8].copy_from_slice(&(u32::from(number) * 160).to_be_bytes());
        let now_us = u64::from(number) * 20_000;
        let termination = (number % 2) as u8;
        let slot = Slot(0);
        let place = Place { slot, termination };
        let source = ([192, 0, 2, termination + 1], 4000).into();
        let decision = sessions.handle_packet(now_us, place, Component::Rtp, source, &mut octets);
        let Decision::Relay(mut targets) = decision else {
            panic!("{decision:?}")
        };
        while sessions
            .next_target(slot, &mut targets, octets.len())
            .is_some()
        {
            relayed += 1;
        }
    }
    assert_eq!((relayed, CALLS.get() - before), (10_000, 0));
}
