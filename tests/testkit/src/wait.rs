//! Waiting for a condition, never for time to pass.

use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A test that waits in vain ends with an error and no panic; this is how its lab knows.
static IN_VAIN: AtomicBool = AtomicBool::new(false);

pub(crate) fn note_in_vain() {
    IN_VAIN.store(true, Ordering::Relaxed);
}

/// Whether something was waited for in vain since this was asked last.
pub(crate) fn was_in_vain() -> bool {
    IN_VAIN.swap(false, Ordering::Relaxed)
}

/// Looks until there is something to see; an error that names it when the time is up.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let obstacle = match look() {
            Ok(Some(seen)) => return Ok(seen),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            note_in_vain();
            match obstacle {
                Some(error) => bail!("{what}: not within {} s: {error:#}", limit.as_secs_f32()),
                None => bail!("{what}: not within {} s", limit.as_secs_f32()),
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Lets a call last: the one wait of a test in which nothing is expected to happen.
pub fn talk_for(time: Duration) {
    thread::sleep(time);
}
