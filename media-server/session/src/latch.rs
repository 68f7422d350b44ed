//! Whose media counts as the party's (symmetric RTP: RFC 4961, and latching as RFC 7362 §4 describes it with its
//! dangers).
//!
//! The first source that sends a few packets in order is learned and locked; the address of the party's SDP needs one
//! packet only and always wins. Once locked, others are ignored, except the same stream (SSRC and numbers) going on
//! from another address (a NAT that rebinds), or anybody after long silence.

use std::net::SocketAddr;

/// Packets in order that lock a source which is not the address in the SDP.
const LEARNING_PACKETS: u8 = 3;
/// A source being learned that is silent for this long makes way for another.
const LEARNING_SILENCE_US: u64 = 200_000;
/// Silence of the locked source after which its own stream may go on from another address.
const MOVE_SILENCE_US: u64 = 100_000;
/// Silence of the locked source, while it should send, after which any source is learned.
const FORGET_SILENCE_US: u64 = 5_000_000;
/// Numbers ahead of the last one that are the same stream.
const SAME_STREAM: u16 = 500;

/// What a packet shows of its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) now_us: u64,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
}

/// What is awaited from a party.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    /// The address in its SDP.
    pub(crate) remote: Option<SocketAddr>,
    /// Whether another address may be learned.
    pub(crate) latch: bool,
    /// Whether the party should be sending at all.
    pub(crate) receives: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Open,
    Learning(Source, u8),
    Locked(Source),
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
    last: u16,
    at_us: u64,
}

impl Source {
    const fn new(address: SocketAddr, stamp: Stamp) -> Self {
        Self {
            address,
            ssrc: stamp.ssrc,
            last: stamp.sequence,
            at_us: stamp.now_us,
        }
    }

    /// The packet goes on where this source was.
    const fn continues(&self, stamp: Stamp) -> bool {
        let ahead = stamp.sequence.wrapping_sub(self.last);
        self.ssrc == stamp.ssrc && ahead > 0 && ahead < SAME_STREAM
    }

    const fn silent_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.at_us)
    }
}

/// The learned source of one party's RTP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latch(State);

impl Latch {
    /// Whether a packet from `address` is the party's; learns from it.
    pub(crate) fn admit(&mut self, awaited: Awaited, address: SocketAddr, stamp: Stamp) -> bool {
        let here = Source::new(address, stamp);
        if awaited.remote == Some(address) {
            self.0 = State::Locked(here);
            return true;
        }
        if !awaited.latch {
            let known = awaited
                .remote
                .is_some_and(|remote| remote.ip() == address.ip());
            if known {
                self.0 = State::Locked(here);
            }
            return known;
        }
        match &mut self.0 {
            State::Open => self.0 = State::Learning(here, 1),
            State::Learning(source, seen) if source.address == address => {
                *seen = if source.continues(stamp) {
                    *seen + 1
                } else {
                    1
                };
                *source = here;
                if *seen >= LEARNING_PACKETS {
                    self.0 = State::Locked(here);
                }
            }
            State::Learning(source, _) => {
                if source.silent_us(stamp.now_us) < LEARNING_SILENCE_US {
                    return false;
                }
                self.0 = State::Learning(here, 1);
            }
            State::Locked(source) if source.address == address => *source = here,
            State::Locked(source) => {
                let silent_us = source.silent_us(stamp.now_us);
                if silent_us >= MOVE_SILENCE_US && source.continues(stamp) {
                    *source = here;
                } else if silent_us >= FORGET_SILENCE_US && awaited.receives {
                    self.0 = State::Learning(here, 1);
                } else {
                    return false;
                }
            }
        }
        true
    }

    /// The party is somewhere else now, says its SDP.
    pub(crate) fn forget_unless(&mut self, remote: Option<SocketAddr>) {
        if self.locked().is_none() || self.locked() != remote {
            self.0 = State::Open;
        }
    }

    /// The address that is the party's beyond doubt.
    pub(crate) const fn locked(&self) -> Option<SocketAddr> {
        match &self.0 {
            State::Locked(source) => Some(source.address),
            State::Open | State::Learning(..) => None,
        }
    }

