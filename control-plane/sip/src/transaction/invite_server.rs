use bytes::Bytes;

use super::config::{PROCEEDING_LIMIT_MS, Timers};
use super::step::{Step, Tell};

/// INVITE server transaction (RFC 3261 §17.2.1 as changed by RFC 6026 §7.1).
#[derive(Debug)]
pub(super) enum InviteServer {
    /// The user has not decided.
    Proceeding {
        trying: Option<Trying>,
        last: Option<Bytes>,
        end_ms: u64,
    },
    /// A 2xx went out: its user repeats it until the ACK comes.
    Accepted { end_ms: u64 },
    /// A refusal went out and goes out again until the ACK comes.
    Completed {
        response: Bytes,
        resend: Option<Resend>,
        end_ms: u64,
    },
    /// The ACK came; repeated ones are absorbed.
    Confirmed { end_ms: u64 },
    /// Over.
    Terminated,
}

/// The 100 that goes out if the user says nothing before.
#[derive(Debug)]
pub(super) struct Trying {
    pub(super) at_ms: u64,
    pub(super) response: Bytes,
}

/// When the same octets go out again, and the interval before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resend {
    pub(super) at_ms: u64,
    pub(super) interval_ms: u64,
}

impl InviteServer {
    pub(super) fn new(now_ms: u64, trying: Option<Trying>) -> Self {
        Self::Proceeding {
            trying,
            last: None,
            end_ms: now_ms + PROCEEDING_LIMIT_MS,
        }
    }

    /// The INVITE came again.
    pub(super) fn received_again(&mut self) -> Step {
        match self {
            Self::Proceeding { trying, last, .. } => {
                if let Some(trying) = trying.take() {
                    *last = Some(trying.response);
                }
                Step {
                    send: last.clone(),
                    tell: Tell::Nothing,
                }
            }
            Self::Completed { response, .. } => Step::send(response.clone()),
            Self::Accepted { .. } | Self::Confirmed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    /// An ACK with the branch of the INVITE came: it belongs to a refusal, or to a 2xx of a peer that is no better.
    pub(super) fn acknowledged(&mut self, now_ms: u64, timers: Timers, reliable: bool) -> Step {
        match self {
            Self::Completed { .. } => {
                // Timer I
                *self = if reliable {
                    Self::Terminated
                } else {
                    Self::Confirmed {
                        end_ms: now_ms + timers.t4_ms,
                    }
                };
                Step::nothing()
            }
            Self::Accepted { .. } => Step::tell(Tell::Message),
            Self::Proceeding { .. } | Self::Confirmed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn respond(
        &mut self,
        now_ms: u64,
        timers: Timers,
        reliable: bool,
        code: u16,
        response: Bytes,
    ) -> Step {
        match self {
            Self::Proceeding { trying, last, .. } => {
                match code {
                    0..200 => {
                        *trying = None;
                        *last = Some(response.clone());
                    }
                    // Timer L
                    200..300 => {
                        *self = Self::Accepted {
                            end_ms: now_ms + timers.transaction_ms(),
                        }
                    }
                    300.. => {
                        let interval_ms = timers.first_interval_ms();
                        *self = Self::Completed {
                            response: response.clone(),
                            // Timers G and H
                            resend: (!reliable).then_some(Resend {
                                at_ms: now_ms + interval_ms,
                                interval_ms,
                            }),
                            end_ms: now_ms + timers.transaction_ms(),
                        };
                    }
                }
                Step::send(response)
            }
            Self::Accepted { .. } if (200..300).contains(&code) => Step::send(response),
            Self::Accepted { .. }
            | Self::Completed { .. }
            | Self::Confirmed { .. }
            | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now_ms: u64, timers: Timers) -> Step {
        match self {
            Self::Proceeding { end_ms, .. } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::tell(Tell::Timeout)
            }
            Self::Proceeding { trying, last, .. } => {
                match trying.take_if(|trying| trying.at_ms <= now_ms) {
                    Some(trying) => {
                        *last = Some(trying.response.clone());
                        Step::send(trying.response)
                    }
                    None => Step::nothing(),
                }
            }
            Self::Completed { end_ms, .. } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::tell(Tell::Timeout)
            }
            Self::Completed {
                response,
                resend: Some(resend),
                ..
            } if resend.at_ms <= now_ms => {
                *resend = resend.next(now_ms, timers);
                Step::send(response.clone())
            }
            Self::Accepted { end_ms } | Self::Confirmed { end_ms } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::nothing()
            }
            Self::Accepted { .. }
            | Self::Completed { .. }
            | Self::Confirmed { .. }
            | Self::Terminated => Step::nothing(),
        }
    }

    /// When something is due; nothing once it is over.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Proceeding { trying, end_ms, .. } => Some(
                trying
                    .as_ref()
                    .map_or(*end_ms, |trying| trying.at_ms.min(*end_ms)),
            ),
            Self::Completed { resend, end_ms, .. } => {
                Some(resend.map_or(*end_ms, |resend| resend.at_ms.min(*end_ms)))
            }
            Self::Accepted { end_ms } | Self::Confirmed { end_ms } => Some(*end_ms),
            Self::Terminated => None,
        }
    }

    pub(super) fn is_proceeding(&self) -> bool {
        matches!(self, Self::Proceeding { .. })
    }
}

impl Resend {
    /// The next time, at an interval twice as long but no longer than T2.
    pub(super) fn next(self, now_ms: u64, timers: Timers) -> Self {
        let interval_ms = timers.next_interval_ms(self.interval_ms);
        Self {
            at_ms: now_ms + interval_ms,
            interval_ms,
        }
    }
}
