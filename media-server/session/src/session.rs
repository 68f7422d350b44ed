//! One media session.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use carillon_protocol::{
    DirectionQuality, Held, Local, Reason, SessionDescriptor, SessionId, Termination,
};
use carillon_rtp::rtcp::Compound;
use carillon_rtp::{Kind, Packet};

use crate::party::Party;
use crate::ports::{Component, Opened, Place, Ports, Slot, SocketKey};
use crate::sessions::Peer;
use crate::stream::Format;

/// A party's silence below this is no time-out, whatever a descriptor says.
const MIN_RTP_TIMEOUT_MS: u64 = 100;
/// Ended terminations whose quality is kept for the end of the session.
const MAX_GONE: usize = 64;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send it as it is to each of these.
    Relay(Targets),
    Discard(Discard),
}

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// Not the party's.
    Foreign,
    /// More than any codec sends.
    Flood,
    /// Nobody is to hear it: hold, or no links.
    Unheard,
    /// Not the RTP or RTCP that it seemed.
    Malformed,
    /// Something else that shares RTP's port.
    OtherProtocol,
    /// The session is over.
    Gone,
}

/// The parties that a packet goes to; see [`crate::Sessions::next_target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    pub(crate) mask: u64,
    pub(crate) component: Component,
}

/// One copy of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub socket: SocketKey,
    pub to: SocketAddr,
}

/// A party that fell silent or speaks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Silent { termination: u8, silent_ms: u64 },
    Resumed { termination: u8 },
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    digest: u64,
    parties: Vec<Party>,
    gone: Vec<DirectionQuality>,
    rtp_timeout_us: Option<u64>,
    put_at_us: u64,
    /// The control node that said the last word, while it is there.
    pub(crate) claimed_by: Option<Peer>,
    pub(crate) unclaimed_since_us: u64,
    /// When [`crate::Sessions`] looks at the session next.
    pub(crate) check_at_us: Option<u64>,
}

impl Session {
    pub(crate) const fn new(now_us: u64, id: SessionId) -> Self {
        Self {
            id,
            epoch: 0,
            revision: 0,
            digest: 0,
            parties: Vec::new(),
            gone: Vec::new(),
            rtp_timeout_us: None,
            put_at_us: now_us,
            claimed_by: None,
            unclaimed_since_us: now_us,
            check_at_us: None,
        }
    }

    /// Makes it so, wholly or not at all. The descriptor has been validated; its epoch and revision are checked here.
    pub(crate) fn put(
        &mut self,
        now_us: u64,
        slot: Slot,
        wanted: &SessionDescriptor,
        ports: &mut dyn Ports,
    ) -> Result<(), Reason> {
        let digest = digest(wanted);
        if wanted.epoch < self.epoch {
            return Err(Reason::Fenced { epoch: self.epoch });
        }
        if wanted.epoch == self.epoch && self.digest != 0 {
            if wanted.revision < self.revision {
                return Err(Reason::Stale {
                    revision: self.revision,
                });
            }
            if wanted.revision == self.revision {
                return if digest == self.digest {
                    Ok(())
                } else {
                    Err(Reason::Conflict)
                };
            }
        }
        let opened = self.prepare(slot, wanted, ports)?;
        self.follow(now_us, slot, wanted, &opened, ports);
        (self.epoch, self.revision, self.digest) = (wanted.epoch, wanted.revision, digest);
        Ok(())
    }

    /// Opens what the descriptor wants and is not open; after a failure all is as before.
    fn prepare(
        &self,
        slot: Slot,
        wanted: &SessionDescriptor,
        ports: &mut dyn Ports,
    ) -> Result<Vec<(u8, Opened)>, Reason> {
        let mut opened = Vec::new();
        for termination in &wanted.terminations {
            let place = Place {
                slot,
                termination: termination.id,
            };
            let result = match self.kept(termination) {
                None => ports.open(place, termination.family, termination.rtcp_mux),
                Some(party) if party.mux && !termination.rtcp_mux => {
                    ports.share(place, &party.ports, false)
                }
                Some(_) => continue,
            };
            match result {
                Ok(all) => opened.push((termination.id, all)),
                Err(reason) => {
                    for (id, all) in opened {
                        let place = Place {
                            slot,
                            termination: id,
                        };
                        let kept = wanted
                            .termination(id)
                            .and_then(|termination| self.kept(termination));
                        match kept {
                            None => ports.close(place, &all),
                            Some(_) => drop(ports.share(place, &all, true)),
                        }
                    }
                    return Err(reason);
                }
            }
        }
        Ok(opened)
    }

