//! Media servers: the sessions of the product, made-up sockets, and the streams to the control nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use carillon_model::MediaServerId;
use carillon_protocol::{Family, Reason, Reply, Request};
use carillon_session::{
    Audience, Component, Decision, Input, Limits, Opened, Output, Peer, Place, Ports, Sessions,
    SocketKey,
};

use crate::lane::Lane;
use crate::network::Host;

/// A stream over which nothing comes breaks after this.
pub(crate) const IDLE_LIMIT_US: u64 = 3_000_000;
/// A media server that says nothing is taken for dead by a control node after this.
pub(crate) const SILENCE_LIMIT_US: u64 = 300_000;
pub(crate) const FIRST_BACKOFF_US: u64 = 50_000;
const LONGEST_BACKOFF_US: u64 = 2_000_000;
/// A session that no control node wants is removed after this.
const ORPHAN_MS: u64 = 60_000;
/// Port pairs of a server.
const PAIRS: usize = 500;

/// A media server.
pub(crate) struct MediaServer {
    pub(crate) host: Host,
    pub(crate) sessions: Sessions,
    ports: Sockets,
    /// Control nodes that have vanished, and when that is noticed.
    leaving: Vec<(u64, Peer)>,
    /// Which of its processes runs; none while it is off.
    pub(crate) instance: Option<u64>,
    starts: u64,
}

impl MediaServer {
    pub(crate) fn new(number: u8) -> Self {
        let host = Host::Media(number);
        Self {
            instance: Some(0),
            starts: 0,
            host,
            sessions: Sessions::new(Limits {
                orphan_ms: ORPHAN_MS,
                ..Limits::default()
            }),
            ports: Sockets {
                host,
                open: BTreeMap::new(),
                next: 0,
            },
            leaving: Vec::new(),
        }
    }

    /// Its process ends where it stands: what it held is gone.
    pub(crate) fn die(&mut self) {
        let Host::Media(number) = self.host else {
            return;
        };
        let starts = self.starts;
        *self = Self {
            instance: None,
            starts,
            ..Self::new(number)
        };
    }

    /// Starts it, if it is off. Its ports begin somewhere else.
    pub(crate) fn start(&mut self, first: usize) {
        if self.instance.is_none() {
            self.starts += 1;
            self.instance = Some(self.starts);
            self.ports.next = first % PAIRS;
        }
    }

    pub(crate) fn request(&mut self, now_us: u64, peer: Peer, request: Request) {
        let input = Input::Request { peer, request };
        self.sessions.handle_input(now_us, input, &mut self.ports);
    }

    /// A control node is gone; the server finds out in a while.
    pub(crate) fn deserted(&mut self, now_us: u64, peer: Peer) {
        self.leaving.push((now_us + IDLE_LIMIT_US, peer));
    }

    /// It was only silent, and not for too long.
    pub(crate) fn returned(&mut self, peer: Peer) {
        self.leaving.retain(|(_, leaving)| *leaving != peer);
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        let leaving = self.leaving.iter().map(|(at_us, _)| *at_us);
        leaving.chain(self.sessions.poll_timeout()).min()
    }

    pub(crate) fn fire(&mut self, now_us: u64) {
        let (gone, staying) = self.leaving.iter().partition(|(at_us, _)| *at_us <= now_us);
        self.leaving = staying;
        let gone: Vec<(u64, Peer)> = gone;
        for (_, peer) in gone {
            let input = Input::PeerGone(peer);
            self.sessions.handle_input(now_us, input, &mut self.ports);
        }
        self.sessions.handle_timeout(now_us, &mut self.ports);
    }

    pub(crate) fn poll_reply(&mut self) -> Option<(Audience, Reply)> {
        loop {
            match self.sessions.poll_output()? {
                Output::Reply { to, reply } => return Some((to, reply)),
                Output::Ended(_) => {}
            }
        }
    }

