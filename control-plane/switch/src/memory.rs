//! Which node was handed the requests of a dialog, so that their repetitions come to the same transaction there.
//!
//! While a call lives the replica knows its node. After its end nobody does, and a BYE whose answer was lost comes again.

use std::collections::{BTreeMap, VecDeque};

use carillon_model::{DialogKey, NodeId};

/// How long a request may be repeated: 64 × T1 (RFC 3261 §17.1.2.2).
const REPEATED_FOR_MS: u64 = 32_000;
/// Dialogs that are remembered; past that the oldest is forgotten.
const TRAILS_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Trails {
    nodes: BTreeMap<DialogKey, (NodeId, u64)>,
    /// By time; a dialog may be in it more than once.
    order: VecDeque<(u64, DialogKey)>,
}

impl Trails {
    pub(crate) fn leave(&mut self, now_ms: u64, dialog: &DialogKey, node: NodeId) {
        self.forget_old(now_ms);
        self.nodes.insert(dialog.clone(), (node, now_ms));
        self.order.push_back((now_ms, dialog.clone()));
    }

    pub(crate) fn follow(&self, now_ms: u64, dialog: &DialogKey) -> Option<NodeId> {
        let (node, at_ms) = self.nodes.get(dialog)?;
        (now_ms < at_ms + REPEATED_FOR_MS).then_some(*node)
    }

    fn forget_old(&mut self, now_ms: u64) {
        while self.order.front().is_some_and(|(at_ms, _)| {
            at_ms + REPEATED_FOR_MS <= now_ms || self.order.len() >= TRAILS_MAX
        }) {
            let Some((at_ms, dialog)) = self.order.pop_front() else {
                return;
            };
            if self
                .nodes
                .get(&dialog)
                .is_some_and(|(_, newest_ms)| *newest_ms == at_ms)
            {
                self.nodes.remove(&dialog);
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
    fn a_trail_is_followed_as_long_as_a_request_may_be_repeated() {
        let mut trails = Trails::default();
        trails.leave(1_000, &dialog(1), NodeId(2));
        assert_eq!(trails.follow(32_999, &dialog(1)), Some(NodeId(2)));
        assert_eq!(trails.follow(33_000, &dialog(1)), None);
        trails.leave(20_000, &dialog(1), NodeId(3));
        trails.leave(40_000, &dialog(2), NodeId(1));
        assert_eq!(trails.follow(40_000, &dialog(1)), Some(NodeId(3)));
    }

    #[test]
    fn the_oldest_trails_make_room() {
        let mut trails = Trails::default();
        for number in 0..2 * TRAILS_MAX {
            trails.leave(0, &dialog(number), NodeId(1));
        }
        assert!(trails.nodes.len() <= TRAILS_MAX && trails.order.len() <= TRAILS_MAX);
        assert_eq!(trails.follow(0, &dialog(0)), None);
    }
}
