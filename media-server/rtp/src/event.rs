//! Telephone events, that is DTMF out of band (RFC 4733 §2.3).

/// The payload of one telephone-event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// 0 to 9 the digits, 10 `*`, 11 `#`, 12 to 15 `A` to `D`, 16 flash; others are not DTMF.
    pub event: u8,
    /// The event ends with this duration; repeated packets say it again.
    pub end: bool,
    /// Power in dBm0 with the sign dropped, 0 to 63.
    pub volume: u8,
    /// In timestamp units since the packet's timestamp, which all packets of one event share.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the first event of a payload; `None` when it is too short. Further octets are redundancy or padding.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1, ..] = *payload else {
            return None;
        };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload's octets.
    #[must_use]
    pub const fn to_octets(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [
            self.event,
            (self.end as u8) << 7 | self.volume & 0x3f,
            d0,
            d1,
        ]
    }

    /// The key on a telephone, if the event is one.
    #[must_use]
    pub const fn key(self) -> Option<char> {
        match self.event {
            digit @ 0..=9 => Some((b'0' + digit) as char),
            10 => Some('*'),
            11 => Some('#'),
            letter @ 12..=15 => Some((b'A' + letter - 12) as char),
            _ => None,
        }
    }

    /// The event of a key on a telephone.
    #[must_use]
    pub const fn of_key(key: char) -> Option<u8> {
        match key {
            '0'..='9' => Some(key as u8 - b'0'),
            '*' => Some(10),
            '#' => Some(11),
            'A'..='D' => Some(key as u8 - b'A' + 12),
            'a'..='d' => Some(key as u8 - b'a' + 12),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_example_of_rfc_4733_section_2_6() {
        // "911" with the digit 1 at its third packet: event 1, volume 7, duration 1200, end.
        let event = TelephoneEvent::parse(&[1, 0x87, 0x04, 0xb0]).unwrap();
        assert_eq!(
            event,
            TelephoneEvent {
                event: 1,
                end: true,
                volume: 7,
                duration: 1200
            }
        );
        assert_eq!(event.key(), Some('1'));
        assert_eq!(event.to_octets(), [1, 0x87, 0x04, 0xb0]);
    }

    #[test]
    fn every_key_has_its_event() {
        for key in "0123456789*#ABCD".chars() {
            let event = TelephoneEvent::of_key(key).unwrap();
            assert_eq!(
                TelephoneEvent::parse(&[event, 0, 0, 0]).unwrap().key(),
                Some(key)
            );
        }
        assert_eq!(TelephoneEvent::of_key('E'), None);
        assert_eq!(TelephoneEvent::parse(&[16, 0, 0, 0]).unwrap().key(), None);
    }

    #[test]
    fn a_payload_that_is_too_short_is_no_event() {
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }
}
