//! The cluster's time: it goes on evenly from one leader to the next, whatever their clocks say. If it stood still until
//! the clock of a new leader has caught up, no lease of a dead node would lapse; if it jumped, those of the living would.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A leader brings the cluster's time to that of its clock by a hundredth of what passes.
const SLEW: u64 = 100;

/// What a node knows of the cluster's time. Clocks are Unix milliseconds that never go back.
pub(crate) struct ClusterTime {
    started_ms: u64,
    ahead: Mutex<Ahead>,
}

/// How far the cluster's time was ahead of this node's clock, or behind it, and when that was seen.
#[derive(Clone, Copy)]
struct Ahead {
    by_ms: i64,
    seen_ms: u64,
}

impl ClusterTime {
    /// At the start of a process nothing is known: a cluster that comes up as a whole takes its time from the clock.
    pub(crate) fn new(clock_ms: u64) -> Self {
        let ahead = Ahead {
            by_ms: 0,
            seen_ms: clock_ms,
        };
        Self {
            started_ms: clock_ms,
            ahead: Mutex::new(ahead),
        }
    }

    /// Another node, as the leader, has stamped this time into what was applied just now. Stamps from before this process
    /// are those of a log that is read again.
    pub(crate) fn heard(&self, stamp_ms: u64, clock_ms: u64) {
        if stamp_ms >= self.started_ms {
            *self.ahead() = Ahead {
                by_ms: stamp_ms.cast_signed().saturating_sub_unsigned(clock_ms),
                seen_ms: clock_ms,
            };
        }
    }

    /// What this node stamps as the leader.
    pub(crate) fn now_ms(&self, clock_ms: u64) -> u64 {
        let Ahead { by_ms, seen_ms } = *self.ahead();
        let slewed = clock_ms.saturating_sub(seen_ms) / SLEW;
        match by_ms {
            0.. => clock_ms.saturating_add(by_ms.unsigned_abs().saturating_sub(slewed)),
            ..0 => clock_ms.saturating_sub(by_ms.unsigned_abs().saturating_sub(slewed)),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0_MS: u64 = 1_800_000_000_000;

    #[test]
    fn time_goes_on_from_where_the_former_leader_has_left_it() {
        for (ahead_ms, sign) in [(20_000, 1), (20_000, -1)] {
            let time = ClusterTime::new(T0_MS - 60_000);
            let stamp_ms = T0_MS.saturating_add_signed(sign * ahead_ms);
            time.heard(stamp_ms, T0_MS);
            assert_eq!(time.now_ms(T0_MS), stamp_ms);
            let passed_ms = time.now_ms(T0_MS + 900) - stamp_ms;
            assert!((890..=910).contains(&passed_ms), "{passed_ms}");
        }
    }

    #[test]
    fn in_the_long_run_it_is_that_of_the_clock() {
        for stamp_ms in [T0_MS + 20_000, T0_MS - 20_000] {
            let time = ClusterTime::new(T0_MS - 60_000);
            time.heard(stamp_ms, T0_MS);
            let hour_ms = T0_MS + 3_600_000;
            assert_eq!(time.now_ms(hour_ms), hour_ms);
        }
    }

    #[test]
    fn it_never_goes_back() {
        let time = ClusterTime::new(T0_MS - 60_000);
        time.heard(T0_MS + 5_000, T0_MS);
        let told: Vec<u64> = (0..600_000).map(|ms| time.now_ms(T0_MS + ms)).collect();
        assert!(told.is_sorted());
    }

    #[test]
    fn a_cluster_that_comes_up_after_an_hour_does_not_take_it_for_a_moment() {
        let time = ClusterTime::new(T0_MS);
        time.heard(T0_MS - 3_600_000, T0_MS + 10);
        assert_eq!(time.now_ms(T0_MS + 20), T0_MS + 20);
    }
}
