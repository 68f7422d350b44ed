use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Unix milliseconds that never go back: the wall clock at start and monotonic time from then on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    pub fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_ms.saturating_add(elapsed)
    }

    /// When a deadline is due; rounded up, so that it is over then.
    pub fn instant(&self, deadline_ms: u64) -> Instant {
        let after = deadline_ms
            .saturating_sub(self.started_ms)
            .saturating_add(1);
        // A deadline beyond a month is looked at again after a month.
        self.started + Duration::from_millis(after).min(self.started.elapsed() + MONTH)
    }
}

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
