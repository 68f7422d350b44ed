//! When what gathers may leave: at once where there is little, together with what comes meanwhile where there is much.

use std::collections::VecDeque;

/// Under load an entry of the log leaves this often: half of this is what a call or a registration then waits for on average, and each entry
/// costs three nodes a sync and a dozen messages, whatever is in it.
pub const BATCH_INTERVAL_MS: u64 = 40;
/// Entries that a pause saves up: with little to do, nothing waits. A call alone needs these.
const BATCHES_SAVED_MAX: u64 = 4;
/// Commands of one entry.
const BATCH_COMMANDS_MAX: usize = 512;
/// Octets of one entry, as far as they can be told before it is written. One command may be larger.
const BATCH_OCTETS_MAX: usize = 512 * 1024;
/// A batch that has been on its way for so long does not hold up the next: it may have gone to a leader that has died.
const STALLED_AFTER_MS: u64 = 100;
/// Batches on their way at a time: a slow quorum makes batches larger, not more.
const BATCHES_IN_FLIGHT_MAX: usize = 8;

/// A queue that is emptied in batches.
pub(crate) struct Gathering<T> {
    waiting: VecDeque<(usize, T)>,
    octets: usize,
    in_flight: usize,
    /// Before this nothing leaves, unless there is a whole batch of it; in the past by what is saved up.
    next_at_ms: u64,
    /// From then on the batch that left last is not waited for.
    stalled_at_ms: u64,
}

