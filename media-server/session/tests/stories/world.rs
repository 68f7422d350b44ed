//! A media server with made-up sockets, and phones that talk RTP to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use carillon_protocol::{
    Direction, DirectionQuality, Event, Family, Link, Local, Payload, Reason, Reply, Request,
    SessionDescriptor, SessionId, Termination,
};
use carillon_rtp::Packet;
use carillon_session::{
    Audience, Component, Decision, Discard, Input, Limits, Opened, Output, Peer, Place, Ports,
    Sessions, SocketKey,
};

pub(crate) const FRAME_US: u64 = 20_000;
pub(crate) const OWNER: Peer = Peer(1);
pub(crate) const HEIR: Peer = Peer(2);

#[derive(Default)]
pub(crate) struct FakePorts {
    pub(crate) open: BTreeMap<SocketKey, (Place, Component, SocketAddr)>,
    pub(crate) next: u32,
    pub(crate) limit: usize,
}

impl FakePorts {
    fn add(
        &mut self,
        place: Place,
        component: Component,
        family: Family,
        port: u32,
    ) -> (SocketAddr, SocketKey) {
        let ip = match family {
            Family::V4 => "10.0.0.1".parse().unwrap(),
            Family::V6 => "2001:db8::1".parse().unwrap(),
        };
        let address = SocketAddr::new(ip, u16::try_from(port).unwrap());
        let key = SocketKey(port);
        assert!(
            self.open.insert(key, (place, component, address)).is_none(),
            "port {port} is open already"
        );
        (address, key)
    }
}

impl Ports for FakePorts {
    fn open(&mut self, place: Place, family: Family, mux: bool) -> Result<Opened, Reason> {
        if self.free_pairs() == 0 {
            return Err(Reason::NoPorts);
        }
        let port = 10_000 + self.next;
        self.next += 2;
        let (rtp, rtp_socket) = self.add(place, Component::Rtp, family, port);
        let rtcp = (!mux).then(|| self.add(place, Component::Rtcp, family, port + 1));
        Ok(Opened {
            rtp,
            rtp_socket,
            rtcp,
        })
    }

    fn share(&mut self, place: Place, ports: &Opened, mux: bool) -> Result<Opened, Reason> {
        let odd = ports.rtp_socket.0 + 1;
        if mux {
            self.open
                .remove(&SocketKey(odd))
                .expect("the RTCP port was open");
            return Ok(Opened {
                rtcp: None,
                ..*ports
            });
        }
        let rtcp = Some(self.add(place, Component::Rtcp, Family::of(&ports.rtp), odd));
        Ok(Opened { rtcp, ..*ports })
    }

    fn close(&mut self, _: Place, ports: &Opened) {
        self.open
            .remove(&ports.rtp_socket)
            .expect("the RTP port was open");
        if let Some((_, key)) = ports.rtcp {
            self.open.remove(&key).expect("the RTCP port was open");
        }
    }

    fn free_pairs(&self) -> u32 {
        let pairs = self
            .open
            .values()
            .filter(|(_, component, _)| *component == Component::Rtp)
            .count();
        u32::try_from(self.limit - pairs.min(self.limit)).unwrap()
    }
}

pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) sessions: Sessions,
    pub(crate) ports: FakePorts,
    pub(crate) replies: Vec<(Audience, Reply)>,
    pub(crate) ended: Vec<Vec<DirectionQuality>>,
}

/// A phone: where it is, and the stream that it sends.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) address: SocketAddr,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn phone(address: &str, ssrc: u32) -> Phone {
    Phone {
        address: at(address),
        ssrc,
        sequence: 0,
    }
}

pub(crate) fn call(number: u128) -> SessionId {
    SessionId {
        call: number,
        part: 0,
    }
}

/// Two parties who hear each other; neither address is known.
pub(crate) fn two_parties(number: u128) -> SessionDescriptor {
    let pcma = Payload {
        number: 8,
        name: "PCMA".into(),
        clock_rate: 8000,
    };
    let party = |id| Termination {
        payloads: vec![pcma.clone()],
        ..Termination::new(id, Family::V4)
    };
    SessionDescriptor {
        session: call(number),
        epoch: 1,
        revision: 1,
        terminations: vec![party(0), party(1)],
        links: vec![Link { from: 0, to: 1 }, Link { from: 1, to: 0 }],
        rtp_timeout_ms: None,
    }
}

pub(crate) fn with_remotes(number: u128, alice: &Phone, bob: &Phone) -> SessionDescriptor {
    let mut descriptor = two_parties(number);
    descriptor.terminations[0].remote = Some(alice.address);
    descriptor.terminations[1].remote = Some(bob.address);
    descriptor
}

pub(crate) fn revised(
    descriptor: &SessionDescriptor,
    change: impl FnOnce(&mut SessionDescriptor),
) -> SessionDescriptor {
    let mut next = descriptor.clone();
    next.revision += 1;
    change(&mut next);
    next
}

