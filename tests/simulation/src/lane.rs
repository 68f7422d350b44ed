use std::collections::VecDeque;

/// One direction of a stream: everything arrives once and in order, or the stream breaks.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    queue: VecDeque<Item<T>>,
}

#[derive(Debug)]
struct Item<T> {
    sent_us: u64,
    ready_us: u64,
    what: T,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }
}

impl<T> Lane<T> {
    pub(crate) fn push(&mut self, now_us: u64, delay_us: u64, what: T) {
        let after_us = self.queue.back().map_or(0, |last| last.ready_us);
        self.queue.push_back(Item {
            sent_us: now_us,
            ready_us: after_us.max(now_us + delay_us),
            what,
        });
    }

    /// What has arrived.
    pub(crate) fn pop(&mut self, now_us: u64) -> Option<T> {
        let ready = self.queue.front()?.ready_us <= now_us;
        ready
            .then(|| self.queue.pop_front())
            .flatten()
            .map(|item| item.what)
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        self.queue.front().map(|item| item.ready_us)
    }

    /// What has been on its way for longer than the stream lived.
    pub(crate) fn drop_older(&mut self, now_us: u64, limit_us: u64) {
        while self
            .queue
            .front()
            .is_some_and(|item| item.sent_us + limit_us < now_us)
        {
            self.queue.pop_front();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_first_arrives_first() {
        let mut lane = Lane::default();
        lane.push(0, 50, "slow");
        lane.push(1, 10, "fast");
        assert_eq!(lane.next_us(), Some(50));
        assert_eq!(lane.pop(49), None);
        assert_eq!(lane.pop(50), Some("slow"));
        assert_eq!(lane.pop(50), Some("fast"));
    }
}
