//! All sessions of one owner, and what control nodes want of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use carillon_protocol::{
    DirectionQuality, Event, Held, INVENTORY_PAGE, Load, Reason, Reply, Request, SessionDescriptor,
    SessionId,
};

use crate::ports::{Component, Place, Ports, Slot};
use crate::session::{Decision, Discard, Notice, Session, Target, Targets};
use crate::tombstone::Tombstones;

/// A control node's connection, numbered by whoever has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u64);

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub sessions: u32,
    /// A session that no connected control node has put, and that no media comes to, is removed after this.
    pub orphan_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            orphan_ms: 10 * 60 * 1000,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Request {
        peer: Peer,
        request: Request,
    },
    /// The connection is gone; its sessions go on.
    PeerGone(Peer),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Reply {
        to: Audience,
        reply: Reply,
    },
    /// A session has ended; one entry for each termination that ever was.
    Ended(Vec<DirectionQuality>),
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Peer(Peer),
    Everyone,
}

/// What has gone through, ever growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub foreign: u64,
    pub unheard: u64,
    pub malformed: u64,
    pub flood: u64,
    pub other_protocol: u64,
    pub sessions_opened: u64,
    pub sessions_closed: u64,
    pub sessions_reaped: u64,
    pub refused: u64,
    /// Of those refused: by a newer owner's epoch.
    pub fenced: u64,
    pub rtp_timeouts: u64,
    /// Of terminations that have ended.
    pub lost: u64,
    /// Of terminations that have ended.
    pub expected: u64,
}

/// The sessions of one owner.
#[derive(Debug, Default)]
pub struct Sessions {
    limits: Limits,
    slots: Vec<Option<Box<Session>>>,
    vacant: Vec<u32>,
    by_id: BTreeMap<SessionId, Slot>,
    checks: BTreeSet<(u64, Slot)>,
    tombstones: Tombstones,
    outputs: VecDeque<Output>,
    draining: bool,
    totals: Totals,
}

impl Sessions {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// A control node says something, or is gone.
    pub fn handle_input(&mut self, now_us: u64, input: Input, ports: &mut dyn Ports) {
        match input {
            Input::Request { peer, request } => self.handle_request(now_us, peer, request, ports),
            Input::PeerGone(peer) => self.abandon(now_us, peer),
        }
    }

    fn handle_request(&mut self, now_us: u64, peer: Peer, request: Request, ports: &mut dyn Ports) {
        let reply = match request {
            Request::Put(wanted) => return self.put(now_us, peer, &wanted, ports),
            Request::Release { session, epoch } => self.release(now_us, session, epoch, ports),
            Request::Inventory { after } => self.inventory(now_us, after),
            Request::Drain => {
                self.drain();
                Reply::Pong(self.load(ports))
            }
            Request::Resume => {
                self.draining = false;
                Reply::Pong(self.load(ports))
            }
            Request::Ping => Reply::Pong(self.load(ports)),
        };
        self.say(Audience::Peer(peer), reply);
    }

    fn put(&mut self, now_us: u64, peer: Peer, wanted: &SessionDescriptor, ports: &mut dyn Ports) {
        let session = wanted.session;
        match self.establish(now_us, peer, wanted, ports) {
            Err(reason) => {
                self.totals.refused += 1;
                self.totals.fenced += u64::from(matches!(reason, Reason::Fenced { .. }));
                let revision = Some(wanted.revision);
                self.say(
                    Audience::Peer(peer),
                    Reply::Refused {
                        session,
                        revision,
                        reason,
                    },
                );
            }
            Ok(slot) => {
                let held = self.slots[slot.0 as usize]
                    .as_ref()
                    .expect("established just now");
                let terminations = held.locals();
                let silent: Vec<Notice> = held.silent(now_us).collect();
                let reply = Reply::Established {
                    session,
                    revision: wanted.revision,
                    terminations,
                };
                self.say(Audience::Peer(peer), reply);
                silent
                    .into_iter()
                    .for_each(|notice| self.notify(slot, notice));
                self.schedule(slot);
            }
        }
    }

    fn establish(
        &mut self,
        now_us: u64,
        peer: Peer,
        wanted: &SessionDescriptor,
        ports: &mut dyn Ports,
    ) -> Result<Slot, Reason> {
        wanted.validate().map_err(Reason::Bad)?;
        let slot = match self.by_id.get(&wanted.session) {
            Some(slot) => {
                let held = self.slots[slot.0 as usize]
                    .as_mut()
                    .expect("by_id names live slots");
                held.put(now_us, *slot, wanted, ports)?;
                *slot
            }
            None => self.create(now_us, wanted, ports)?,
        };
        let held = self.slots[slot.0 as usize].as_mut().expect("put just now");
        held.claimed_by = Some(peer);
        Ok(slot)
    }

