//! What the packet threads have counted, for those who want to know.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use carillon_protocol::Load;
use carillon_session::Totals;
use carillon_telemetry::Metrics;
use carillon_telemetry::metrics::{Drop, Way};
use tokio::sync::Notify;

use crate::port_pool::Pools;

macro_rules! published {
    ($($field:ident),* $(,)?) => {
        /// The counters of one thread; only that thread writes them.
        #[derive(Debug, Default)]
        pub(crate) struct Published {
            sessions: AtomicU32,
            send_failed: AtomicU64,
            $($field: AtomicU64,)*
        }

        impl Published {
            pub(crate) fn store(&self, sessions: usize, send_failed: u64, totals: &Totals) {
                // Ordered, because the threads look at each other's when the server drains.
                self.sessions.store(sessions as u32, Ordering::SeqCst);
                self.send_failed.store(send_failed, Ordering::Relaxed);
                $(self.$field.store(totals.$field, Ordering::Relaxed);)*
            }

            fn totals(&self) -> Totals {
                Totals { $($field: self.$field.load(Ordering::Relaxed),)* }
            }
        }

        fn add(a: Totals, b: Totals) -> Totals {
            Totals { $($field: a.$field + b.$field,)* }
        }

        fn subtract(a: Totals, b: Totals) -> Totals {
            Totals { $($field: a.$field.saturating_sub(b.$field),)* }
        }
    };
}

published!(
    packets_in,
    bytes_in,
    packets_out,
    bytes_out,
    foreign,
    unheard,
    malformed,
    flood,
    other_protocol,
    sessions_opened,
    sessions_closed,
    sessions_reaped,
    refused,
    fenced,
    rtp_timeouts,
    lost,
    expected,
);

/// What the threads and the control side share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pools: Pools,
    pub(crate) threads: Vec<Published>,
    pub(crate) draining: AtomicBool,
    /// A thread's last session is gone while the server drains.
    pub(crate) emptied: Notify,
    /// A thread is gone although nobody told it to.
    pub(crate) broken: Notify,
}

impl Shared {
    pub(crate) fn new(pools: Pools, threads: usize) -> Self {
        Self {
            pools,
            threads: (0..threads).map(|_| Published::default()).collect(),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
            broken: Notify::new(),
        }
    }

    pub(crate) fn sessions(&self) -> u32 {
        self.threads
            .iter()
            .map(|thread| thread.sessions.load(Ordering::SeqCst))
            .sum()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.threads
            .iter()
            .map(Published::totals)
            .fold(Totals::default(), add)
    }

    fn send_failed(&self) -> u64 {
        self.threads
            .iter()
            .map(|thread| thread.send_failed.load(Ordering::Relaxed))
            .sum()
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            sessions: self.sessions(),
            free_port_pairs: u32::try_from(self.pools.free_pairs()).unwrap_or(u32::MAX),
            draining: self.draining.load(Ordering::SeqCst),
        }
    }
}

/// Carries the counters over into the process's metrics.
#[derive(Debug)]
pub(crate) struct Reporter {
    metrics: Metrics,
    totals: Totals,
    send_failed: u64,
}

impl Reporter {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            totals: Totals::default(),
            send_failed: 0,
        }
    }

    pub(crate) fn report(&mut self, shared: &Shared) {
        let (totals, send_failed) = (shared.totals(), shared.send_failed());
        let new = subtract(totals, self.totals);
        let media = &self.metrics.media;
        media.packets(Way::Received).add(new.packets_in);
        media.packets(Way::Sent).add(new.packets_out);
        media.octets(Way::Received).add(new.bytes_in);
        media.octets(Way::Sent).add(new.bytes_out);
        media
            .dropped(Drop::Malformed)
            .add(new.malformed + new.flood + new.other_protocol);
        media.dropped(Drop::UnknownSource).add(new.foreign);
        media.dropped(Drop::NoDestination).add(new.unheard);
        media
            .dropped(Drop::SendFailed)
            .add(send_failed.saturating_sub(self.send_failed));
        media.lost_packets.add(new.lost);
        media.rtp_timeouts.add(new.rtp_timeouts);
        media.fenced.add(new.fenced);
        media.sessions_active.set(shared.sessions().into());
        let (free, all) = (shared.pools.free_pairs(), shared.pools.pairs());
        media.ports_used.set(2 * (all - free.min(all)) as u64);
        media.load(1.0 - free as f64 / all.max(1) as f64);
        (self.totals, self.send_failed) = (totals, send_failed);
    }
}
