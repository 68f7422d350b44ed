//! When a thread sleeps on purpose: waking for each packet costs more than the packet.

use std::time::Duration;

/// Packets gathered before they are handled, at the rates where that pays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tick {
    window_began_us: u64,
    window_packets: u32,
    packets_per_second: u64,
    last_us: u64,
}

/// How long packets are gathered. A phone's jitter buffer does not notice a millisecond.
const TICK_US: u64 = 1000;
/// Below this, waking for each packet is cheap, and the packet goes at once.
const FROM_PACKETS_PER_SECOND: u64 = 2_000;
const WINDOW_US: u64 = 100_000;

impl Tick {
    /// After a round of `packets` that ended at `now_us`: how long to sleep. A round that was full is followed by the
    /// next at once, lest queues grow.
    pub fn after(&mut self, now_us: u64, packets: usize, full: bool) -> Option<Duration> {
        self.window_packets += u32::try_from(packets).unwrap_or(u32::MAX);
        let window_us = now_us.saturating_sub(self.window_began_us);
        if window_us >= WINDOW_US {
            self.packets_per_second = u64::from(self.window_packets) * 1_000_000 / window_us;
            (self.window_began_us, self.window_packets) = (now_us, 0);
        }
        let due_us = self.last_us + TICK_US;
        self.last_us = now_us;
        if full || self.packets_per_second < FROM_PACKETS_PER_SECOND || due_us <= now_us {
            return None;
        }
        self.last_us = due_us;
        Some(Duration::from_micros(due_us - now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a thread at this rate for a second; the rounds that it needed.
    fn rounds(packets_per_second: u64, full: bool) -> u32 {
        let (mut tick, mut now_us, mut rounds, mut handled) = (Tick::default(), 0, 0, 0);
        while now_us < 1_000_000 {
            let waiting = now_us * packets_per_second / 1_000_000 - handled;
            handled += waiting;
            now_us += 5 * waiting;
            rounds += 1;
            let sleep = tick.after(now_us, usize::try_from(waiting).unwrap_or(0), full);
            let next_packet_us = (handled + 1) * 1_000_000 / packets_per_second;
            now_us = sleep.map_or(now_us.max(next_packet_us), |sleep| {
                now_us + sleep.as_micros() as u64
            });
        }
        rounds
    }

    #[test]
    fn a_few_calls_are_served_packet_by_packet() {
        assert!((990..=1010).contains(&rounds(1000, false)));
    }

    #[test]
    fn many_calls_are_served_a_thousand_times_a_second() {
        let rounds = rounds(50_000, false);
        assert!(
            rounds < 7000,
            "the first window runs without a tick: {rounds}"
        );
        let mut tick = Tick::default();
        tick.after(100_000, 5000, false);
        assert_eq!(
            tick.after(100_400, 50, false),
            Some(Duration::from_micros(600))
        );
        assert_eq!(
            tick.after(101_300, 50, false),
            Some(Duration::from_micros(700)),
            "on the grid of the tick"
        );
        assert_eq!(tick.after(103_000, 50, false), None, "late already");
    }

    #[test]
    fn a_full_round_is_followed_by_the_next_at_once() {
        let mut tick = Tick::default();
        tick.after(100_000, 5000, false);
        assert_eq!(tick.after(100_400, 256, true), None);
    }
}