    fn create(
        &mut self,
        now_us: u64,
        wanted: &SessionDescriptor,
        ports: &mut dyn Ports,
    ) -> Result<Slot, Reason> {
        if let Some(over) = self.tombstones.find(wanted.session) {
            if wanted.epoch < over.epoch {
                return Err(Reason::Fenced { epoch: over.epoch });
            }
            if let Some(revision) = over.revision.filter(|_| wanted.epoch == over.epoch)
                && wanted.revision <= revision
            {
                return Err(Reason::Stale { revision });
            }
        }
        if self.draining {
            return Err(Reason::Draining);
        }
        if self.by_id.len() >= self.limits.sessions as usize {
            return Err(Reason::Full);
        }
        let slot = self
            .vacant
            .last()
            .map_or(Slot(self.slots.len() as u32), |slot| Slot(*slot));
        let mut session = Box::new(Session::new(now_us, wanted.session));
        session.put(now_us, slot, wanted, ports)?;
        match self.vacant.pop() {
            Some(_) => self.slots[slot.0 as usize] = Some(session),
            None => self.slots.push(Some(session)),
        }
        self.by_id.insert(wanted.session, slot);
        self.tombstones.remove(wanted.session);
        self.totals.sessions_opened += 1;
        Ok(slot)
    }

    fn release(
        &mut self,
        now_us: u64,
        session: SessionId,
        epoch: u64,
        ports: &mut dyn Ports,
    ) -> Reply {
        let fenced = |held: u64| Reply::Refused {
            session,
            revision: None,
            reason: Reason::Fenced { epoch: held },
        };
        if let Some(slot) = self.by_id.get(&session).copied() {
            let held = self.slots[slot.0 as usize]
                .as_ref()
                .expect("by_id names live slots");
            if epoch < held.epoch {
                return fenced(held.epoch);
            }
            let order = (epoch, Some(held.revision));
            let quality = self.end(now_us, slot, order, ports);
            return Reply::Released { session, quality };
        }
        match self.tombstones.find(session) {
            Some(over) if epoch < over.epoch => fenced(over.epoch),
            Some(over) => Reply::Released {
                session,
                quality: over.quality.clone(),
            },
            None => {
                // A put of an earlier owner that is still on its way must not raise it.
                self.tombstones
                    .add(now_us, session, (epoch, None), Vec::new());
                Reply::Released {
                    session,
                    quality: Vec::new(),
                }
            }
        }
    }

    /// `order`: the epoch and revision that a later put of this session must exceed.
    fn end(
        &mut self,
        now_us: u64,
        slot: Slot,
        order: (u64, Option<u64>),
        ports: &mut dyn Ports,
    ) -> Vec<DirectionQuality> {
        let session = self.slots[slot.0 as usize]
            .take()
            .expect("by_id and checks name live slots");
        self.vacant.push(slot.0);
        self.by_id.remove(&session.id);
        if let Some(at_us) = session.check_at_us {
            self.checks.remove(&(at_us, slot));
        }
        self.note_drained();
        let id = session.id;
        let quality = session.close(slot, ports);
        self.totals.sessions_closed += 1;
        self.totals.lost += quality.iter().map(|direction| direction.lost).sum::<u64>();
        self.totals.expected += quality
            .iter()
            .map(|direction| direction.expected)
            .sum::<u64>();
        self.outputs.push_back(Output::Ended(quality.clone()));
        self.tombstones.add(now_us, id, order, quality.clone());
        quality
    }

