//! One RTP packet (RFC 3550 §5.1).

use thiserror::Error;

use crate::extension::Extension;

/// Octets of the fixed header.
pub const FIXED_HEADER_OCTETS: usize = 12;
/// Contributing sources at most; the field has four bits.
pub const MAX_CONTRIBUTORS: usize = 15;

const VERSION: u8 = 2;

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    #[error("shorter than its header says")]
    Short,
    #[error("version {0} instead of 2")]
    Version(u8),
    #[error("padding of {0} octets, which the packet does not have")]
    Padding(u8),
}

/// An RTP packet; lists and payload point into the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Four octets a contributing source; see [`Packet::contributors`].
    pub csrc: &'a [u8],
    pub extension: Option<Extension<'a>>,
    pub payload: &'a [u8],
    /// Octets of padding after the payload, the counter included; 0 is no padding.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// A packet with nothing optional in it.
    #[must_use]
    pub const fn new(
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        payload: &'a [u8],
    ) -> Self {
        Self {
            marker: false,
            payload_type,
            sequence,
            timestamp,
            ssrc,
            csrc: &[],
            extension: None,
            payload,
            padding: 0,
        }
    }

    /// Reads a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let (header, rest) = datagram
            .split_first_chunk::<FIXED_HEADER_OCTETS>()
            .ok_or(PacketError::Short)?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *header;
        if first >> 6 != VERSION {
            return Err(PacketError::Version(first >> 6));
        }
        let csrc_octets = usize::from(first & 0x0f) * 4;
        let (csrc, rest) = rest
            .split_at_checked(csrc_octets)
            .ok_or(PacketError::Short)?;
        let (extension, rest) = if first & 0x10 == 0 {
            (None, rest)
        } else {
            let (extension, rest) = Extension::split(rest).ok_or(PacketError::Short)?;
            (Some(extension), rest)
        };
        let padding = if first & 0x20 == 0 {
            0
        } else {
            *rest.last().ok_or(PacketError::Padding(0))?
        };
        if first & 0x20 != 0 && padding == 0 {
            return Err(PacketError::Padding(0));
        }
        let payload_octets = rest
            .len()
            .checked_sub(usize::from(padding))
            .ok_or(PacketError::Padding(padding))?;
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            csrc,
            extension,
            payload: &rest[..payload_octets],
            padding,
        })
    }

    /// The contributing sources.
    pub fn contributors(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrc
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| u32::from_be_bytes(*octets))
    }

    /// Appends the packet's octets. Contributors past [`MAX_CONTRIBUTORS`] are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (csrc, _) = self.csrc.as_chunks::<4>();
        let csrc = &csrc[..csrc.len().min(MAX_CONTRIBUTORS)];
        let has_padding = u8::from(self.padding > 0);
        let has_extension = u8::from(self.extension.is_some());
        let count = u8::try_from(csrc.len()).expect("at most 15");
        out.push(VERSION << 6 | has_padding << 5 | has_extension << 4 | count);
        out.push(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(csrc.as_flattened());
        if let Some(extension) = &self.extension {
            extension.write(out);
        }
        out.extend_from_slice(self.payload);
        if self.padding > 0 {
            out.resize(out.len() + usize::from(self.padding) - 1, 0);
            out.push(self.padding);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_packet_of_a_phone_is_read() {
        let mut datagram = vec![0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef];
        datagram.extend([0xd5; 160]);
        let packet = Packet::parse(&datagram).unwrap();
        assert!(packet.marker);
        assert_eq!(packet.payload_type, 8);
        assert_eq!(packet.sequence, 0x1234);
        assert_eq!(packet.timestamp, 160);
        assert_eq!(packet.ssrc, 0xdead_beef);
        assert_eq!(packet.payload, [0xd5; 160]);
    }

    #[test]
    fn contributors_extension_and_padding_are_taken_off_the_payload() {
        let datagram = [
            0xb2, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0,
            3, // fixed header: padding, extension, two contributors
            0, 0, 0, 7, 0, 0, 0, 8, // contributors
            0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0, // extension of one word
            1, 2, 3, // payload
            0, 0, 3, // padding
        ];
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!(packet.contributors().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(packet.extension.unwrap().elements().next().unwrap().id, 1);
        assert_eq!(packet.payload, [1, 2, 3]);
        assert_eq!(packet.padding, 3);
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let plain = [0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];
        let with = |first: u8| {
            let mut datagram = plain;
            datagram[0] = first;
            Packet::parse(&datagram).map(|packet| packet.payload.len())
        };
        assert_eq!(with(0x80), Ok(1));
        assert_eq!(with(0x00), Err(PacketError::Version(0)));
        assert_eq!(
            with(0x8f),
            Err(PacketError::Short),
            "15 contributors that are not there"
        );
        assert_eq!(
            with(0x90),
            Err(PacketError::Short),
            "an extension that is not there"
        );
        assert_eq!(
            with(0xa0),
            Err(PacketError::Padding(9)),
            "more padding than packet"
        );
        assert_eq!(Packet::parse(&plain[..11]), Err(PacketError::Short));
        let mut none = plain;
        (none[0], none[12]) = (0xa0, 0);
        assert_eq!(
            Packet::parse(&none),
            Err(PacketError::Padding(0)),
            "padding that does not count itself"
        );
        assert_eq!(
            Packet::parse(&[0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
            Err(PacketError::Padding(0))
        );
    }
}