    /// Where copies of a datagram go: from which of our addresses, to whom.
    pub(crate) fn relay(
        &mut self,
        now_us: u64,
        from: SocketAddr,
        to: SocketAddr,
        octets: &[u8],
    ) -> Vec<(SocketAddr, SocketAddr)> {
        let Some((place, component)) = self.ports.place_of(to) else {
            return Vec::new();
        };
        let mut octets = octets.to_vec();
        let decision = self
            .sessions
            .handle_packet(now_us, place, component, from, &mut octets);
        let Decision::Relay(mut targets) = decision else {
            return Vec::new();
        };
        let mut copies = Vec::new();
        while let Some(target) = self
            .sessions
            .next_target(place.slot, &mut targets, octets.len())
        {
            copies.extend(
                self.ports
                    .address_of(target.socket)
                    .map(|own| (own, target.to)),
            );
        }
        copies
    }
}

/// Sockets that are only names.
struct Sockets {
    host: Host,
    open: BTreeMap<SocketKey, (Place, Component)>,
    next: usize,
}

impl Sockets {
    fn address_of(&self, key: SocketKey) -> Option<SocketAddr> {
        u16::try_from(key.0).ok().map(|port| self.host.at(port))
    }

    fn place_of(&self, address: SocketAddr) -> Option<(Place, Component)> {
        self.open.get(&SocketKey(address.port().into())).copied()
    }

    fn opened(&mut self, place: Place, port: u16, mux: bool) -> Opened {
        let rtp = SocketKey(port.into());
        let rtcp = SocketKey(u32::from(port) + 1);
        self.open.insert(rtp, (place, Component::Rtp));
        let even = self.host.at(port);
        let odd = self.host.at(port + 1);
        if mux {
            self.open.remove(&rtcp);
        } else {
            self.open.insert(rtcp, (place, Component::Rtcp));
        }
        Opened {
            rtp: even,
            rtp_socket: rtp,
            rtcp: (!mux).then_some((odd, rtcp)),
        }
    }
}

impl Ports for Sockets {
    fn open(&mut self, place: Place, family: Family, mux: bool) -> Result<Opened, Reason> {
        if family == Family::V6 {
            return Err(Reason::NoAddress);
        }
        for _ in 0..PAIRS {
            let port = 10_000 + 2 * u16::try_from(self.next).unwrap_or(0);
            self.next = (self.next + 1) % PAIRS;
            if !self.open.contains_key(&SocketKey(port.into())) {
                return Ok(self.opened(place, port, mux));
            }
        }
        Err(Reason::NoPorts)
    }

    fn share(&mut self, place: Place, ports: &Opened, mux: bool) -> Result<Opened, Reason> {
        Ok(self.opened(place, ports.rtp.port(), mux))
    }

    fn close(&mut self, _: Place, ports: &Opened) {
        self.open.remove(&ports.rtp_socket);
        if let Some((_, key)) = ports.rtcp {
            self.open.remove(&key);
        }
    }

    fn free_pairs(&self) -> u32 {
        let rtp = |component: &Component| *component == Component::Rtp;
        let taken = self.open.values().filter(|(_, component)| rtp(component));
        u32::try_from(PAIRS.saturating_sub(taken.count())).unwrap_or(0)
    }
}

/// What a control node has towards a media server.
pub(crate) struct MediaLink {
    pub(crate) id: MediaServerId,
    pub(crate) stream: Option<Stream>,
    pub(crate) retry_at_us: u64,
    backoff_us: u64,
}

/// A connection with both its directions.
pub(crate) struct Stream {
    pub(crate) peer: Peer,
    /// The process at its other end.
    pub(crate) instance: u64,
    pub(crate) requests: Lane<Request>,
    pub(crate) replies: Lane<Reply>,
    /// Since when nothing gets through.
    pub(crate) silent_since_us: Option<u64>,
}

impl MediaLink {
    pub(crate) fn new(now_us: u64, id: MediaServerId) -> Self {
        Self {
            id,
            stream: None,
            retry_at_us: now_us,
            backoff_us: FIRST_BACKOFF_US,
        }
    }

    pub(crate) fn connected(&mut self, peer: Peer, instance: u64) {
        self.backoff_us = FIRST_BACKOFF_US;
        self.stream = Some(Stream {
            peer,
            instance,
            requests: Lane::default(),
            replies: Lane::default(),
            silent_since_us: None,
        });
    }

    pub(crate) fn try_later(&mut self, now_us: u64) {
        self.retry_at_us = now_us + self.backoff_us;
        self.backoff_us = (2 * self.backoff_us).min(LONGEST_BACKOFF_US);
    }
}
