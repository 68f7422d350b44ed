use prometheus::Registry;

use super::instrument::{
    self, Counter, Counters, FractionGauge, GAP_BUCKETS, Gauge, Histogram, JITTER_BUCKETS,
};

/// Which way packets go at a media server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Received,
    Sent,
}

impl Way {
    const ALL: [Self; 2] = [Self::Received, Self::Sent];

    fn label(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
        }
    }
}

/// Why a packet was not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// Not RTP, not RTCP.
    Malformed,
    /// From an address that the session has not learned.
    UnknownSource,
    /// The other side is on hold or not known yet.
    NoDestination,
    /// The kernel did not take it.
    SendFailed,
}

impl Drop {
    const ALL: [Self; 4] = [
        Self::Malformed,
        Self::UnknownSource,
        Self::NoDestination,
        Self::SendFailed,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownSource => "unknown_source",
            Self::NoDestination => "no_destination",
            Self::SendFailed => "send_failed",
        }
    }
}

/// Why a call has left a media server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Lost,
    Drained,
}

impl Moved {
    const ALL: [Self; 2] = [Self::Lost, Self::Drained];

    fn label(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Drained => "drained",
        }
    }
}

/// Packets at a media server, and media servers at a control node.
#[derive(Clone, Debug)]
pub struct MediaMetrics {
    pub sessions_active: Gauge,
    pub ports_used: Gauge,
    /// Sent by the peers and never arrived, as RTP sequence numbers tell.
    pub lost_packets: Counter,
    /// At the end of a session, one observation a direction.
    pub jitter_seconds: Histogram,
    /// Sessions that heard nothing for their time-out.
    pub rtp_timeouts: Counter,
    /// Descriptors refused because a newer owner had spoken.
    pub fenced: Counter,
    /// Media servers that this control node has a connection to.
    pub servers_connected: Gauge,
    /// From the last sign of life of a lost media server until both phones had the address of another.
    pub gap_seconds: Histogram,
    moved: Counters,
    packets: Counters,
    octets: Counters,
    dropped: Counters,
    load_ratio: FractionGauge,
}

impl MediaMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            sessions_active: instrument::gauge(
                registry,
                "carillon_media_sessions_active",
                "Media sessions on this server.",
            ),
            ports_used: instrument::gauge(
                registry,
                "carillon_media_ports_used",
                "UDP ports of the pool that are bound.",
            ),
            lost_packets: instrument::counter(
                registry,
                "carillon_rtp_lost_packets_total",
                "RTP packets that never arrived, by their sequence numbers.",
            ),
            jitter_seconds: instrument::histogram(
                registry,
                "carillon_rtp_jitter_seconds",
                "Interarrival jitter of each direction of ended sessions.",
                JITTER_BUCKETS,
            ),
            rtp_timeouts: instrument::counter(
                registry,
                "carillon_rtp_timeouts_total",
                "Sessions in which no media came for the time-out.",
            ),
            fenced: instrument::counter(
                registry,
                "carillon_media_fenced_total",
                "Session descriptors refused because they carried an older epoch.",
            ),
            servers_connected: instrument::gauge(
                registry,
                "carillon_media_servers_connected",
                "Media servers that this control node is connected to.",
            ),
            gap_seconds: instrument::histogram(
                registry,
                "carillon_media_gap_seconds",
                "From the last sign of life of a lost media server until both phones had another one's address.",
                GAP_BUCKETS,
            ),
            moved: instrument::counters(
                registry,
                "carillon_media_moves_total",
                "Calls whose phones have left a media server for another one, by reason.",
                &["reason"],
            ),
            packets: instrument::counters(
                registry,
                "carillon_rtp_packets_total",
                "RTP and RTCP packets.",
                &["direction"],
            ),
            octets: instrument::counters(
                registry,
                "carillon_rtp_bytes_total",
                "Octets of RTP and RTCP packets, headers of UDP and IP not counted.",
                &["direction"],
            ),
            dropped: instrument::counters(
                registry,
                "carillon_rtp_dropped_packets_total",
                "Packets received and not relayed, by reason.",
                &["reason"],
            ),
            load_ratio: instrument::fraction(
                registry,
                "carillon_media_server_load_ratio",
                "Share of the port pool that is in use, 0 to 1.",
            ),
        };
        for way in Way::ALL {
            metrics.packets(way);
            metrics.octets(way);
        }
        for drop in Drop::ALL {
            metrics.dropped(drop);
        }
        for why in Moved::ALL {
            metrics.moved(why);
        }
        metrics
    }

    pub fn packets(&self, way: Way) -> Counter {
        self.packets.at(&[way.label()])
    }

    pub fn octets(&self, way: Way) -> Counter {
        self.octets.at(&[way.label()])
    }

    pub fn dropped(&self, drop: Drop) -> Counter {
        self.dropped.at(&[drop.label()])
    }

    pub fn moved(&self, why: Moved) -> Counter {
        self.moved.at(&[why.label()])
    }

    pub fn load(&self, ratio: f64) {
        self.load_ratio.set(ratio);
    }
}