impl<T> Gathering<T> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            octets: 0,
            in_flight: 0,
            next_at_ms: 0,
            stalled_at_ms: 0,
        }
    }

    pub(crate) fn add(&mut self, octets: usize, item: T) {
        self.octets += octets;
        self.waiting.push_back((octets, item));
    }

    /// When the next batch is due; one that waits for the answer to an earlier one is due when that has taken too long.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        if self.waiting.is_empty() || self.in_flight >= BATCHES_IN_FLIGHT_MAX {
            return None;
        }
        let full = self.waiting.len() >= BATCH_COMMANDS_MAX || self.octets >= BATCH_OCTETS_MAX;
        Some(match (full, self.in_flight) {
            (true, _) => 0,
            (false, 0) => self.next_at_ms,
            (false, _) => self.next_at_ms.max(self.stalled_at_ms),
        })
    }

    /// The next batch, if its time has come. Each is [answered](Self::answered) once.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Vec<T>> {
        self.due_ms().filter(|at_ms| *at_ms <= now_ms)?;
        let mut batch = Vec::new();
        let mut left = BATCH_OCTETS_MAX;
        while let Some((octets, item)) = self
            .waiting
            .pop_front_if(|(octets, _)| batch.is_empty() || *octets <= left)
        {
            left = left.saturating_sub(octets);
            self.octets -= octets;
            batch.push(item);
            if batch.len() >= BATCH_COMMANDS_MAX {
                break;
            }
        }
        self.in_flight += 1;
        let saved_since_ms = now_ms.saturating_sub(BATCHES_SAVED_MAX * BATCH_INTERVAL_MS);
        self.next_at_ms = self.next_at_ms.max(saved_since_ms) + BATCH_INTERVAL_MS;
        self.stalled_at_ms = now_ms + STALLED_AFTER_MS;
        Some(batch)
    }

    /// A batch is on its way no more.
    pub(crate) fn answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Takes what has not left yet and is no longer wanted out of the queue.
    pub(crate) fn withdraw(&mut self, unwanted: impl Fn(&T) -> bool) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|(octets, item)| {
            let unwanted = unwanted(item);
            if unwanted {
                self.octets -= octets;
            }
            !unwanted
        });
        before - self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0_MS: u64 = 1_000_000;

    /// As after a pause, with nothing saved up.
    fn busy() -> Gathering<char> {
        let mut gathering = Gathering::new();
        for _ in 0..=BATCHES_SAVED_MAX {
            gathering.add(100, '-');
            assert_eq!(gathering.take(T0_MS), Some(vec!['-']));
            gathering.answered();
        }
        gathering
    }

    #[test]
    fn a_few_after_a_pause_leave_at_once() {
        let mut gathering = busy();
        gathering.add(100, 'a');
        assert_eq!(gathering.take(T0_MS), None, "the pause is used up");
        assert_eq!(gathering.due_ms(), Some(T0_MS + BATCH_INTERVAL_MS));
    }

    #[test]
    fn under_load_what_comes_within_an_interval_leaves_together() {
        let mut gathering = busy();
        gathering.add(100, 'b');
        gathering.add(100, 'c');
        let mut now_ms = T0_MS + BATCH_INTERVAL_MS;
        assert_eq!(gathering.take(now_ms - 1), None);
        assert_eq!(gathering.take(now_ms), Some(vec!['b', 'c']));
        gathering.answered();
        gathering.add(100, 'd');
        assert_eq!(gathering.take(now_ms + 1), None);
        now_ms += BATCH_INTERVAL_MS;
        assert_eq!(gathering.take(now_ms), Some(vec!['d']));
    }

    #[test]
    fn a_long_pause_saves_up_no_more_than_a_short_one() {
        let mut gathering = busy();
        let later_ms = T0_MS + 3_600_000;
        let left = (0..20).filter(|_| {
            gathering.add(100, 'x');
            let left = gathering.take(later_ms).is_some();
            gathering.answered();
            left
        });
        assert_eq!(left.count() as u64, BATCHES_SAVED_MAX + 1);
    }

    #[test]
    fn a_batch_on_its_way_is_waited_for_but_not_for_ever() {
        let mut gathering = Gathering::new();
        gathering.add(100, 'a');
        gathering.take(T0_MS);
        gathering.add(100, 'b');
        assert_eq!(gathering.take(T0_MS + STALLED_AFTER_MS - 1), None);
        assert_eq!(gathering.take(T0_MS + STALLED_AFTER_MS), Some(vec!['b']));
        gathering.add(100, 'c');
        gathering.answered();
        gathering.answered();
        assert_eq!(
            gathering.take(T0_MS + STALLED_AFTER_MS + 1),
            Some(vec!['c'])
        );
    }

    #[test]
    fn a_quorum_that_says_nothing_gets_no_more_than_so_many_batches() {
        let mut gathering = Gathering::new();
        let mut now_ms = T0_MS;
        let mut left = 0;
        for number in 0..1_000 {
            gathering.add(100, number);
            left += usize::from(gathering.take(now_ms).is_some());
            now_ms += STALLED_AFTER_MS;
        }
        assert_eq!(left, BATCHES_IN_FLIGHT_MAX);
        assert_eq!(gathering.due_ms(), None);
        gathering.answered();
        assert_eq!(gathering.take(now_ms).unwrap().len(), BATCH_COMMANDS_MAX);
    }

    #[test]
    fn a_batch_is_bounded_in_commands_and_octets() {
        let mut gathering = Gathering::new();
        for number in 0..2 * BATCH_COMMANDS_MAX {
            gathering.add(1, number);
        }
        assert_eq!(gathering.take(0).unwrap().len(), BATCH_COMMANDS_MAX);
        // The second is whole already: it does not wait.
        assert_eq!(gathering.take(0).unwrap().len(), BATCH_COMMANDS_MAX);
        assert_eq!(gathering.octets, 0);
        let mut gathering = Gathering::new();
        for number in 0..4 {
            gathering.add(BATCH_OCTETS_MAX / 2, number);
        }
        gathering.add(2 * BATCH_OCTETS_MAX, 4);
        assert_eq!(gathering.take(0), Some(vec![0, 1]));
        assert_eq!(gathering.take(0), Some(vec![2, 3]));
        assert_eq!(gathering.take(0), Some(vec![4]), "larger than a batch");
        assert_eq!(gathering.octets, 0);
    }

    #[test]
    fn nothing_is_lost_doubled_or_overtaken() {
        let mut gathering = Gathering::new();
        let mut came = Vec::new();
        let mut now_ms = T0_MS;
        for number in 0..10_000_u64 {
            gathering.add((number % 700) as usize, number);
            now_ms += number % 3;
            if let Some(batch) = gathering.take(now_ms) {
                assert!(!batch.is_empty());
                came.extend(batch);
            }
            if number % 5 == 0 {
                gathering.answered();
            }
        }
        while gathering.due_ms().is_some() || gathering.in_flight > 0 {
            now_ms += STALLED_AFTER_MS;
            came.extend(gathering.take(now_ms).unwrap_or_default());
            gathering.answered();
        }
        assert_eq!(came, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_unwanted_does_not_leave() {
        let mut gathering = Gathering::new();
        for item in ['a', 'b', 'c'] {
            gathering.add(10, item);
        }
        assert_eq!(gathering.withdraw(|item| *item == 'b'), 1);
        assert_eq!(gathering.octets, 20);
        assert_eq!(gathering.take(0), Some(vec!['a', 'c']));
    }
}
