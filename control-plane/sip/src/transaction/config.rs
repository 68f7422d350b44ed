/// Transactions of one process at a time.
pub const TRANSACTION_LIMIT: usize = 100_000;
/// An INVITE that its user neither answers nor ends for this long is forgotten; longer than any ring time.
pub const PROCEEDING_LIMIT_MS: u64 = 20 * 60 * 1000;
/// When a request refused for want of room may come again.
pub const RETRY_AFTER_S: u32 = 5;

/// The three times that all timers of RFC 3261 §17 follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round trip estimate.
    pub t1_ms: u64,
    /// Longest interval between retransmissions.
    pub t2_ms: u64,
    /// Longest time that a message lives in the network.
    pub t4_ms: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1_ms: 500,
            t2_ms: 4000,
            t4_ms: 5000,
        }
    }
}

impl Timers {
    /// Timers B, F, H, J, L and M.
    pub fn transaction_ms(self) -> u64 {
        self.t1_ms.max(1).saturating_mul(64)
    }

    /// The interval after `interval_ms` (timers E and G).
    pub(super) fn next_interval_ms(self, interval_ms: u64) -> u64 {
        interval_ms.saturating_mul(2).min(self.t2_ms.max(1))
    }

    pub(super) fn first_interval_ms(self) -> u64 {
        self.t1_ms.max(1)
    }
}

/// What an operator may decide about transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// T1, T2, T4.
    pub timers: Timers,
    /// Transactions at a time. Requests inside dialogs may use an eighth more, so that calls can end under load.
    pub transactions: usize,
    /// How long the user of the layer has until 100 Trying goes out. At 0 a refusal on the spot goes alone.
    pub trying_after_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timers: Timers::default(),
            transactions: TRANSACTION_LIMIT,
            trying_after_ms: 0,
        }
    }
}
