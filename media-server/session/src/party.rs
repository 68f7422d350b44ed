//! One termination: where the party is, what came from it, what goes to it.

use std::net::SocketAddr;

use carillon_protocol::{Direction, DirectionQuality, Family, Local, Termination};
use carillon_rtp::Packet;
use carillon_rtp::rtcp::{self, Compound, Report};

use crate::latch::{Awaited, Latch, Stamp};
use crate::ports::{Component, Opened};
use crate::session::Target;
use crate::stream::{Format, Stream};

/// An RTCP source that is silent for this long makes way for another of the same host.
const RTCP_SILENCE_US: u64 = 15_000_000;

/// Packets of one termination in a second that are relayed. Frames of 2.5 ms make 400; two sessions whose parties
/// name each other's ports would otherwise pass a packet round for ever.
const MAX_PACKETS_PER_SECOND: u32 = 1000;

/// One party of a session.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) id: u8,
    pub(crate) ports: Opened,
    pub(crate) family: Family,
    pub(crate) mux: bool,
    pub(crate) direction: Direction,
    latch_allowed: bool,
    remote: Option<SocketAddr>,
    remote_rtcp: Option<SocketAddr>,
    pub(crate) formats: Box<[Format]>,
    /// Bit n: the party at position n is linked from this one; RTCP goes there.
    pub(crate) linked_to: u64,
    /// Those of `linked_to` that this one's direction and theirs let RTP through to.
    pub(crate) heard_by: u64,
    latch: Latch,
    rtcp_source: Option<(SocketAddr, u64)>,
    pub(crate) stream: Stream,
    foreign: u64,
    sent_packets: u64,
    /// Begin of the running second, and the packets since.
    second: (u64, u32),
    /// Its last sender report as relayed: middle of the NTP time, and when.
    sender_report: Option<(u32, u64)>,
    round_trip_us: Option<u32>,
    /// Since when its silence counts.
    pub(crate) silent_since_us: u64,
    pub(crate) timed_out: bool,
}

impl Party {
    pub(crate) fn new(now_us: u64, wanted: &Termination, ports: Opened) -> Self {
        let mut party = Self {
            id: wanted.id,
            ports,
            family: wanted.family,
            mux: wanted.rtcp_mux,
            direction: wanted.direction,
            latch_allowed: wanted.latch,
            remote: reachable(wanted.remote),
            remote_rtcp: reachable(wanted.remote_rtcp),
            formats: Box::default(),
            linked_to: 0,
            heard_by: 0,
            latch: Latch::default(),
            rtcp_source: None,
            stream: Stream::default(),
            foreign: 0,
            sent_packets: 0,
            second: (now_us, 0),
            sender_report: None,
            round_trip_us: None,
            silent_since_us: now_us,
            timed_out: false,
        };
        party.follow(now_us, wanted);
        party
    }

    /// Takes over what the descriptor says now.
    pub(crate) fn follow(&mut self, now_us: u64, wanted: &Termination) {
        let remote = reachable(wanted.remote);
        // An address that becomes known, or unknown as in the old way of hold, is no move.
        if self.remote.is_some() && remote.is_some() && self.remote != remote {
            self.latch.forget_unless(remote);
            self.rtcp_source = None;
        }
        if self.direction != wanted.direction {
            self.stream.pause();
            self.silent_since_us = now_us;
            self.timed_out = false;
        }
        self.mux = wanted.rtcp_mux;
        self.direction = wanted.direction;
        self.latch_allowed = wanted.latch;
        self.remote = remote;
        self.remote_rtcp = reachable(wanted.remote_rtcp);
        self.formats = wanted.payloads.iter().map(Format::of).collect();
    }

    pub(crate) fn local(&self) -> Local {
        Local {
            id: self.id,
            rtp: self.ports.rtp,
            rtcp: self.ports.rtcp_address(),
        }
    }

    /// Counts a packet; `true` when it is one too many.
    pub(crate) const fn floods(&mut self, now_us: u64) -> bool {
        let (since_us, packets) = &mut self.second;
        if now_us.saturating_sub(*since_us) >= 1_000_000 {
            (*since_us, *packets) = (now_us, 0);
        }
        *packets += 1;
        *packets > MAX_PACKETS_PER_SECOND
    }

    /// Whether an RTP packet is this party's.
    pub(crate) fn admit(&mut self, now_us: u64, source: SocketAddr, packet: &Packet<'_>) -> bool {
        let awaited = Awaited {
            remote: self.remote,
            latch: self.latch_allowed,
            receives: self.direction.receives(),
        };
        let stamp = Stamp {
            now_us,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
        };
        let admitted = self.latch.admit(awaited, source, stamp);
        if !admitted {
            self.foreign += 1;
        }
        admitted
    }