    /// The party that goes on as this termination.
    fn kept(&self, termination: &Termination) -> Option<&Party> {
        self.parties
            .iter()
            .find(|party| party.id == termination.id && party.family == termination.family)
    }

    fn follow(
        &mut self,
        now_us: u64,
        slot: Slot,
        wanted: &SessionDescriptor,
        opened: &[(u8, Opened)],
        ports: &mut dyn Ports,
    ) {
        let mut before = std::mem::take(&mut self.parties);
        let mut parties = Vec::with_capacity(wanted.terminations.len());
        for termination in &wanted.terminations {
            let place = Place {
                slot,
                termination: termination.id,
            };
            let new_ports = opened
                .iter()
                .find(|(id, _)| *id == termination.id)
                .map(|(_, all)| *all);
            let kept = before
                .iter()
                .position(|party| party.id == termination.id && party.family == termination.family);
            let Some(position) = kept else {
                let all = new_ports.expect("prepare opened every termination that is not kept");
                parties.push(Party::new(now_us, termination, all));
                continue;
            };
            let mut party = before.swap_remove(position);
            if let Some(all) = new_ports {
                party.ports = all;
            } else if termination.rtcp_mux && !party.mux {
                party.ports = ports
                    .share(place, &party.ports, true)
                    .unwrap_or(party.ports);
            }
            party.follow(now_us, termination);
            parties.push(party);
        }
        for party in before {
            self.retire(slot, &party, ports);
        }
        let timeout_us = wanted
            .rtp_timeout_ms
            .map(|ms| ms.max(MIN_RTP_TIMEOUT_MS).saturating_mul(1000));
        if self.rtp_timeout_us.is_none() && timeout_us.is_some() {
            parties
                .iter_mut()
                .for_each(|party| party.silent_since_us = now_us);
        }
        self.rtp_timeout_us = timeout_us;
        self.parties = parties;
        self.link(wanted);
    }

    fn link(&mut self, wanted: &SessionDescriptor) {
        let position = |id: u8| {
            wanted
                .terminations
                .iter()
                .position(|termination| termination.id == id)
        };
        self.parties
            .iter_mut()
            .for_each(|party| (party.linked_to, party.heard_by) = (0, 0));
        for link in &wanted.links {
            let (Some(from), Some(to)) = (position(link.from), position(link.to)) else {
                continue;
            };
            let flows =
                self.parties[from].direction.receives() && self.parties[to].direction.sends();
            self.parties[from].linked_to |= 1 << to;
            self.parties[from].heard_by |= u64::from(flows) << to;
        }
    }

    fn retire(&mut self, slot: Slot, party: &Party, ports: &mut dyn Ports) {
        ports.close(
            Place {
                slot,
                termination: party.id,
            },
            &party.ports,
        );
        if self.gone.len() < MAX_GONE {
            self.gone.push(party.quality());
        }
    }

    /// The end: gives the ports back and tells how it was.
    pub(crate) fn close(mut self, slot: Slot, ports: &mut dyn Ports) -> Vec<DirectionQuality> {
        for party in std::mem::take(&mut self.parties) {
            self.retire(slot, &party, ports);
        }
        self.gone
    }

    pub(crate) fn locals(&self) -> Vec<Local> {
        self.parties.iter().map(Party::local).collect()
    }

    pub(crate) fn held(&self, now_us: u64) -> Held {
        Held {
            session: self.id,
            epoch: self.epoch,
            revision: self.revision,
            silent_ms: now_us.saturating_sub(self.heard_at_us()) / 1000,
        }
    }

    /// When media came last, or when there first was a reason for it to come.
    pub(crate) fn heard_at_us(&self) -> u64 {
        self.parties
            .iter()
            .map(|party| party.silent_since_us)
            .fold(self.put_at_us, u64::max)
    }

    /// The earliest time-out of a party.
    pub(crate) fn next_timeout_us(&self) -> Option<u64> {
        let timeout_us = self.rtp_timeout_us?;
        let waiting = self
            .parties
            .iter()
            .filter(|party| party.direction.receives() && !party.timed_out);
        waiting
            .map(|party| party.silent_since_us.saturating_add(timeout_us))
            .min()
    }

    /// Parties that have just become silent for too long.
    pub(crate) fn time_out(&mut self, now_us: u64) -> impl Iterator<Item = Notice> {
        let timeout_us = self.rtp_timeout_us.unwrap_or(u64::MAX);
        self.parties.iter_mut().filter_map(move |party| {
            let silent_us = now_us.saturating_sub(party.silent_since_us);
            if party.timed_out || !party.direction.receives() || silent_us < timeout_us {
                return None;
            }
            party.timed_out = true;
            Some(Notice::Silent {
                termination: party.id,
                silent_ms: silent_us / 1000,
            })
        })
    }