    fn inventory(&self, now_us: u64, after: Option<SessionId>) -> Reply {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let mut slots = self
            .by_id
            .range((from, Unbounded))
            .map(|(_, slot)| slot.0 as usize);
        let page = slots.by_ref().take(INVENTORY_PAGE);
        let held = |slot: usize| {
            self.slots[slot]
                .as_ref()
                .expect("by_id names live slots")
                .held(now_us)
        };
        let sessions: Vec<Held> = page.map(held).collect();
        Reply::Inventory {
            sessions,
            more: slots.next().is_some(),
        }
    }

    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            let sessions = self.by_id.len() as u32;
            self.say(
                Audience::Everyone,
                Reply::Event(Event::Draining { sessions }),
            );
            self.note_drained();
        }
    }

    fn note_drained(&mut self) {
        if self.draining && self.by_id.is_empty() {
            self.say(Audience::Everyone, Reply::Event(Event::Drained));
        }
    }

    /// How much there is.
    pub fn load(&self, ports: &dyn Ports) -> Load {
        Load {
            sessions: self.by_id.len() as u32,
            free_port_pairs: ports.free_pairs(),
            draining: self.draining,
        }
    }

    fn abandon(&mut self, now_us: u64, peer: Peer) {
        let claimed =
            |slot: &Option<Box<Session>>| slot.as_ref().is_some_and(|s| s.claimed_by == Some(peer));
        let slots: Vec<u32> = (0..)
            .zip(&self.slots)
            .filter(|(_, s)| claimed(s))
            .map(|(slot, _)| slot)
            .collect();
        for slot in slots {
            if let Some(session) = &mut self.slots[slot as usize] {
                session.claimed_by = None;
                session.unclaimed_since_us = now_us;
            }
            self.schedule(Slot(slot));
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.checks.first().map(|(at_us, _)| *at_us)
    }

    /// Looks at the sessions whose time has come.
    pub fn handle_timeout(&mut self, now_us: u64, ports: &mut dyn Ports) {
        while let Some((at_us, slot)) = self.checks.first().copied() {
            if at_us > now_us {
                return;
            }
            let Some(session) = &mut self.slots[slot.0 as usize] else {
                self.checks.pop_first();
                continue;
            };
            if orphaned_at_us(session, self.limits).is_some_and(|orphaned_us| orphaned_us <= now_us)
            {
                self.reap(now_us, slot, ports);
                continue;
            }
            let silent: Vec<Notice> = session.time_out(now_us).collect();
            self.totals.rtp_timeouts += silent.len() as u64;
            silent
                .into_iter()
                .for_each(|notice| self.notify(slot, notice));
            self.schedule(slot);
        }
    }

    fn reap(&mut self, now_us: u64, slot: Slot, ports: &mut dyn Ports) {
        let session = self.slots[slot.0 as usize]
            .as_ref()
            .expect("checked by the caller");
        // The same word again raises it: its owner was cut off and is back.
        let (id, order) = (session.id, (session.epoch, None));
        let quality = self.end(now_us, slot, order, ports);
        self.totals.sessions_reaped += 1;
        self.say(
            Audience::Everyone,
            Reply::Event(Event::Reaped {
                session: id,
                quality,
            }),
        );
        self.note_drained();
    }

    /// Packets do not touch the schedule: a check that comes too early finds out and is put off.
    fn schedule(&mut self, slot: Slot) {
        let Some(session) = &mut self.slots[slot.0 as usize] else {
            return;
        };
        let next = [
            session.next_timeout_us(),
            orphaned_at_us(session, self.limits),
        ]
        .into_iter()
        .flatten()
        .min();
        if session.check_at_us == next {
            return;
        }
        if let Some(at_us) = session.check_at_us {
            self.checks.remove(&(at_us, slot));
        }
        session.check_at_us = next;
        self.checks.extend(next.map(|at_us| (at_us, slot)));
    }

    fn notify(&mut self, slot: Slot, notice: Notice) {
        let Some(session) = &self.slots[slot.0 as usize] else {
            return;
        };
        let id = session.id;
        let to = session
            .claimed_by
            .map_or(Audience::Everyone, Audience::Peer);
        let event = match notice {
            Notice::Silent {
                termination,
                silent_ms,
            } => Event::RtpTimeout {
                session: id,
                termination,
                silent_ms,
            },
            Notice::Resumed { termination } => Event::RtpResumed {
                session: id,
                termination,
            },
        };
        self.say(to, Reply::Event(event));
    }

    fn say(&mut self, to: Audience, reply: Reply) {
        self.outputs.push_back(Output::Reply { to, reply });
    }

    /// What is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What becomes of a packet that came to a termination's port. Allocates nothing while media flows.
    pub fn handle_packet(
        &mut self,
        now_us: u64,
        place: Place,
        component: Component,
        source: SocketAddr,
        octets: &mut [u8],
    ) -> Decision {
        self.totals.packets_in += 1;
        self.totals.bytes_in += octets.len() as u64;
        let Some(Some(session)) = self.slots.get_mut(place.slot.0 as usize) else {
            return Decision::Discard(Discard::Gone);
        };
        let (decision, notice) =
            session.handle_packet(now_us, place.termination, component, source, octets);
        match decision {
            Decision::Relay(_) => {}
            Decision::Discard(Discard::Foreign) => self.totals.foreign += 1,
            Decision::Discard(Discard::Unheard) => self.totals.unheard += 1,
            Decision::Discard(Discard::Malformed) => self.totals.malformed += 1,
            Decision::Discard(Discard::Flood) => self.totals.flood += 1,
            Decision::Discard(Discard::OtherProtocol | Discard::Gone) => {
                self.totals.other_protocol += 1
            }
        }
        if let Some(notice) = notice {
            self.notify(place.slot, notice);
            self.schedule(place.slot);
        }
        decision
    }

    /// The next copy of a packet; `octets` is its length.
    pub fn next_target(
        &mut self,
        slot: Slot,
        targets: &mut Targets,
        octets: usize,
    ) -> Option<Target> {
        let target = self
            .slots
            .get_mut(slot.0 as usize)?
            .as_mut()?
            .next_target(targets)?;
        self.totals.packets_out += 1;
        self.totals.bytes_out += octets as u64;
        Some(target)
    }
}

/// When a session that nobody claims counts as forgotten.
fn orphaned_at_us(session: &Session, limits: Limits) -> Option<u64> {
    if session.claimed_by.is_some() {
        return None;
    }
    let since_us = session.unclaimed_since_us.max(session.heard_at_us());
    Some(since_us.saturating_add(limits.orphan_ms.saturating_mul(1000)))
}
