//! Virtual time: it stands still while anything is to be done.

use std::future::pending;
use std::time::Duration;

use carillon_cluster::Runtime;
use openraft_rt_sim::{SimInstant, SimRuntime};

/// Microseconds since the world began.
pub(crate) fn now_us() -> u64 {
    let since_start = SimInstant::try_now().map_or(Duration::ZERO, SimInstant::elapsed_since_start);
    u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX)
}

/// Unix milliseconds, as the cluster has them.
pub(crate) fn now_ms() -> u64 {
    SimRuntime::now_ms()
}

/// When the clock of the cluster shows `at_ms`, in microseconds since the world began.
pub(crate) fn us_of(at_ms: u64) -> u64 {
    let start_ms = now_ms() - now_us() / 1000;
    at_ms.saturating_sub(start_ms) * 1000
}

/// Lets time pass.
pub(crate) async fn pass(time: Duration) {
    SimRuntime::within(time, pending::<()>()).await;
}

/// The same in microseconds.
pub(crate) async fn pass_us(time_us: u64) {
    pass(Duration::from_micros(time_us)).await;
}
