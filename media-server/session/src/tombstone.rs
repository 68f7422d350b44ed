//! Sessions that are over, remembered for a while: a late word of a former owner must not raise them, and a repeated
//! release gets its answer.

use std::collections::{BTreeMap, VecDeque};

use carillon_protocol::{DirectionQuality, SessionId};

/// Sessions remembered at most.
const MAX_TOMBSTONES: usize = 4096;
/// How long a session is remembered.
const REMEMBER_US: u64 = 120_000_000;

#[derive(Debug)]
pub(crate) struct Tombstone {
    pub(crate) epoch: u64,
    /// `None`: any revision of this epoch may raise it.
    pub(crate) revision: Option<u64>,
    pub(crate) quality: Vec<DirectionQuality>,
    at_us: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    by_session: BTreeMap<SessionId, Tombstone>,
    /// In order of time; an entry whose time is not the tombstone's is left over from an earlier one.
    order: VecDeque<(u64, SessionId)>,
}

impl Tombstones {
    pub(crate) fn find(&self, session: SessionId) -> Option<&Tombstone> {
        self.by_session.get(&session)
    }

    pub(crate) fn add(
        &mut self,
        now_us: u64,
        session: SessionId,
        (epoch, revision): (u64, Option<u64>),
        quality: Vec<DirectionQuality>,
    ) {
        self.by_session.insert(
            session,
            Tombstone {
                epoch,
                revision,
                quality,
                at_us: now_us,
            },
        );
        self.order.push_back((now_us, session));
        self.forget(now_us);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        self.by_session.remove(&session);
    }

    fn forget(&mut self, now_us: u64) {
        while let Some((at_us, session)) = self.order.front().copied() {
            if self.order.len() <= MAX_TOMBSTONES && now_us.saturating_sub(at_us) < REMEMBER_US {
                return;
            }
            self.order.pop_front();
            if self
                .by_session
                .get(&session)
                .is_some_and(|tombstone| tombstone.at_us == at_us)
            {
                self.by_session.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_does_not_grow_without_end() {
        let mut tombstones = Tombstones::default();
        for call in 0..10_000 {
            tombstones.add(0, SessionId { call, part: 0 }, (1, None), Vec::new());
        }
        assert_eq!(
            (tombstones.by_session.len(), tombstones.order.len()),
            (MAX_TOMBSTONES, MAX_TOMBSTONES)
        );
        assert!(tombstones.find(SessionId { call: 0, part: 0 }).is_none());
        assert!(
            tombstones
                .find(SessionId {
                    call: 9_999,
                    part: 0
                })
                .is_some()
        );
        tombstones.add(
            REMEMBER_US,
            SessionId { call: 1, part: 1 },
            (1, None),
            Vec::new(),
        );
        assert_eq!(
            (tombstones.by_session.len(), tombstones.order.len()),
            (1, 1)
        );
    }
}
