use bytes::Bytes;

use super::config::Timers;
use super::invite_server::Resend;
use super::step::{Step, Tell};
use crate::Message;

/// Client transaction of any other method (RFC 3261 §17.1.2).
#[derive(Debug)]
pub(super) enum PlainClient {
    /// A CANCEL that may not leave before its INVITE has a provisional response (RFC 3261 §9.1).
    Held { request: Message },
    /// Nothing has come back, or only provisional responses.
    Waiting {
        bytes: Bytes,
        proceeding: bool,
        resend: Option<Resend>,
        end_ms: u64,
    },
    /// A final response has; copies of it are absorbed.
    Completed { end_ms: u64 },
    /// Over.
    Terminated,
}

impl PlainClient {
    /// The transaction, and the octets it begins with.
    pub(super) fn new(
        now_ms: u64,
        timers: Timers,
        reliable: bool,
        request: &Message,
    ) -> (Self, Bytes) {
        let bytes = request.to_bytes();
        let interval_ms = timers.first_interval_ms();
        // Timers E and F
        let resend = (!reliable).then_some(Resend {
            at_ms: now_ms + interval_ms,
            interval_ms,
        });
        let end_ms = now_ms + timers.transaction_ms();
        (
            Self::Waiting {
                bytes: bytes.clone(),
                proceeding: false,
                resend,
                end_ms,
            },
            bytes,
        )
    }

    /// Lets a held CANCEL go.
    pub(super) fn release(&mut self, now_ms: u64, timers: Timers, reliable: bool) -> Step {
        match self {
            Self::Held { request } => {
                let (begun, bytes) = Self::new(now_ms, timers, reliable, request);
                *self = begun;
                Step::send(bytes)
            }
            Self::Waiting { .. } | Self::Completed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    /// Drops a held CANCEL that has become pointless.
    pub(super) fn drop_held(&mut self) {
        if matches!(self, Self::Held { .. }) {
            *self = Self::Terminated;
        }
    }

    pub(super) fn received(
        &mut self,
        now_ms: u64,
        timers: Timers,
        reliable: bool,
        code: u16,
    ) -> Step {
        match self {
            Self::Waiting { proceeding, .. } if code < 200 => {
                *proceeding = true;
                Step::tell(Tell::Message)
            }
            Self::Waiting { .. } => {
                // Timer K
                *self = if reliable {
                    Self::Terminated
                } else {
                    Self::Completed {
                        end_ms: now_ms + timers.t4_ms,
                    }
                };
                Step::tell(Tell::Message)
            }
            Self::Held { .. } | Self::Completed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn send_failed(&mut self) -> Step {
        match self {
            Self::Waiting { .. } => {
                *self = Self::Terminated;
                Step::tell(Tell::Transport)
            }
            Self::Held { .. } | Self::Completed { .. } | Self::Terminated => Step::nothing(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now_ms: u64, timers: Timers) -> Step {
        match self {
            Self::Waiting { end_ms, .. } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::tell(Tell::Timeout)
            }
            Self::Waiting {
                bytes,
                proceeding,
                resend: Some(resend),
                ..
            } if resend.at_ms <= now_ms => {
                *resend = if *proceeding {
                    Resend {
                        at_ms: now_ms + timers.t2_ms.max(1),
                        interval_ms: timers.t2_ms.max(1),
                    }
                } else {
                    resend.next(now_ms, timers)
                };
                Step::send(bytes.clone())
            }
            Self::Completed { end_ms } if *end_ms <= now_ms => {
                *self = Self::Terminated;
                Step::nothing()
            }
            Self::Held { .. }
            | Self::Waiting { .. }
            | Self::Completed { .. }
            | Self::Terminated => Step::nothing(),
        }
    }

    /// When something is due; a held CANCEL waits for its INVITE.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Waiting { resend, end_ms, .. } => {
                Some(resend.map_or(*end_ms, |resend| resend.at_ms.min(*end_ms)))
            }
            Self::Completed { end_ms } => Some(*end_ms),
            Self::Held { .. } | Self::Terminated => None,
        }
    }
}
