//! One packet thread: the only owner of its sessions and their sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use carillon_protocol::{DirectionQuality, Event, Family, Reason, Reply, Request};
use carillon_session::{
    Audience, Component, Decision, Input, Limits, Opened, Output, Peer, Place, Ports, Sessions,
    SocketKey,
};
use carillon_telemetry::Metrics;
use tokio::sync::{Notify, mpsc};

use crate::epoll::{Epoll, Waker};
use crate::packet_io::{MAX_ROUND, PacketIo, Received};
use crate::port_pool::Pool;
use crate::publish::Shared;
use crate::tick::Tick;

/// Commands that wait for a thread at most; whoever brings more waits.
const MAX_COMMANDS: usize = 4096;
/// Pairs that are tried when others have bound ports of the range.
const MAX_BIND_ATTEMPTS: usize = 16;
/// Longer packets are no media: Ethernet carries 1500 octets.
const MAX_PACKET_OCTETS: usize = 2048;

/// What the control side tells a thread.
#[derive(Debug)]
pub(crate) enum Command {
    Join { peer: Peer, ear: Ear },
    Leave(Peer),
    Ask { peer: Peer, request: Request },
    Stop,
}

/// How a control node hears of a thread.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    pub(crate) replies: mpsc::Sender<Said>,
    /// It does not keep up: its conversation is to end, and the next one repeats all.
    pub(crate) overflowed: Arc<Notify>,
}

/// What a thread answers, or reports of itself.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) thread: usize,
    pub(crate) reply: Reply,
}

/// The control side's end of a thread.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    commands: SyncSender<Command>,
    waker: Waker,
}

