//! Calls leave media servers that are lost to this node, or that are to be left.

use std::collections::{BTreeMap, BTreeSet};

use carillon_model::{CallId, MediaServerId, MediaState};

use crate::Switch;
use crate::calls::Slot;

/// Calls that begin to move at a time, and the time between two such: a thousand re-INVITEs a second.
const MOVES_AT_ONCE: usize = 10;
const MOVE_INTERVAL_MS: u64 = 20;
/// A node that has just taken up calls gives their media servers this long to be connected.
const START_GRACE_MS: u64 = 2_000;
/// Between two looks while this node may not act.
const WAIT_INTERVAL_MS: u64 = 20;
/// A node without a quorum may be the only one that is cut off: it acts by itself when an heir would have told every phone,
/// or found it gone (64 * T1).
const ALONE_AFTER_MS: u64 = 35_000;

/// Why calls leave a media server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// This node cannot reach it: its process, its machine or the way to it is gone.
    Lost,
    /// It is to be stopped; it goes on until the phones have left it.
    Drained,
}

/// What is known of media servers that are to be left.
#[derive(Default)]
pub(crate) struct Moves {
    /// Servers that cannot be reached, and from when on their calls leave them.
    lost: BTreeMap<MediaServerId, u64>,
    /// Servers that have said that they are about to stop.
    draining: BTreeSet<MediaServerId>,
    next_ms: Option<u64>,
    /// Since when calls would leave servers and this node may not act.
    held_since_ms: Option<u64>,
}

impl Moves {
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.next_ms
    }

    pub(crate) fn look_at(&mut self, at_ms: u64) {
        self.next_ms = Some(self.next_ms.map_or(at_ms, |next_ms| next_ms.min(at_ms)));
    }

    pub(crate) fn lost_since_ms(&self, server: MediaServerId) -> Option<u64> {
        self.lost.get(&server).copied()
    }
}

impl Switch {
    /// Why this node's calls leave a media server, if they do. What others say of it does not matter: two nodes may
    /// disagree on who is there, and each moves the calls that it owns.
    pub(crate) fn why_leave(&self, server: MediaServerId) -> Option<Leaving> {
        let lost_ms = self.moves.lost_since_ms(server);
        if lost_ms.is_some_and(|lost_ms| lost_ms <= self.now_ms) {
            return Some(Leaving::Lost);
        }
        let described = self.state.media_servers().get(&server);
        let stays = described.is_some_and(|server| match server.state {
            MediaState::Active => true,
            MediaState::Draining => false,
        });
        (!stays || self.moves.draining.contains(&server)).then_some(Leaving::Drained)
    }

    pub(crate) fn server_found(&mut self, server: MediaServerId) {
        self.moves.lost.remove(&server);
        // If it is still about to stop, it says so again.
        self.moves.draining.remove(&server);
        self.moves.look_at(self.now_ms);
    }

    pub(crate) fn server_lost(&mut self, server: MediaServerId) {
        self.moves.lost.insert(server, self.now_ms);
        self.moves.look_at(self.now_ms);
    }

    pub(crate) fn server_drains(&mut self, server: MediaServerId) {
        self.moves.draining.insert(server);
        self.moves.look_at(self.now_ms);
    }

    /// A call is taken up whose media this server carries; says whether that is lost.
    pub(crate) fn is_server_lost(&mut self, server: MediaServerId) -> bool {
        if self.media_up.contains(&server) {
            return false;
        }
        let grace_ms = self.now_ms + START_GRACE_MS;
        let lost_ms = *self.moves.lost.entry(server).or_insert(grace_ms);
        self.moves.look_at(lost_ms);
        lost_ms <= self.now_ms
    }

    /// Calls begin to leave servers: emergencies first, then in the order of their age.
    pub(crate) fn moves_due(&mut self) {
        let due = self.moves.next_ms.is_some_and(|at_ms| at_ms <= self.now_ms);
        if !due {
            return;
        }
        self.moves.next_ms = None;
        let mut leaving: Vec<(bool, u64, CallId)> = self
            .calls
            .values()
            .filter(|slot| {
                let carrier = slot.media.carrier();
                carrier.is_some_and(|server| self.why_leave(server).is_some())
            })
            .map(|slot| (!self.is_emergency(slot), slot.started_ms, slot.call.id()))
            .collect();
        if leaving.is_empty() {
            self.moves.held_since_ms = None;
            return;
        }
        if !self.may_move() {
            return self.moves.look_at(self.now_ms + WAIT_INTERVAL_MS);
        }
        leaving.sort_unstable();
        let mut begun = 0;
        for (_, _, id) in leaving {
            if begun == MOVES_AT_ONCE {
                return self.moves.look_at(self.now_ms + MOVE_INTERVAL_MS);
            }
            let mut moves = false;
            self.with_call(id, |switch, slot| moves = switch.move_media(slot));
            begun += usize::from(moves);
        }
    }

    /// Who has not heard from the cluster since the server was heard last may be cut off itself: then an heir has the calls
    /// soon, and knows nothing of what phones were told here.
    fn may_move(&mut self) -> bool {
        if self.is_in_doubt() {
            return false;
        }
        if self.has_fresh_word() {
            self.moves.held_since_ms = None;
            return true;
        }
        let since_ms = *self.moves.held_since_ms.get_or_insert(self.now_ms);
        !self.quorum && self.now_ms >= since_ms + ALONE_AFTER_MS
    }

    fn is_emergency(&self, slot: &Slot) -> bool {
        let number = slot.call.summary().callee.number;
        self.config.emergency_numbers.contains(&number)
    }
}