pub(crate) fn directed(
    descriptor: &SessionDescriptor,
    directions: [Direction; 2],
) -> SessionDescriptor {
    revised(descriptor, |next| {
        for (termination, direction) in next.terminations.iter_mut().zip(directions) {
            termination.direction = direction;
        }
    })
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let ports = FakePorts {
            limit: 5000,
            ..FakePorts::default()
        };
        Self {
            now_us: 1_000_000,
            sessions: Sessions::new(limits),
            ports,
            replies: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) fn pass(&mut self, us: u64) {
        self.now_us += us;
        self.sessions.handle_timeout(self.now_us, &mut self.ports);
        self.collect();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.sessions
            .handle_input(self.now_us, input, &mut self.ports);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.sessions.poll_output() {
            match output {
                Output::Reply { to, reply } => self.replies.push((to, reply)),
                Output::Ended(quality) => self.ended.push(quality),
            }
        }
    }

    pub(crate) fn ask(&mut self, peer: Peer, request: Request) -> Reply {
        let before = self.replies.len();
        self.input(Input::Request { peer, request });
        let answers = |(to, reply): &(Audience, Reply)| {
            *to == Audience::Peer(peer) && !matches!(reply, Reply::Event(_))
        };
        let answer = (before..self.replies.len()).find(|at| answers(&self.replies[*at]));
        self.replies
            .remove(answer.expect("every request is answered"))
            .1
    }

    /// The ports of the terminations.
    pub(crate) fn put(&mut self, descriptor: &SessionDescriptor) -> Vec<Local> {
        match self.ask(OWNER, Request::Put(descriptor.clone())) {
            Reply::Established {
                session,
                revision,
                terminations,
            } => {
                assert_eq!(
                    (session, revision),
                    (descriptor.session, descriptor.revision)
                );
                terminations
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn refusal(&mut self, peer: Peer, descriptor: &SessionDescriptor) -> Reason {
        match self.ask(peer, Request::Put(descriptor.clone())) {
            Reply::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn release(&mut self, number: u128) -> Vec<DirectionQuality> {
        match self.ask(
            OWNER,
            Request::Release {
                session: call(number),
                epoch: 1,
            },
        ) {
            Reply::Released { quality, .. } => quality,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn events(&mut self) -> Vec<(Audience, Event)> {
        let mut events = Vec::new();
        self.replies.retain(|(to, reply)| match reply {
            Reply::Event(event) => {
                events.push((*to, event.clone()));
                false
            }
            _ => true,
        });
        events
    }

    /// The datagram's copies, as (from our port, to).
    pub(crate) fn deliver(
        &mut self,
        source: SocketAddr,
        to: SocketAddr,
        octets: &[u8],
    ) -> Result<Vec<(SocketAddr, SocketAddr)>, Discard> {
        let (place, component, _) = self
            .ports
            .open
            .values()
            .find(|(_, _, address)| *address == to)
            .copied()
            .ok_or(Discard::Gone)?;
        let mut octets = octets.to_vec();
        let decision =
            self.sessions
                .handle_packet(self.now_us, place, component, source, &mut octets);
        self.collect();
        match decision {
            Decision::Discard(why) => Err(why),
            Decision::Relay(mut targets) => {
                let mut copies = Vec::new();
                while let Some(target) =
                    self.sessions
                        .next_target(place.slot, &mut targets, octets.len())
                {
                    copies.push((self.ports.open[&target.socket].2, target.to));
                }
                Ok(copies)
            }
        }
    }

    /// The phone's next packet; who got it.
    pub(crate) fn says(
        &mut self,
        phone: &mut Phone,
        to: SocketAddr,
    ) -> Result<Vec<SocketAddr>, Discard> {
        let mut octets = Vec::new();
        let timestamp = u32::from(phone.sequence) * 160;
        Packet::new(8, phone.sequence, timestamp, phone.ssrc, &[0xd5; 160]).write(&mut octets);
        phone.sequence = phone.sequence.wrapping_add(1);
        let copies = self.deliver(phone.address, to, &octets)?;
        Ok(copies.into_iter().map(|(_, to)| to).collect())
    }

    /// As many frames, one each 20 ms; how many each of the two heard of the other.
    pub(crate) fn talk(
        &mut self,
        frames: usize,
        locals: &[Local],
        alice: &mut Phone,
        bob: &mut Phone,
    ) -> [usize; 2] {
        let mut heard = [0; 2];
        for _ in 0..frames {
            let to_bob = self.says(alice, locals[0].rtp).unwrap_or_default();
            heard[1] += to_bob.iter().filter(|to| **to == bob.address).count();
            let to_alice = self.says(bob, locals[1].rtp).unwrap_or_default();
            heard[0] += to_alice.iter().filter(|to| **to == alice.address).count();
            self.pass(FRAME_US);
        }
        heard
    }
}
