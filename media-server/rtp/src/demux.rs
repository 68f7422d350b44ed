//! What kind of packet shares an RTP port (RFC 7983 §7, RFC 5761 §4).

/// The protocol that a datagram belongs to, by its first two octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rtp,
    Rtcp,
    Stun,
    Dtls,
    Unknown,
}

impl Kind {
    /// Looks at the first two octets and at nothing else: a datagram of this kind may still be malformed.
    #[must_use]
    pub const fn of(datagram: &[u8]) -> Self {
        match datagram {
            // RFC 5761 §4: the payload types 64 to 95 with marker bit are the RTCP packet types 192 to 223.
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            [0..=3, _, ..] => Self::Stun,
            [20..=63, _, ..] => Self::Dtls,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_and_rtcp_on_one_port_are_told_apart() {
        assert_eq!(Kind::of(&[0x80, 0]), Kind::Rtp);
        assert_eq!(Kind::of(&[0x80, 0x80 | 101]), Kind::Rtp);
        assert_eq!(Kind::of(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(Kind::of(&[0x81, 201]), Kind::Rtcp);
        assert_eq!(Kind::of(&[0x81, 206]), Kind::Rtcp);
    }

    #[test]
    fn other_protocols_are_not_taken_for_media() {
        assert_eq!(Kind::of(&[0, 1]), Kind::Stun);
        assert_eq!(Kind::of(&[22, 254]), Kind::Dtls);
        assert_eq!(Kind::of(&[0x40, 0]), Kind::Unknown);
        assert_eq!(Kind::of(&[0x80]), Kind::Unknown);
        assert_eq!(Kind::of(&[]), Kind::Unknown);
    }
}