    /// Parties whose time-out has been said and still holds.
    pub(crate) fn silent(&self, now_us: u64) -> impl Iterator<Item = Notice> {
        self.parties
            .iter()
            .filter(|party| party.timed_out)
            .map(move |party| Notice::Silent {
                termination: party.id,
                silent_ms: now_us.saturating_sub(party.silent_since_us) / 1000,
            })
    }

    /// Where a packet that came to a termination goes.
    pub(crate) fn handle_packet(
        &mut self,
        now_us: u64,
        termination: u8,
        component: Component,
        source: SocketAddr,
        octets: &[u8],
    ) -> (Decision, Option<Notice>) {
        let Some(position) = self
            .parties
            .iter()
            .position(|party| party.id == termination)
        else {
            return (Decision::Discard(Discard::Gone), None);
        };
        if self.parties[position].floods(now_us) {
            return (Decision::Discard(Discard::Flood), None);
        }
        match (Kind::of(octets), component) {
            (Kind::Rtp, Component::Rtp) => self.handle_rtp(now_us, position, source, octets),
            (Kind::Rtcp, _) => (
                self.handle_rtcp(now_us, position, component, source, octets),
                None,
            ),
            (Kind::Rtp, Component::Rtcp) | (Kind::Stun | Kind::Dtls | Kind::Unknown, _) => {
                (Decision::Discard(Discard::OtherProtocol), None)
            }
        }
    }

    fn handle_rtp(
        &mut self,
        now_us: u64,
        position: usize,
        source: SocketAddr,
        octets: &[u8],
    ) -> (Decision, Option<Notice>) {
        let Ok(packet) = Packet::parse(octets) else {
            return (Decision::Discard(Discard::Malformed), None);
        };
        if !self.parties[position].admit(now_us, source, &packet) {
            return (Decision::Discard(Discard::Foreign), None);
        }
        if !self.parties[position]
            .stream
            .is_in_format(packet.payload_type)
        {
            let format = self.format(position, packet.payload_type);
            self.parties[position].stream.change_format(format);
        }
        let party = &mut self.parties[position];
        party.stream.arrived(now_us, &packet);
        let resumed = party.heard_again(now_us).then_some(Notice::Resumed {
            termination: party.id,
        });
        let decision = match party.heard_by {
            0 => Decision::Discard(Discard::Unheard),
            mask => Decision::Relay(Targets {
                mask,
                component: Component::Rtp,
            }),
        };
        (decision, resumed)
    }

    /// What a payload type means: a party sends by the numbers that its peers declared, most use the same.
    fn format(&self, position: usize, number: u8) -> Format {
        let peers = self
            .parties
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != position);
        let declared =
            std::iter::once(&self.parties[position]).chain(peers.map(|(_, party)| party));
        let mut formats = declared.flat_map(|party| party.formats.iter());
        formats
            .find(|format| format.number() == number)
            .copied()
            .unwrap_or_else(|| Format::fixed(number))
    }

    fn handle_rtcp(
        &mut self,
        now_us: u64,
        position: usize,
        component: Component,
        source: SocketAddr,
        octets: &[u8],
    ) -> Decision {
        if !self.parties[position].admit_rtcp(now_us, component, source) {
            return Decision::Discard(Discard::Foreign);
        }
        // Encrypted RTCP cannot be read, but is to be passed on all the same.
        if let Ok(compound) = Compound::parse(octets) {
            for other in 0..self.parties.len() {
                let heard = self.parties[other].linked_to & 1 << position != 0;
                if let Some(sent) = self.parties[other].sender_report().filter(|_| heard) {
                    self.parties[position].measure(now_us, compound, sent);
                }
            }
            self.parties[position].passed_on(now_us, compound);
        }
        match self.parties[position].linked_to {
            0 => Decision::Discard(Discard::Unheard),
            mask => Decision::Relay(Targets {
                mask,
                component: Component::Rtcp,
            }),
        }
    }

    /// The next copy to send.
    pub(crate) fn next_target(&mut self, targets: &mut Targets) -> Option<Target> {
        while targets.mask != 0 {
            let position = targets.mask.trailing_zeros() as usize;
            targets.mask &= targets.mask - 1;
            if let Some(target) = self
                .parties
                .get_mut(position)
                .and_then(|party| party.target(targets.component))
            {
                return Some(target);
            }
        }
        None
    }
}

/// Tells one descriptor from another of the same revision; never zero.
fn digest(descriptor: &SessionDescriptor) -> u64 {
    let mut hasher = DefaultHasher::new();
    descriptor.hash(&mut hasher);
    hasher.finish().max(1)
}
