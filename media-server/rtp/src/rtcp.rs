//! RTCP: reading compound packets and writing the few that a media server says itself (RFC 3550 §6).

mod read;
mod write;

pub use read::{Compound, Goodbye, Items, Packet, Report, ReportBlock, Reports, SenderInfo};
pub use write::Writer;

use thiserror::Error;

/// RTCP packets in one datagram at most.
pub const MAX_PACKETS: usize = 32;

/// Why a datagram is no RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RtcpError {
    #[error("shorter than its header says")]
    Short,
    #[error("version {0} instead of 2")]
    Version(u8),
    #[error("packet type {0} is none of RTCP")]
    Type(u8),
    #[error("a padding that the packet does not have, or one that is not at the end")]
    Padding,
    #[error("more than {MAX_PACKETS} packets")]
    TooMany,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

const VERSION: u8 = 2;
const BLOCK_OCTETS: usize = 24;
const CNAME: u8 = 1;

/// The middle 32 bits of an NTP timestamp, as reports echo them: units of 1/65536 s (RFC 3550 §4).
#[must_use]
pub const fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A time in 1/65536 s as microseconds.
#[must_use]
pub const fn short_ntp_us(short: u32) -> u64 {
    short as u64 * 1_000_000 / 65_536
}

/// Microseconds in 1/65536 s, modulo 2^32.
#[must_use]
pub const fn us_short_ntp(us: u64) -> u32 {
    (us as u128 * 65_536 / 1_000_000) as u32
}
