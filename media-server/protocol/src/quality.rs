use serde::{Deserialize, Serialize};

/// How well one party's media arrived at the media server, and, where the parties' RTCP tells, how far away it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionQuality {
    /// The party that sent.
    pub termination: u8,
    /// RTP packets that came from it, duplicates included.
    pub packets: u64,
    /// RTP payload octets that came from it.
    pub bytes: u64,
    /// RTP packets that should have come, by their sequence numbers (RFC 3550 A.3).
    pub expected: u64,
    /// `expected` less what came; never below zero.
    pub lost: u64,
    /// Packets that came behind a later one.
    #[serde(default)]
    pub reordered: u64,
    /// Interarrival jitter at the end (RFC 3550 A.8), microseconds.
    pub jitter_us: u32,
    /// The largest interarrival jitter seen, microseconds.
    #[serde(default)]
    pub jitter_max_us: u32,
    /// Round trip between the media server and the party, from relayed RTCP; `None` without reports.
    #[serde(default)]
    pub round_trip_us: Option<u32>,
    /// Estimated listening quality in hundredths of MOS (100 to 450); `None` without packets.
    #[serde(default)]
    pub mos_hundredths: Option<u16>,
    /// The payload type seen last.
    #[serde(default)]
    pub payload: Option<u8>,
    /// Packets from other addresses than the learned one: not relayed.
    #[serde(default)]
    pub foreign: u64,
    /// RTP packets that went to the party.
    #[serde(default)]
    pub sent_packets: u64,
    /// The longest time without RTP from the party while it was expected to send, milliseconds.
    #[serde(default)]
    pub longest_gap_ms: u32,
}

impl DirectionQuality {
    /// Jitter in milliseconds.
    #[must_use]
    pub fn jitter_ms(&self) -> f64 {
        f64::from(self.jitter_us) / 1000.0
    }

    /// MOS between 1 and 4.5.
    #[must_use]
    pub fn mos(&self) -> Option<f64> {
        self.mos_hundredths
            .map(|hundredths| f64::from(hundredths) / 100.0)
    }

    /// Lost packets, of a thousand expected.
    #[must_use]
    pub fn loss_permille(&self) -> u64 {
        self.lost
            .saturating_mul(1000)
            .checked_div(self.expected)
            .unwrap_or(0)
    }
}
