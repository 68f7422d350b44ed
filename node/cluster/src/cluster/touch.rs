//! How long the cluster could not be written to, as a node saw it.

use std::time::Duration;

use carillon_telemetry::RaftMetrics;
use openraft_rt_tokio::TokioRuntime;
use tokio::time::{self, MissedTickBehavior};

use crate::Replicated;
use crate::quic::QuicTransport;
use crate::replica::Replica;

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Some heartbeats: a busy machine misses one now and then.
const OUTAGE: Duration = Duration::from_millis(200);

/// An outage that has begun, if one has.
#[derive(Debug, Default)]
struct Outage {
    lasted: Option<Duration>,
}

impl Outage {
    /// Takes how long ago there was touch; says how long an outage was that has ended.
    fn look(&mut self, out_of_touch: Duration) -> Option<Duration> {
        if out_of_touch >= OUTAGE {
            self.lasted = Some(out_of_touch);
            return None;
        }
        self.lasted.take()
    }
}

/// Counts until the node stops. A node that has just started has lost nothing yet.
pub(super) async fn watch<M: Replicated>(
    replica: Replica<M, TokioRuntime, QuicTransport>,
    metrics: RaftMetrics,
) {
    let mut clock = time::interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = Outage::default();
    let mut touched = false;
    while !replica.is_out_of_duty() {
        clock.tick().await;
        let out_of_touch = replica.out_of_touch();
        metrics.in_touch.set(u64::from(out_of_touch < OUTAGE));
        touched = touched || out_of_touch < OUTAGE;
        if touched && let Some(lasted) = outage.look(out_of_touch) {
            metrics.write_outage_seconds.observe(lasted.as_secs_f64());
        }
    }
    metrics.in_touch.set(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn an_outage_is_told_once_when_it_is_over() {
        let mut outage = Outage::default();
        let told: Vec<_> = [30, 220, 270, 320, 10, 20]
            .map(|ago_ms| outage.look(MS(ago_ms)))
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(told, [MS(320)]);
    }

    #[test]
    fn a_heartbeat_that_is_late_is_no_outage() {
        let mut outage = Outage::default();
        for ago_ms in [40, 90, 140, 190, 5] {
            assert_eq!(outage.look(MS(ago_ms)), None);
        }
    }
}
