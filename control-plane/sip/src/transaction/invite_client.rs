use bytes::Bytes;

use super::config::{PROCEEDING_LIMIT_MS, Timers};
use super::invite_server::Resend;
use super::step::{Step, Tell};
use crate::{CSeq, Message, Method, Name};

/// INVITE client transaction (RFC 3261 §17.1.1 as changed by RFC 6026 §7.2).
#[derive(Debug)]
pub(super) struct InviteClient {
    request: Message,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come back.
    Calling {
        bytes: Bytes,
        resend: Option<Resend>,
        end_ms: u64,
    },
    /// A provisional response has.
    Proceeding { end_ms: u64 },
    /// A refusal has; each copy of it gets the same ACK.
    Completed { ack: Bytes, end_ms: u64 },
    /// A 2xx has; each copy of it, and those of other forks, go to the user.
    Accepted { end_ms: u64 },
    /// Over.
    Terminated,
}

impl InviteClient {
    /// The transaction, and the octets it begins with.
    pub(super) fn new(
        now_ms: u64,
        timers: Timers,
        reliable: bool,
        request: Message,
    ) -> (Self, Bytes) {
        let bytes = request.to_bytes();
        let interval_ms = timers.first_interval_ms();
        // Timers A and B
        let resend = (!reliable).then_some(Resend {
            at_ms: now_ms + interval_ms,
            interval_ms,
        });
        let end_ms = now_ms + timers.transaction_ms();
        (
            Self {
                request,
                state: State::Calling {
                    bytes: bytes.clone(),
                    resend,
                    end_ms,
                },
            },
            bytes,
        )
    }

    /// One that another node has begun.
    pub(super) fn adopted(now_ms: u64, request: Message) -> Self {
        Self {
            request,
            state: State::Proceeding {
                end_ms: now_ms + PROCEEDING_LIMIT_MS,
            },
        }
    }

    pub(super) fn received(
        &mut self,
        now_ms: u64,
        timers: Timers,
        reliable: bool,
        code: u16,
        response: &Message,
    ) -> Step {
        let end_ms = now_ms + timers.transaction_ms();
        match (&self.state, code) {
            (State::Calling { .. }, 0..200) => {
                self.state = State::Proceeding {
                    end_ms: now_ms + PROCEEDING_LIMIT_MS,
                };
                Step::tell(Tell::Message)
            }
            (State::Proceeding { .. }, 0..200) => Step::tell(Tell::Message),
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                // Timer M
                self.state = State::Accepted { end_ms };
                Step::tell(Tell::Message)
            }
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                let ack = acknowledgement(&self.request, response).to_bytes();
                // Timer D
                self.state = if reliable {
                    State::Terminated
                } else {
                    State::Completed {
                        ack: ack.clone(),
                        end_ms,
                    }
                };
                Step {
                    send: Some(ack),
                    tell: Tell::Message,
                }
            }
            (State::Completed { ack, .. }, 300..) => Step::send(ack.clone()),
            (State::Accepted { .. }, 200..300) => Step::tell(Tell::Message),
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated, _) => {
                Step::nothing()
            }
        }
    }

    /// The peer is asked to give up: it has 64*T1 for a final response (RFC 3261 §9.1).
    pub(super) fn cancelled(&mut self, now_ms: u64, timers: Timers) {
        match &mut self.state {
            State::Proceeding { end_ms } => {
                *end_ms = (*end_ms).min(now_ms + timers.transaction_ms())
            }
            State::Calling { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// The way to the peer is gone. Over UDP a provisional response has shown that it was there.
    pub(super) fn send_failed(&mut self, reliable: bool) -> Step {
        let hopeless = match self.state {
            State::Calling { .. } => true,
            State::Proceeding { .. } => reliable,
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => false,
        };
        if !hopeless {
            return Step::nothing();
        }
        self.state = State::Terminated;
        Step::tell(Tell::Transport)
    }

    pub(super) fn handle_timeout(&mut self, now_ms: u64) -> Step {
        match &mut self.state {
            State::Calling { end_ms, .. } | State::Proceeding { end_ms } if *end_ms <= now_ms => {
                self.state = State::Terminated;
                Step::tell(Tell::Timeout)
            }
            State::Calling {
                bytes,
                resend: Some(resend),
                ..
            } if resend.at_ms <= now_ms => {
                // Timer A doubles without a ceiling.
                let interval_ms = resend.interval_ms.saturating_mul(2);
                *resend = Resend {
                    at_ms: now_ms + interval_ms,
                    interval_ms,
                };
                Step::send(bytes.clone())
            }
            State::Completed { end_ms, .. } | State::Accepted { end_ms } if *end_ms <= now_ms => {
                self.state = State::Terminated;
                Step::nothing()
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::nothing(),
        }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match &self.state {
            State::Calling { resend, end_ms, .. } => {
                Some(resend.map_or(*end_ms, |resend| resend.at_ms.min(*end_ms)))
            }
            State::Proceeding { end_ms }
            | State::Completed { end_ms, .. }
            | State::Accepted { end_ms } => Some(*end_ms),
            State::Terminated => None,
        }
    }

    /// Whether a CANCEL has to wait for a provisional response (RFC 3261 §9.1).
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }
}

/// The ACK of a refusal (RFC 3261 §17.1.1.3).
fn acknowledgement(invite: &Message, response: &Message) -> Message {
    let uri = invite
        .uri()
        .expect("a client transaction begins with a request")
        .clone();
    let mut ack = Message::request(Method::Ack, uri);
    if let Ok(via) = invite.via() {
        ack.headers.push(Name::Via, via);
    }
    ack.headers.push(Name::MaxForwards, "70");
    for (name, source) in [
        (Name::From, invite),
        (Name::To, response),
        (Name::CallId, invite),
    ] {
        if let Some(value) = source.headers.get(name.clone()) {
            ack.headers.push(name, value.clone());
        }
    }
    if let Ok(cseq) = invite.cseq() {
        ack.headers
            .push(Name::CSeq, CSeq::new(cseq.number, Method::Ack));
    }
    for route in invite.headers.get_all(Name::Route) {
        ack.headers.push(Name::Route, route.clone());
    }
    ack
}
