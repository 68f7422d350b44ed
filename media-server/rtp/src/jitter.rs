//! Interarrival jitter (RFC 3550 §6.4.1 and A.8).

/// A transit time that leaps by more than this is a new clock (hold, transfer), not jitter.
const LEAP_SECONDS: u32 = 1;

/// The jitter of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    clock_rate: u32,
    last_timestamp: u32,
    last_transit: u32,
    /// Sixteen times the jitter in timestamp units, as in A.8.
    scaled: u32,
    max_us: u32,
}

impl Jitter {
    /// A packet with this timestamp has come. Not to be told of telephone events: all packets of one share a timestamp.
    pub const fn arrived(&mut self, now_us: u64, timestamp: u32, clock_rate: u32) {
        // Truncation is the modular arithmetic of timestamps.
        let arrival = (now_us as u128 * clock_rate as u128 / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let same_clock = self.clock_rate == clock_rate;
        let difference = transit
            .wrapping_sub(self.last_transit)
            .cast_signed()
            .unsigned_abs();
        if same_clock && timestamp == self.last_timestamp {
            return; // another packet of the same instant says nothing new
        }
        if same_clock && difference <= LEAP_SECONDS.saturating_mul(clock_rate) {
            self.scaled = self
                .scaled
                .saturating_add(difference)
                .saturating_sub((self.scaled + 8) >> 4);
            let now = self.us();
            if now > self.max_us {
                self.max_us = now;
            }
        } else if !same_clock {
            self.scaled = 0;
        }
        self.clock_rate = clock_rate;
        self.last_timestamp = timestamp;
        self.last_transit = transit;
    }

    /// Another source: the next packet compares with nothing.
    pub const fn restart(&mut self) {
        self.clock_rate = 0;
    }

    /// In timestamp units, as a report block wants it.
    #[must_use]
    pub const fn timestamp_units(&self) -> u32 {
        self.scaled >> 4
    }

    #[must_use]
    pub const fn us(&self) -> u32 {
        if self.clock_rate == 0 {
            return 0;
        }
        let us = self.scaled as u64 * 1_000_000 / 16 / self.clock_rate as u64;
        if us > u32::MAX as u64 {
            u32::MAX
        } else {
            us as u32
        }
    }

    /// The largest value that [`Jitter::us`] ever had.
    #[must_use]
    pub const fn max_us(&self) -> u32 {
        self.max_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8000;

    #[test]
    fn a_stream_that_keeps_time_has_no_jitter() {
        let mut jitter = Jitter::default();
        for packet in 0..1000_u32 {
            jitter.arrived(
                u64::from(packet) * 20_000,
                packet.wrapping_mul(160).wrapping_sub(80_000),
                RATE,
            );
        }
        assert_eq!(jitter.us(), 0);
    }

    #[test]
    fn packets_that_come_alternately_5_ms_early_and_late_have_10_ms() {
        let mut jitter = Jitter::default();
        for packet in 0..1000_u32 {
            let shift = if packet % 2 == 0 { 5_000 } else { 15_000 };
            jitter.arrived(u64::from(packet) * 20_000 + shift, packet * 160, RATE);
        }
        assert!((9_000..=10_000).contains(&jitter.us()), "{}", jitter.us());
        assert_eq!(jitter.timestamp_units() / 8, jitter.us() / 1000);
    }

    #[test]
    fn a_new_clock_is_not_jitter() {
        let mut jitter = Jitter::default();
        jitter.arrived(0, 0, RATE);
        jitter.arrived(20_000, 160, RATE);
        jitter.arrived(40_000, 3_000_000_000, RATE);
        jitter.arrived(60_000, 3_000_000_160, RATE);
        jitter.arrived(80_000, 48_000, 48_000);
        assert_eq!(jitter.max_us(), 0);
    }

    #[test]
    fn several_packets_of_one_instant_are_not_jitter() {
        let mut jitter = Jitter::default();
        for packet in 0..50 {
            jitter.arrived(packet * 20_000, 160, RATE);
        }
        assert_eq!(jitter.us(), 0);
    }
}