/// The thread is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Mailbox {
    /// Hands a command over; waits while the thread has too many.
    pub(crate) async fn post(&self, mut command: Command) -> Result<(), Gone> {
        loop {
            match self.commands.try_send(command) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(Gone),
                Err(TrySendError::Full(returned)) => {
                    command = returned;
                    self.waker.wake();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        self.waker.wake();
        Ok(())
    }

    /// Tells the thread to stop, without waiting.
    pub(crate) fn stop(&self) {
        self.commands.try_send(Command::Stop).ok();
        self.waker.wake();
    }
}

/// What a thread needs to begin.
pub(crate) struct Worker {
    index: usize,
    began: Instant,
    io: Epoll,
    sessions: Sessions,
    commands: Receiver<Command>,
    peers: BTreeMap<Peer, Ear>,
    shared: Arc<Shared>,
    metrics: Metrics,
    send_failed: u64,
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        limits: Limits,
        dscp: u8,
        began: Instant,
        shared: Arc<Shared>,
        metrics: Metrics,
    ) -> io::Result<(Self, Mailbox)> {
        let io = Epoll::new(dscp)?;
        let (sender, commands) = sync_channel(MAX_COMMANDS);
        let mailbox = Mailbox {
            commands: sender,
            waker: io.waker(),
        };
        let (sessions, peers) = (Sessions::new(limits), BTreeMap::new());
        Ok((
            Self {
                index,
                began,
                io,
                sessions,
                commands,
                peers,
                shared,
                metrics,
                send_failed: 0,
            },
            mailbox,
        ))
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut round = Round::new();
        let mut tick = Tick::default();
        loop {
            let ready = self.io.wait(self.timeout())?;
            let now_us = self.now_us();
            round.fill(&mut self.io);
            let packets = round.received.len();
            for (received, octets) in round.packets() {
                self.relay(now_us, received, octets);
            }
            if self.obey(now_us) {
                return Ok(());
            }
            let mut desk = Desk {
                now_us,
                io: &mut self.io,
                shared: &self.shared,
            };
            self.sessions.handle_timeout(now_us, &mut desk);
            self.publish();
            self.say();
            if let Some(sleep) = tick.after(self.now_us(), packets, ready >= MAX_ROUND) {
                std::thread::sleep(sleep);
            }
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn timeout(&self) -> Option<Duration> {
        let at_us = self.sessions.poll_timeout()?;
        // Not to wake just before the time.
        Some(Duration::from_micros(
            at_us.saturating_sub(self.now_us()) + 1,
        ))
    }

    fn relay(&mut self, now_us: u64, received: Received, octets: &mut [u8]) {
        let Received {
            place,
            component,
            source,
            ..
        } = received;
        let decision = self
            .sessions
            .handle_packet(now_us, place, component, source, octets);
        let Decision::Relay(mut targets) = decision else {
            return;
        };
        while let Some(target) = self
            .sessions
            .next_target(place.slot, &mut targets, octets.len())
        {
            let sent = self.io.send(target.socket, target.to, octets);
            self.send_failed += u64::from(sent.is_err());
        }
    }

    /// Does what the control side wants; `true` when that is to stop.
    fn obey(&mut self, now_us: u64) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            let input = match command {
                Command::Stop => return true,
                Command::Join { peer, ear } => {
                    self.peers.insert(peer, ear);
                    continue;
                }
                Command::Leave(peer) => {
                    self.peers.remove(&peer);
                    Input::PeerGone(peer)
                }
                Command::Ask { peer, request } => Input::Request { peer, request },
            };
            let mut desk = Desk {
                now_us,
                io: &mut self.io,
                shared: &self.shared,
            };
            self.sessions.handle_input(now_us, input, &mut desk);
        }
        false
    }

    fn publish(&self) {
        let published = &self.shared.threads[self.index];
        published.store(
            self.sessions.len(),
            self.send_failed,
            self.sessions.totals(),
        );
    }

    fn say(&mut self) {
        while let Some(output) = self.sessions.poll_output() {
            match output {
                Output::Ended(quality) => self.observe(&quality),
                Output::Reply { to, reply } => {
                    let Some(reply) = self.for_the_whole_server(reply) else {
                        continue;
                    };
                    match to {
                        Audience::Peer(peer) => self.tell(peer, reply),
                        Audience::Everyone => {
                            let everyone: Vec<Peer> = self.peers.keys().copied().collect();
                            everyone
                                .into_iter()
                                .for_each(|peer| self.tell(peer, reply.clone()));
                        }
                    }
                }
            }
        }
    }

    fn tell(&mut self, peer: Peer, reply: Reply) {
        let Some(ear) = self.peers.get(&peer) else {
            return;
        };
        let said = Said {
            thread: self.index,
            reply,
        };
        if ear.replies.try_send(said).is_err() {
            ear.overflowed.notify_one();
            self.peers.remove(&peer);
        }
    }

    fn observe(&self, quality: &[DirectionQuality]) {
        for direction in quality.iter().filter(|direction| direction.packets > 0) {
            self.metrics
                .media
                .jitter_seconds
                .observe(direction.jitter_ms() / 1000.0);
        }
    }

    /// A thread knows its own sessions only, so what it says of draining is turned into what the server would say.
    fn for_the_whole_server(&self, reply: Reply) -> Option<Reply> {
        match reply {
            Reply::Event(Event::Draining { .. }) => {
                self.shared.draining.store(true, Ordering::SeqCst);
                let sessions = self.shared.sessions();
                (self.index == 0).then_some(Reply::Event(Event::Draining { sessions }))
            }
            Reply::Event(Event::Drained) => {
                self.publish();
                self.shared.emptied.notify_waiters();
                (self.shared.sessions() == 0).then_some(Reply::Event(Event::Drained))
            }
            other => Some(other),
        }
    }
}

/// The packets of one round. They are all taken in before the first goes out: what the kernel does to receive and what it does to send
/// take turns seldom, and who listens to several of them wakes once.
struct Round {
    octets: Vec<[u8; MAX_PACKET_OCTETS]>,
    received: Vec<Received>,
}

