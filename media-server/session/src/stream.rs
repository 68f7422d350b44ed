//! How one party's RTP arrives.

use carillon_protocol::{DirectionQuality, Payload};
use carillon_rtp::quality::{self, Codec};
use carillon_rtp::{Jitter, Packet, Sequence, payload};

/// The clock of a payload type that nobody has declared.
const USUAL_CLOCK_RATE: u32 = 8000;

/// A payload type as far as statistics need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    number: u8,
    /// Packets of one event share a timestamp, so they say nothing about jitter.
    event: bool,
    clock_rate: u32,
    codec: Codec,
}

impl Format {
    pub(crate) fn of(payload: &Payload) -> Self {
        Self::named(payload.number, &payload.name, payload.clock_rate)
    }

    pub(crate) fn fixed(number: u8) -> Self {
        let (name, clock_rate) = payload::fixed(number).unwrap_or(("", USUAL_CLOCK_RATE));
        Self::named(number, name, clock_rate)
    }

    fn named(number: u8, name: &str, clock_rate: u32) -> Self {
        let event = name.eq_ignore_ascii_case("telephone-event");
        Self {
            number,
            event,
            clock_rate,
            codec: Codec::named(name),
        }
    }

    pub(crate) const fn number(&self) -> u8 {
        self.number
    }
}

/// The packets that a party sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    packets: u64,
    bytes: u64,
    sequence: Sequence,
    jitter: Jitter,
    format: Option<Format>,
    /// The codec of the sound; telephone events do not replace it.
    codec: Option<(u8, Codec)>,
    last_us: Option<u64>,
    longest_gap_us: u64,
}

impl Stream {
    /// Whether the payload type is the one of the last packet.
    pub(crate) fn is_in_format(&self, number: u8) -> bool {
        self.format.is_some_and(|format| format.number == number)
    }

    /// The next packets are of this payload type.
    pub(crate) const fn change_format(&mut self, format: Format) {
        self.format = Some(format);
        if !format.event {
            self.codec = Some((format.number, format.codec));
        }
    }

    pub(crate) fn arrived(&mut self, now_us: u64, packet: &Packet<'_>) {
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        if self.sequence.ssrc().is_some_and(|ssrc| ssrc != packet.ssrc) {
            self.jitter.restart();
        }
        self.sequence.arrived(packet.ssrc, packet.sequence);
        if let Some(format) = self.format.filter(|format| !format.event) {
            self.jitter
                .arrived(now_us, packet.timestamp, format.clock_rate);
        }
        if let Some(last_us) = self.last_us {
            self.longest_gap_us = self.longest_gap_us.max(now_us.saturating_sub(last_us));
        }
        self.last_us = Some(now_us);
    }

    /// What follows is no gap after what was before: hold begins or ends.
    pub(crate) const fn pause(&mut self) {
        self.last_us = None;
    }

    /// The stream's part of a quality report.
    pub(crate) fn quality(&self, termination: u8, round_trip_us: Option<u32>) -> DirectionQuality {
        let (payload, codec) = self.codec.unzip();
        let heard = quality::Stream {
            codec: codec.unwrap_or(Codec::named("")),
            expected: self.sequence.expected(),
            lost: self.sequence.lost(),
            jitter_us: self.jitter.us(),
            round_trip_us,
        };
        DirectionQuality {
            termination,
            packets: self.packets,
            bytes: self.bytes,
            expected: self.sequence.expected(),
            lost: self.sequence.lost(),
            reordered: self.sequence.late(),
            jitter_us: self.jitter.us(),
            jitter_max_us: self.jitter.max_us(),
            round_trip_us,
            mos_hundredths: (self.packets > 0).then(|| heard.mos_hundredths()),
            payload,
            foreign: 0,
            sent_packets: 0,
            longest_gap_ms: u32::try_from(self.longest_gap_us / 1000).unwrap_or(u32::MAX),
        }
    }
}
