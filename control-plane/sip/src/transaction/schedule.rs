use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines, earliest first. Each owner has at most one wake-up that counts; earlier ones are dropped when they are
/// due, and a later deadline is written only when the wake-up before it has come.
pub(super) struct Schedule<K> {
    heap: BinaryHeap<Reverse<(u64, K)>>,
}

/// The wake-up of one owner that counts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Wake(Option<u64>);

impl<K: Ord + Clone> Schedule<K> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }

    /// Makes sure that the owner is woken at its deadline or before.
    pub(super) fn set(&mut self, wake: &mut Wake, key: &K, deadline_ms: u64) {
        if wake.0.is_none_or(|set_ms| deadline_ms < set_ms) {
            wake.0 = Some(deadline_ms);
            self.heap.push(Reverse((deadline_ms, key.clone())));
        }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// A wake-up that is due; it counts only if [`Wake::take`] says so.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<(u64, K)> {
        self.next_ms().filter(|at_ms| *at_ms <= now_ms)?;
        self.heap.pop().map(|Reverse(due)| due)
    }
}

impl Wake {
    /// Whether the wake-up of this time is the one that counts; it is spent then.
    pub(super) fn take(&mut self, at_ms: u64) -> bool {
        let counts = self.0 == Some(at_ms);
        if counts {
            self.0 = None;
        }
        counts
    }
}