impl Round {
    fn new() -> Self {
        Self {
            // Pages that no round has needed yet take no memory.
            octets: vec![[0; MAX_PACKET_OCTETS]; MAX_ROUND],
            received: Vec::with_capacity(MAX_ROUND),
        }
    }

    /// Takes in what has come.
    fn fill(&mut self, io: &mut impl PacketIo) {
        self.received.clear();
        for octets in &mut self.octets {
            let Some(received) = io.receive(octets) else {
                return;
            };
            self.received.push(received);
        }
    }

    fn packets(&mut self) -> impl Iterator<Item = (Received, &mut [u8])> {
        let received = self.received.iter().copied();
        let packets = received.zip(&mut self.octets);
        packets.map(|(received, octets)| (received, &mut octets[..received.octets]))
    }
}

/// Opens and closes the thread's sockets as the sessions want it.
struct Desk<'a> {
    now_us: u64,
    io: &'a mut Epoll,
    shared: &'a Shared,
}

impl Desk<'_> {
    fn pool(&self, family: Family) -> Result<&Pool, Reason> {
        self.shared.pools.of(family).ok_or(Reason::NoAddress)
    }

    fn bind(
        &mut self,
        place: Place,
        component: Component,
        address: SocketAddr,
    ) -> io::Result<SocketKey> {
        self.io.open(address, place, component)
    }

    fn bind_pair(&mut self, place: Place, pool: &Pool, port: u16, mux: bool) -> io::Result<Opened> {
        let rtp_socket = self.bind(place, Component::Rtp, pool.bound(port))?;
        let rtcp = if mux {
            None
        } else {
            match self.bind(place, Component::Rtcp, pool.bound(port + 1)) {
                Ok(socket) => Some((pool.advertised(port + 1), socket)),
                Err(error) => {
                    self.io.close(rtp_socket);
                    return Err(error);
                }
            }
        };
        Ok(Opened {
            rtp: pool.advertised(port),
            rtp_socket,
            rtcp,
        })
    }
}

impl Ports for Desk<'_> {
    fn open(&mut self, place: Place, family: Family, mux: bool) -> Result<Opened, Reason> {
        let shared = self.shared;
        let pool = shared.pools.of(family).ok_or(Reason::NoAddress)?;
        for _ in 0..MAX_BIND_ATTEMPTS {
            let port = pool.take(self.now_us).ok_or(Reason::NoPorts)?;
            match self.bind_pair(place, pool, port, mux) {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    pool.give(self.now_us, port);
                    tracing::warn!(port, %error, "a media port could not be bound");
                    if error.kind() != io::ErrorKind::AddrInUse {
                        break;
                    }
                }
            }
        }
        Err(Reason::NoPorts)
    }

    fn share(&mut self, place: Place, ports: &Opened, mux: bool) -> Result<Opened, Reason> {
        if mux {
            if let Some((_, socket)) = ports.rtcp {
                self.io.close(socket);
            }
            return Ok(Opened {
                rtcp: None,
                ..*ports
            });
        }
        let port = ports.rtp.port() + 1;
        let pool = self.pool(Family::of(&ports.rtp))?;
        let (bound, advertised) = (pool.bound(port), pool.advertised(port));
        let socket = self.bind(place, Component::Rtcp, bound).map_err(|error| {
            tracing::warn!(port, %error, "a media port could not be bound again");
            Reason::NoPorts
        })?;
        Ok(Opened {
            rtcp: Some((advertised, socket)),
            ..*ports
        })
    }

    fn close(&mut self, _: Place, ports: &Opened) {
        self.io.close(ports.rtp_socket);
        if let Some((_, socket)) = ports.rtcp {
            self.io.close(socket);
        }
        if let Ok(pool) = self.pool(Family::of(&ports.rtp)) {
            pool.give(self.now_us, ports.rtp.port());
        }
    }

    fn free_pairs(&self) -> u32 {
        u32::try_from(self.shared.pools.free_pairs()).unwrap_or(u32::MAX)
    }
}