    /// Whether an RTCP packet is this party's: from where its RTP comes, or from where its SDP says.
    pub(crate) fn admit_rtcp(
        &mut self,
        now_us: u64,
        component: Component,
        source: SocketAddr,
    ) -> bool {
        let heard = self.latch.heard();
        if component == Component::Rtp {
            let admitted = Some(source) == heard || Some(source) == self.remote;
            self.foreign += u64::from(!admitted);
            return admitted;
        }
        let host = |address: &SocketAddr| address.ip() == source.ip();
        let from_sdp = self.remote_rtcp.or(self.remote).as_ref().is_some_and(host);
        let admitted = from_sdp || self.latch_allowed && heard.as_ref().is_some_and(host);
        if !admitted {
            self.foreign += 1;
            return false;
        }
        match &mut self.rtcp_source {
            Some((known, at_us)) if *known == source => *at_us = now_us,
            Some((_, at_us)) if now_us.saturating_sub(*at_us) < RTCP_SILENCE_US => {}
            other => *other = Some((source, now_us)),
        }
        true
    }

    /// Where media for this party goes, and through which socket.
    pub(crate) fn target(&mut self, component: Component) -> Option<Target> {
        match component {
            Component::Rtp => {
                let to = self.rtp_destination()?;
                self.sent_packets += 1;
                Some(Target {
                    socket: self.ports.rtp_socket,
                    to,
                })
            }
            Component::Rtcp => {
                let to = if self.mux {
                    self.rtp_destination()?
                } else {
                    self.rtcp_destination()?
                };
                Some(Target {
                    socket: self.ports.rtcp_socket(),
                    to,
                })
            }
        }
    }

    fn rtp_destination(&self) -> Option<SocketAddr> {
        if !self.latch_allowed {
            return self.remote;
        }
        self.latch
            .locked()
            .or(self.remote)
            .or_else(|| self.latch.heard())
    }

    fn rtcp_destination(&self) -> Option<SocketAddr> {
        if let Some((source, _)) = self.rtcp_source.filter(|_| self.latch_allowed) {
            return Some(source);
        }
        self.remote_rtcp.or_else(|| {
            let remote = self.remote?;
            Some(SocketAddr::new(remote.ip(), remote.port().checked_add(1)?))
        })
    }

    /// The party is heard again: `true` when it had timed out.
    pub(crate) const fn heard_again(&mut self, now_us: u64) -> bool {
        self.silent_since_us = now_us;
        let timed_out = self.timed_out;
        self.timed_out = false;
        timed_out
    }

    /// Remembers when the party's sender report was passed on.
    pub(crate) fn passed_on(&mut self, now_us: u64, compound: Compound<'_>) {
        for report in reports(compound) {
            if let Some(info) = report.sender {
                self.sender_report = Some((rtcp::ntp_middle(info.ntp), now_us));
            }
        }
    }

    /// Reads the party's echoes of sender reports that were passed on to it (RFC 3550 §6.4.1, from our place).
    pub(crate) fn measure(&mut self, now_us: u64, compound: Compound<'_>, sent: (u32, u64)) {
        let (middle, at_us) = sent;
        let echoes = reports(compound).flat_map(|report| report.blocks());
        for echo in echoes.filter(|block| block.last_sender_report == middle && middle != 0) {
            let elapsed_us = now_us.saturating_sub(at_us);
            if let Some(trip_us) = elapsed_us.checked_sub(rtcp::short_ntp_us(echo.delay)) {
                self.round_trip_us = u32::try_from(trip_us).ok();
            }
        }
    }

    pub(crate) const fn sender_report(&self) -> Option<(u32, u64)> {
        self.sender_report
    }

    pub(crate) fn quality(&self) -> DirectionQuality {
        DirectionQuality {
            foreign: self.foreign,
            sent_packets: self.sent_packets,
            ..self.stream.quality(self.id, self.round_trip_us)
        }
    }
}

fn reports(compound: Compound<'_>) -> impl Iterator<Item = Report<'_>> {
    compound.packets().filter_map(|packet| match packet {
        rtcp::Packet::Report(report) => Some(report),
        rtcp::Packet::Description(_)
        | rtcp::Packet::Goodbye(_)
        | rtcp::Packet::Other { .. }
        | rtcp::Packet::Malformed { .. } => None,
    })
}

/// `c=IN IP4 0.0.0.0` is hold in the old way and no address.
fn reachable(address: Option<SocketAddr>) -> Option<SocketAddr> {
    address.filter(|address| !address.ip().is_unspecified())
}
