//! What is remembered of dialogs for as long as a request in them may be repeated: which node was handed one, so that its
//! repetitions come to the same transaction there, and that the call is over.
//!
//! While a call lives the replica knows its node. After its end nobody does, and a BYE whose answer was lost comes again.

use std::collections::{BTreeMap, VecDeque};

use carillon_model::DialogKey;

/// How long a request may be repeated: 64 × T1 (RFC 3261 §17.1.2.2).
const REPEATED_FOR_MS: u64 = 32_000;
/// Dialogs that are remembered; past that the oldest is forgotten.
const DIALOGS_MAX: usize = 10_000;

/// Something of each dialog.
pub(crate) struct Memory<T> {
    dialogs: BTreeMap<DialogKey, (T, u64)>,
    /// By time; a dialog may be in it more than once.
    order: VecDeque<(u64, DialogKey)>,
}

impl<T: Copy> Memory<T> {
    pub(crate) fn new() -> Self {
        Self {
            dialogs: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn remember(&mut self, now_ms: u64, dialog: &DialogKey, what: T) {
        self.forget_old(now_ms);
        self.dialogs.insert(dialog.clone(), (what, now_ms));
        self.order.push_back((now_ms, dialog.clone()));
    }

    pub(crate) fn recall(&self, now_ms: u64, dialog: &DialogKey) -> Option<T> {
        let (what, at_ms) = self.dialogs.get(dialog)?;
        (now_ms < at_ms + REPEATED_FOR_MS).then_some(*what)
    }

    fn forget_old(&mut self, now_ms: u64) {
        while self.order.front().is_some_and(|(at_ms, _)| {
            at_ms + REPEATED_FOR_MS <= now_ms || self.order.len() >= DIALOGS_MAX
        }) {
            let Some((at_ms, dialog)) = self.order.pop_front() else {
                return;
            };
            if self
                .dialogs
                .get(&dialog)
                .is_some_and(|(_, newest_ms)| *newest_ms == at_ms)
            {
                self.dialogs.remove(&dialog);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(number: usize) -> DialogKey {
        DialogKey {
            call_id: format!("call-{number}"),
            local_tag: "tag".to_owned(),
        }
    }

    #[test]
    fn a_dialog_is_remembered_as_long_as_a_request_may_be_repeated() {
        let mut memory = Memory::new();
        memory.remember(1_000, &dialog(1), 2);
        assert_eq!(memory.recall(32_999, &dialog(1)), Some(2));
        assert_eq!(memory.recall(33_000, &dialog(1)), None);
        memory.remember(20_000, &dialog(1), 3);
        memory.remember(40_000, &dialog(2), 1);
        assert_eq!(memory.recall(40_000, &dialog(1)), Some(3));
    }

    #[test]
    fn the_oldest_dialogs_make_room() {
        let mut memory = Memory::new();
        for number in 0..2 * DIALOGS_MAX {
            memory.remember(0, &dialog(number), ());
        }
        assert!(memory.dialogs.len() <= DIALOGS_MAX && memory.order.len() <= DIALOGS_MAX);
        assert_eq!(memory.recall(0, &dialog(0)), None);
    }
}