    /// The best guess of an address.
    pub(crate) const fn heard(&self) -> Option<SocketAddr> {
        match &self.0 {
            State::Locked(source) | State::Learning(source, _) => Some(source.address),
            State::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Party {
        latch: Latch,
        awaited: Awaited,
        now_us: u64,
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    impl Party {
        fn new(remote: Option<&str>) -> Self {
            let awaited = Awaited {
                remote: remote.map(at),
                latch: true,
                receives: true,
            };
            Self {
                latch: Latch::default(),
                awaited,
                now_us: 0,
            }
        }

        fn admits(&mut self, from: &str, ssrc: u32, sequence: u16) -> bool {
            self.now_us += 20_000;
            self.latch.admit(
                self.awaited,
                at(from),
                Stamp {
                    now_us: self.now_us,
                    ssrc,
                    sequence,
                },
            )
        }

        fn locked(&self) -> Option<String> {
            self.latch.locked().map(|address| address.to_string())
        }
    }

    const HOME: &str = "192.0.2.1:4000";
    const NAT: &str = "198.51.100.7:31000";
    const THIEF: &str = "203.0.113.66:6666";

    #[test]
    fn the_address_in_the_sdp_is_locked_by_one_packet() {
        let mut party = Party::new(Some(HOME));
        assert!(party.admits(HOME, 1, 10));
        assert_eq!(party.locked().unwrap(), HOME);
        assert!(!party.admits(THIEF, 2, 1));
    }

    #[test]
    fn a_phone_behind_nat_is_heard_at_once_and_locked_after_three_packets() {
        let mut party = Party::new(Some(HOME));
        assert!(party.admits(NAT, 1, 65_535));
        assert!(party.admits(NAT, 1, 0));
        assert_eq!(party.locked(), None);
        assert!(party.admits(NAT, 1, 2));
        assert_eq!(party.locked().unwrap(), NAT);
    }

    #[test]
    fn a_source_that_guesses_numbers_is_not_learned() {
        let mut party = Party::new(Some(HOME));
        for sequence in [5, 40_000, 12, 20_000, 7, 30_000] {
            party.admits(THIEF, 1, sequence);
        }
        assert_eq!(party.locked(), None);
        assert!(party.admits(HOME, 2, 1));
        assert_eq!(party.locked().unwrap(), HOME);
    }

    #[test]
    fn the_sdp_address_takes_over_from_a_thief_that_was_first() {
        let mut party = Party::new(Some(HOME));
        assert!((1..10).all(|sequence| party.admits(THIEF, 1, sequence)));
        assert_eq!(party.locked().unwrap(), THIEF);
        assert!(party.admits(HOME, 2, 1));
        assert_eq!(party.locked().unwrap(), HOME);
        assert!(!party.admits(THIEF, 1, 10));
    }

    #[test]
    fn nobody_takes_over_a_stream_that_flows() {
        let mut party = Party::new(None);
        assert!((1..4).all(|sequence| party.admits(NAT, 1, sequence)));
        for sequence in 4..500 {
            assert!(party.admits(NAT, 1, sequence));
            assert!(
                !party.admits(THIEF, 1, sequence + 1),
                "even with the right source and number"
            );
        }
    }

    #[test]
    fn a_stream_goes_on_after_its_nat_has_given_it_another_port() {
        let mut party = Party::new(None);
        assert!((1..4).all(|sequence| party.admits(NAT, 1, sequence)));
        party.now_us += MOVE_SILENCE_US;
        assert!(!party.admits(THIEF, 2, 9), "another stream");
        assert!(party.admits("198.51.100.7:31002", 1, 9));
        assert_eq!(party.locked().unwrap(), "198.51.100.7:31002");
    }

    #[test]
    fn after_five_silent_seconds_a_new_source_is_learned_but_not_while_the_party_is_on_hold() {
        let mut party = Party::new(None);
        assert!((1..4).all(|sequence| party.admits(NAT, 1, sequence)));
        party.now_us += FORGET_SILENCE_US;
        party.awaited.receives = false;
        assert!(!party.admits(THIEF, 2, 1));
        party.awaited.receives = true;
        assert!((1..4).all(|sequence| party.admits(HOME, 2, sequence)));
        assert_eq!(party.locked().unwrap(), HOME);
    }

    #[test]
    fn without_latching_only_the_host_in_the_sdp_is_heard() {
        let mut party = Party::new(Some(HOME));
        party.awaited.latch = false;
        assert!(party.admits("192.0.2.1:4002", 1, 1));
        assert!(!party.admits(NAT, 1, 2));
        party.awaited.remote = None;
        assert!(!party.admits(HOME, 1, 3));
    }

    #[test]
    fn a_new_address_in_the_sdp_begins_anew_and_the_same_one_keeps_the_lock() {
        let mut party = Party::new(Some(HOME));
        party.admits(HOME, 1, 1);
        party.latch.forget_unless(Some(at(HOME)));
        assert_eq!(party.locked().unwrap(), HOME);
        party.latch.forget_unless(Some(at(NAT)));
        assert_eq!(party.locked(), None);
    }
}
