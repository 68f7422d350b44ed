//! Which packets of a stream came, by their sequence numbers (RFC 3550 A.1 and A.3).
//!
//! Differences from A.1: no probation (the latch of a session has its own), duplicates are told from late packets by
//! a window of 64 numbers, and a restart or another source begins a new run whose numbers are added to the earlier ones.

/// A number this far ahead is still the same run.
const MAX_DROPOUT: u16 = 3000;
/// A number this far behind is a late packet.
const MAX_MISORDER: u16 = 100;

/// What one packet was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one after a gap.
    Ahead,
    /// Behind a later one.
    Late,
    /// There before.
    Duplicate,
    /// The sender has begun anew.
    Restarted,
    /// So far off that only its successor can tell.
    Stray,
}

/// The packets of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    ssrc: u32,
    running: bool,
    /// The first number of the run, extended like `highest`.
    base: u64,
    /// Highest number of the run: `(cycles + 1) << 16 | number`, so that a late first packet has room below.
    highest: u64,
    /// The successor of a stray; above `u16::MAX`: none.
    expected_after_stray: u32,
    /// Bit n: `highest - n` has come.
    window: u64,
    expected_before: u64,
    received: u64,
    duplicates: u64,
    late: u64,
}

impl Sequence {
    /// A packet with this source and number has come.
    pub const fn arrived(&mut self, ssrc: u32, number: u16) -> Arrival {
        if !self.running || self.ssrc != ssrc {
            let first = !self.running;
            self.begin(ssrc, number);
            return if first {
                Arrival::Ahead
            } else {
                Arrival::Restarted
            };
        }
        let ahead = number.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.expected_after_stray = NO_STRAY;
            self.window = if ahead >= 64 { 0 } else { self.window << ahead };
            self.window |= 1;
            self.highest += ahead as u64;
            self.received += 1;
            return Arrival::Ahead;
        }
        let behind = ahead.wrapping_neg();
        if behind <= MAX_MISORDER {
            return self.arrived_late(behind);
        }
        if number as u32 == self.expected_after_stray {
            self.begin(ssrc, number);
            return Arrival::Restarted;
        }
        self.expected_after_stray = number.wrapping_add(1) as u32;
        Arrival::Stray
    }

    const fn arrived_late(&mut self, behind: u16) -> Arrival {
        if behind < 64 {
            let bit = 1 << behind;
            if self.window & bit != 0 {
                self.duplicates += 1;
                return Arrival::Duplicate;
            }
            self.window |= bit;
        }
        let number = self.highest - behind as u64;
        if number < self.base {
            self.base = number; // the very first packet was overtaken
        }
        self.late += 1;
        self.received += 1;
        Arrival::Late
    }

    const fn begin(&mut self, ssrc: u32, number: u16) {
        self.expected_before = self.expected();
        self.ssrc = ssrc;
        self.running = true;
        self.base = ONE_CYCLE + number as u64;
        self.highest = self.base;
        self.window = 1;
        self.expected_after_stray = NO_STRAY;
        self.received += 1;
    }

    /// The source of the present run.
    #[must_use]
    pub const fn ssrc(&self) -> Option<u32> {
        if self.running { Some(self.ssrc) } else { None }
    }

    /// The highest number of the present run.
    #[must_use]
    pub const fn highest(&self) -> Option<u16> {
        if self.running {
            Some(self.highest as u16)
        } else {
            None
        }
    }

    /// The highest number with the count of cycles before it, as a report block wants it (RFC 3550 §6.4.1).
    #[must_use]
    pub const fn extended_highest(&self) -> u32 {
        self.highest.wrapping_sub(ONE_CYCLE) as u32
    }

    /// Packets that the sender must have sent.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        if self.running {
            self.expected_before + (self.highest - self.base) + 1
        } else {
            0
        }
    }

    /// Packets that came, duplicates not counted.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that came behind a later one.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }
}

const NO_STRAY: u32 = u32::MAX;
const ONE_CYCLE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(numbers: impl IntoIterator<Item = u16>) -> Sequence {
        let mut sequence = Sequence::default();
        for number in numbers {
            sequence.arrived(1, number);
        }
        sequence
    }

    #[test]
    fn a_whole_stream_over_the_wrap_has_no_loss() {
        let sequence = stream((0..200_000_u32).map(|n| (n + 65_000) as u16));
        assert_eq!(
            (sequence.expected(), sequence.received(), sequence.lost()),
            (200_000, 200_000, 0)
        );
        assert_eq!(sequence.extended_highest(), 264_999);
    }

    #[test]
    fn what_does_not_come_is_lost() {
        let sequence = stream((0..1000).filter(|n| n % 10 != 5));
        assert_eq!(
            (sequence.expected(), sequence.received(), sequence.lost()),
            (1000, 900, 100)
        );
    }

    #[test]
    fn a_late_packet_is_not_lost_and_one_that_comes_twice_hides_no_loss() {
        let sequence = stream([10, 11, 13, 12, 13, 13, 16, 12]);
        assert_eq!(sequence.expected(), 7);
        assert_eq!(sequence.received(), 5);
        assert_eq!(sequence.lost(), 2);
        assert_eq!((sequence.late(), sequence.duplicates()), (1, 3));
    }

    #[test]
    fn the_first_packet_may_come_second() {
        let sequence = stream([0, 65_535, 1, 2]);
        assert_eq!(
            (sequence.expected(), sequence.received(), sequence.lost()),
            (4, 4, 0)
        );
    }

    #[test]
    fn a_sender_that_begins_anew_loses_nothing_by_it() {
        let mut sequence = stream(0..100);
        assert_eq!(sequence.arrived(1, 40_000), Arrival::Stray);
        assert_eq!(sequence.arrived(1, 40_001), Arrival::Restarted);
        assert_eq!(sequence.arrived(1, 40_002), Arrival::Ahead);
        assert_eq!((sequence.expected(), sequence.received()), (102, 102));
        assert_eq!(sequence.arrived(2, 7), Arrival::Restarted);
        assert_eq!((sequence.expected(), sequence.lost()), (103, 0));
    }

    #[test]
    fn one_stray_number_changes_nothing() {
        let mut sequence = stream(0..100);
        assert_eq!(sequence.arrived(1, 40_000), Arrival::Stray);
        assert_eq!(sequence.arrived(1, 100), Arrival::Ahead);
        assert_eq!(sequence.arrived(1, 40_001), Arrival::Stray);
        assert_eq!((sequence.expected(), sequence.lost()), (101, 0));
    }
}
