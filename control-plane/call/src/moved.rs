//! The media session has moved to other ports: phones learn of them.

use crate::call::Call;
use crate::phase::Phase;
use crate::refresh::{REFUSED_AGAIN_MS, Refresh, Renew};
use crate::turn::Turn;
use crate::{LegId, Output};

/// How long phones that are to follow another owner wait for the ports of another media server, so that one re-INVITE
/// says both.
const PORTS_WAIT_MS: u64 = 500;

impl Call {
    /// The session is at other ports now, or is where it was after all.
    pub(crate) fn ports_found(&mut self, turn: &mut Turn<'_>, moved: bool) {
        self.media.awaited = false;
        self.media.unsettled |= moved;
        match self.phase {
            Phase::Talking { .. } => {
                let elsewhere = self.legs_elsewhere();
                self.renew_some(turn, Renew::Media, |leg| elsewhere.contains(&leg.id));
                let waits = |renew| renew == Renew::Owner;
                for leg in self.legs.values_mut().filter(|leg| waits(leg.renew)) {
                    if let Refresh::Waiting { retry_at_ms } = &mut leg.refresh {
                        *retry_at_ms = turn.now_ms;
                    }
                }
                self.fire_due(turn);
            }
            // Told with the answer, or after it.
            Phase::Ringing { .. } => self.put(Output::CommitLazily),
            Phase::New
            | Phase::Routing { .. }
            | Phase::Placing { .. }
            | Phase::Ending { .. }
            | Phase::Ended => {}
        }
    }

    /// Phones that were told other ports than those that there are get them, whatever has happened in between.
    pub(crate) fn tell_of_ports(&mut self, turn: &mut Turn<'_>) {
        if !self.media.unsettled || self.callee_leg().is_none() {
            return;
        }
        let elsewhere = self.legs_elsewhere();
        for leg in self.legs.values_mut() {
            leg.refuses_media &= elsewhere.contains(&leg.id);
        }
        if elsewhere.is_empty() {
            self.media.unsettled = false;
            return;
        }
        let idle = |leg: &&mut Box<crate::leg::Leg>| {
            elsewhere.contains(&leg.id) && leg.renew == Renew::No && leg.refresh != Refresh::Sent
        };
        let mut any = false;
        for leg in self.legs.values_mut().filter(idle) {
            let pause_ms = if leg.refuses_media {
                REFUSED_AGAIN_MS
            } else {
                0
            };
            leg.renew = Renew::Media;
            leg.refresh = Refresh::Waiting {
                retry_at_ms: turn.now_ms + pause_ms,
            };
            any = true;
        }
        if any {
            self.fire_due(turn);
        }
    }

    /// A new owner finds the media server gone as well.
    pub(crate) fn wait_for_ports(&mut self, turn: &Turn<'_>) {
        if !self.media.awaited {
            return;
        }
        for leg in self.legs.values_mut() {
            if let Refresh::Waiting { retry_at_ms } = &mut leg.refresh {
                *retry_at_ms = turn.now_ms + PORTS_WAIT_MS;
            }
        }
    }

    /// Whether a re-INVITE to this peer has to bring ports that are news to it.
    pub(crate) fn has_to_learn_ports(&self, leg: LegId) -> bool {
        let side = self.legs.get(&leg);
        let renews = side.is_some_and(|side| side.renew != Renew::No);
        self.media.unsettled && renews && self.is_elsewhere(leg)
    }

    fn legs_elsewhere(&self) -> Vec<LegId> {
        let legs = self.legs.values().filter(|leg| !leg.is_released());
        legs.map(|leg| leg.id)
            .filter(|leg| self.is_elsewhere(*leg))
            .collect()
    }

    /// The peer was told other ports than those that there are.
    pub(crate) fn is_elsewhere(&self, leg: LegId) -> bool {
        let side = self.legs.get(&leg).zip(self.local_of(leg));
        side.is_some_and(|(side, local)| !side.sdp.names(&local))
    }
}
