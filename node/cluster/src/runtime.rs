//! Where the cluster runs: tokio in production, virtual time in the simulation.

use std::time::{Duration, Instant, SystemTime};

use openraft::AsyncRuntime;
use openraft_rt_tokio::TokioRuntime;

/// What the cluster needs of an async runtime beyond what Raft needs.
pub trait Runtime: AsyncRuntime + Sized {
    /// Runs work that takes long without holding up other tasks.
    fn offload<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

    /// Unix milliseconds that never decrease.
    fn now_ms() -> u64;

    /// Runs a future in the background.
    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        drop(Self::spawn(future));
    }

    /// `None` when the future takes longer.
    fn within<T: Send>(
        limit: Duration,
        future: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Option<T>> + Send {
        let timed = Self::timeout(limit, future);
        async move { timed.await.ok() }
    }
}

impl Runtime for TokioRuntime {
    async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn now_ms() -> u64 {
        static START: std::sync::OnceLock<(SystemTime, Instant)> = std::sync::OnceLock::new();
        let (wall, monotonic) = START.get_or_init(|| (SystemTime::now(), Instant::now()));
        let start = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from((start + monotonic.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(feature = "sim")]
impl Runtime for openraft_rt_sim::SimRuntime {
    fn offload<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        std::future::ready(work())
    }

    fn now_ms() -> u64 {
        const EPOCH_MS: u64 = 1_800_000_000_000;
        let now = openraft_rt_sim::SimInstant::try_now()
            .map_or(Duration::ZERO, |now| now.elapsed_since_start());
        EPOCH_MS + u64::try_from(now.as_millis()).unwrap_or(0)
    }
}
