use bytes::Bytes;

use super::config::Timers;
use super::step::{Step, Tell};

/// Server transaction of any other method (RFC 3261 §17.2.2).
#[derive(Debug)]
pub(super) enum PlainServer {
    /// The user has not answered.
    Trying { end_ms: u64 },
    /// It has, provisionally.
    Proceeding { last: Bytes, end_ms: u64 },
    /// It has; repeated requests get the same answer.
    Completed { response: Bytes, end_ms: u64 },
    /// Over.
    Terminated,
}

impl PlainServer {
    /// The peer gives up after 64*T1 (timer F), so that a later answer is of no use.
    pub(super) fn new(now_ms: u64, timers: Timers) -> Self {
        Self::Trying {
            end_ms: now_ms + timers.transaction_ms(),
        }
    }

    pub(super) fn received_again(&self) -> Step {
        match self {
            Self::Proceeding { last: answer, .. }
            | Self::Completed {
                response: answer, ..
            } => Step::send(answer.clone()),
            Self::Trying { .. } | Self::Terminated => Step::nothing(),
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
            Self::Trying { end_ms } | Self::Proceeding { end_ms, .. } => {
                *self = match code {
                    0..200 => Self::Proceeding {
                        last: response.clone(),
                        end_ms: *end_ms,
                    },
                    // Timer J
                    200.. if reliable => Self::Terminated,
                    200.. => Self::Completed {
                        response: response.clone(),
                        end_ms: now_ms + timers.transaction_ms(),
                    },
                };
                Step::send(response)
            }
            Self::Completed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now_ms: u64) -> Step {
        match self {
            Self::Trying { end_ms } | Self::Proceeding { end_ms, .. } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::tell(Tell::Timeout)
            }
            Self::Completed { end_ms, .. } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::nothing()
            }
            Self::Trying { .. }
            | Self::Proceeding { .. }
            | Self::Completed { .. }
            | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Trying { end_ms }
            | Self::Proceeding { end_ms, .. }
            | Self::Completed { end_ms, .. } => Some(*end_ms),
            Self::Terminated => None,
        }
    }
}
