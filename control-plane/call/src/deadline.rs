//! The deadlines of a call. They are part of the value, in absolute time, so that whoever holds it meets them.

use carillon_model::CallStatus;
use carillon_sip::transaction::ClientKey;

use crate::LegId;
use crate::accept::Declined;
use crate::bye::Why;
use crate::call::Call;
use crate::exchange::Stage;
use crate::fork::ForkState;
use crate::leg::Incoming;
use crate::phase::{Phase, RecordState};
use crate::refresh::Refresh;
use crate::turn::Turn;

/// Deadlines that one call of [`Call::handle_timeout`] meets at most; those left are due at once again.
const MAX_DUE: usize = 256;
const NO_ANSWER: u8 = 19;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Phase,
    Provisional,
    Unacked(LegId),
    Fork(usize),
    Request(LegId, ClientKey),
    Refresh(LegId),
    Session(LegId),
    Collision,
}

impl Call {
    /// When [`Call::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.deadlines().map(|(at_ms, _)| at_ms).min()
    }

    pub(crate) fn fire_due(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..MAX_DUE {
            let Some((at_ms, timer)) = self.deadlines().min() else {
                return;
            };
            if at_ms > turn.now_ms {
                return;
            }
            self.fire(turn, timer);
        }
    }

    fn deadlines(&self) -> impl Iterator<Item = (u64, Timer)> {
        let phase = self.phase_deadline().map(|at_ms| (at_ms, Timer::Phase));
        let provisional = self.ringback.unacked.as_ref().map(|reliable| {
            (
                reliable.repeat_at_ms.min(reliable.give_up_at_ms),
                Timer::Provisional,
            )
        });
        let collision = self
            .exchange
            .as_ref()
            .and_then(|exchange| match exchange.stage {
                Stage::Waiting { retry_at_ms } => Some((retry_at_ms, Timer::Collision)),
                Stage::Asking | Stage::Answering => None,
            });
        let forks = self
            .forks
            .iter()
            .enumerate()
            .filter_map(|(index, fork)| match fork.state {
                ForkState::Trying { next_at_ms } => {
                    next_at_ms.map(|at_ms| (at_ms, Timer::Fork(index)))
                }
                ForkState::Questioned { ask_at_ms: at_ms }
                | ForkState::Reinvited { until_ms: at_ms } => Some((at_ms, Timer::Fork(index))),
                ForkState::Unwanted { give_up_at_ms } | ForkState::Cancelled { give_up_at_ms } => {
                    Some((give_up_at_ms, Timer::Fork(index)))
                }
                ForkState::Waiting
                | ForkState::Proceeding
                | ForkState::Over { .. }
                | ForkState::Won => None,
            });
        let of_legs = self
            .legs
            .values()
            .map(Box::as_ref)
            .chain(&self.strays)
            .map(|leg| (leg.id, &leg.sent));
        let of_forks = self.forks.iter().map(|fork| (fork.leg, &fork.sent));
        let requests = of_legs.chain(of_forks).flat_map(|(leg, sent)| {
            sent.iter()
                .map(move |sent| (sent.give_up_at_ms, Timer::Request(leg, sent.key)))
        });
        phase
            .into_iter()
            .chain(provisional)
            .chain(collision)
            .chain(forks)
            .chain(requests)
            .chain(self.leg_deadlines())
    }

    fn leg_deadlines(&self) -> impl Iterator<Item = (u64, Timer)> {
        let talking = self.callee_leg().is_some();
        self.legs.values().flat_map(move |leg| {
            let unacked = match &leg.incoming {
                Incoming::Unacked(unacked) => Some(unacked.repeat_at_ms.min(unacked.give_up_at_ms)),
                Incoming::Idle | Incoming::Asked(_) => None,
            };
            let refresh = match leg.refresh {
                Refresh::Idle => leg.session.refresh_at_ms(),
                Refresh::Waiting { retry_at_ms } => Some(retry_at_ms),
                Refresh::Sent => None,
            };
            [
                unacked.map(|at_ms| (at_ms, Timer::Unacked(leg.id))),
                refresh
                    .filter(|_| talking && !leg.lost)
                    .map(|at_ms| (at_ms, Timer::Refresh(leg.id))),
                leg.session
                    .expires_at_ms()
                    .filter(|_| talking)
                    .map(|at_ms| (at_ms, Timer::Session(leg.id))),
            ]
            .into_iter()
            .flatten()
        })
    }

    fn phase_deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Routing { until_ms }
            | Phase::Placing { until_ms, .. }
            | Phase::Ringing { until_ms } => Some(until_ms),
            Phase::Ending {
                record: RecordState::WaitsForQuality { until_ms },
                ..
            } => Some(until_ms),
            Phase::Ending {
                record: RecordState::Due,
                ending,
            } => Some(ending.at_ms),
            Phase::New
            | Phase::Talking { .. }
            | Phase::Ending {
                record: RecordState::Written,
                ..
            }
            | Phase::Ended => None,
        }
    }

    fn fire(&mut self, turn: &mut Turn<'_>, timer: Timer) {
        match timer {
            Timer::Phase => self.phase_over(turn),
            Timer::Provisional => self.provisional_due(turn),
            Timer::Unacked(leg) => self.unacked_due(turn, leg),
            Timer::Fork(index) => self.fork_due(turn, index),
            Timer::Request(leg, key) => self.request_failed(turn, leg, key, 408),
            Timer::Refresh(leg) => self.refresh(turn, leg),
            Timer::Session(_) => self.expired(turn),
            Timer::Collision => self.ask_other_side(turn),
        }
    }

    fn phase_over(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Routing { .. } => self.refuse_caller(turn, &Declined::new(500)),
            Phase::Placing { .. } => self.no_media(turn),
            Phase::Ringing { .. } => {
                let refusal = Declined::new(480);
                self.finish(
                    turn,
                    Why::refused(CallStatus::NoAnswer, NO_ANSWER, "No answer", refusal),
                );
            }
            Phase::Ending { ending, .. } => {
                self.phase = Phase::Ending {
                    ending,
                    record: RecordState::Due,
                }
            }
            Phase::New | Phase::Talking { .. } | Phase::Ended => {}
        }
    }

    fn fork_due(&mut self, turn: &mut Turn<'_>, index: usize) {
        match self.forks[index].state {
            // Silence: the next contact of the instance is tried, and this one may still answer.
            ForkState::Trying { .. } => {
                self.forks[index].state = ForkState::Trying { next_at_ms: None };
                if let Some(next) = self.next_of_instance(index) {
                    self.invite_later(turn, next);
                }
            }
            ForkState::Questioned { .. } | ForkState::Reinvited { .. } => {
                self.questioned_due(turn, index);
            }
            ForkState::Unwanted { .. } | ForkState::Cancelled { .. } => {
                self.forks[index].state = ForkState::Over { code: 487 };
                self.forks[index].sent.clear();
            }
            ForkState::Waiting
            | ForkState::Proceeding
            | ForkState::Over { .. }
            | ForkState::Won => {}
        }
    }
}
