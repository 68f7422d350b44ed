use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use carillon_model::{
    CallDirection, CallId, CallState, CallSummary, DialogKey, Epoch, MediaServerId, NodeId, Party,
    Random,
};
use carillon_sip::transaction::{ClientKey, Failure};
use carillon_sip::{Message, Method};
use serde::{Deserialize, Serialize};

use crate::asked::Received;
use crate::early::Ringback;
use crate::exchange::Exchange;
use crate::fork::Fork;
use crate::info::Relay;
use crate::leg::{Leg, Purpose, Sent};
use crate::media::Media;
use crate::phase::{Phase, RecordState};
use crate::turn::Turn;
use crate::{Carrier, Input, LegId, MAX_OUTPUTS, Output, Policy, Setup};

/// A call between a caller and whoever answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub(crate) id: CallId,
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    pub(crate) policy: Policy,
    pub(crate) direction: CallDirection,
    pub(crate) number: String,
    pub(crate) context: String,
    pub(crate) caller: Party,
    pub(crate) callee: Party,
    /// Our address on the caller's listener.
    pub(crate) advertised: SocketAddr,
    /// Max-Forwards for the callee.
    pub(crate) hops_left: u8,
    /// The callee is not told who calls.
    pub(crate) private: bool,
    pub(crate) started_at_ms: u64,
    pub(crate) answered_at_ms: Option<u64>,
    pub(crate) phase: Phase,
    /// Each by itself: a map sets aside room for eleven.
    pub(crate) legs: BTreeMap<LegId, Box<Leg>>,
    pub(crate) forks: Vec<Fork>,
    pub(crate) ringback: Ringback,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) relays: Vec<Relay>,
    /// Dialogs of late answers.
    pub(crate) strays: Vec<Leg>,
    pub(crate) media: Media,
    #[serde(default)]
    pub(crate) unprotected: bool,
    /// The caller comes by a carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<Box<Carrier>>,
    #[serde(skip)]
    pub(crate) outputs: VecDeque<Output>,
}

impl Call {
    /// A call whose INVITE comes as the first input.
    #[must_use]
    pub fn incoming(setup: Setup) -> Self {
        Self {
            id: setup.id,
            node: setup.node,
            epoch: setup.epoch,
            policy: setup.policy,
            direction: setup.direction,
            callee: Party {
                number: setup.number.clone(),
                ..Party::default()
            },
            number: setup.number,
            context: setup.context,
            caller: setup.caller,
            advertised: setup.advertised,
            hops_left: 0,
            private: false,
            started_at_ms: 0,
            answered_at_ms: None,
            phase: Phase::New,
            legs: BTreeMap::new(),
            forks: Vec::new(),
            ringback: Ringback::default(),
            exchange: None,
            relays: Vec::new(),
            strays: Vec::new(),
            media: Media::default(),
            unprotected: false,
            carrier: setup.carrier,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what has happened. The outputs must be polled before the next input.
    pub fn handle_input(&mut self, now_ms: u64, random: &mut dyn Random, input: Input) {
        if self.outputs.len() >= MAX_OUTPUTS || matches!(self.phase, Phase::Ended) {
            return;
        }
        let turn = &mut Turn::new(now_ms, random, self.node);
        match input {
            Input::Request {
                leg,
                transaction,
                message,
                flow,
            } => {
                self.requested(
                    turn,
                    leg,
                    Received {
                        transaction,
                        message,
                        flow,
                    },
                );
            }
            Input::Ack { leg, message } => self.acknowledged(turn, leg, &message),
            Input::Cancelled { leg, transaction } => self.cancelled(turn, leg, &transaction),
            Input::Response {
                leg,
                transaction,
                message,
                flow,
            } => {
                self.settle_flow(leg, flow);
                self.responded(turn, leg, transaction, &message);
            }
            Input::Failed {
                leg,
                transaction,
                why,
            } => self.unanswered(turn, leg, transaction, why),
            Input::Routed(Ok(route)) => self.routed(turn, route),
            Input::Routed(Err(refusal)) => self.not_routed(turn, refusal),
            Input::Media(reply) => self.media_replied(turn, reply),
            Input::MediaEvent(event) => self.media_happened(turn, event),
            Input::Found { leg, flow } => self.found(turn, leg, flow),
            Input::Unsent {
                leg,
                transaction,
                flow,
                advertised,
            } => self.unsent(turn, leg, transaction, (flow, advertised)),
            Input::Hangup => self.hang_up(turn),
        }
        self.tell_of_ports(turn);
        self.settle();
    }

    /// Takes note of the time.
    pub fn handle_timeout(&mut self, now_ms: u64, random: &mut dyn Random) {
        if self.outputs.len() >= MAX_OUTPUTS {
            return;
        }
        let turn = &mut Turn::new(now_ms, random, self.node);
        self.fire_due(turn);
        self.settle();
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// All that is to be done next, and the memory that it takes up.
    pub fn take_outputs(&mut self) -> VecDeque<Output> {
        std::mem::take(&mut self.outputs)
    }

    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }

    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Nothing more will come of it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The media server that carries the call.
    #[must_use]
    pub fn media_server(&self) -> Option<MediaServerId> {
        self.media.server
    }

    /// The call went ahead without waiting for the quorum: its record will say so.
    pub fn mark_unprotected(&mut self) {
        self.unprotected = true;
    }

    /// What others may want to know of the call.
    #[must_use]
    pub fn summary(&self) -> CallSummary {
        let state = match self.phase {
            Phase::Talking { .. } if self.is_held() => CallState::Held,
            Phase::Talking { .. } => CallState::Answered,
            Phase::Ending { .. } | Phase::Ended if self.answered_at_ms.is_some() => {
                CallState::Answered
            }
            Phase::New
            | Phase::Routing { .. }
            | Phase::Placing { .. }
            | Phase::Ringing { .. }
            | Phase::Ending { .. }
            | Phase::Ended => CallState::Ringing,
        };
        CallSummary {
            state,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            started_at_ms: self.started_at_ms,
            answered_at_ms: self.answered_at_ms,
            media_server: self.media.server,
            unprotected: self.unprotected,
            one_way: self.is_one_way(),
        }
    }

    /// Our sides of all its dialogs, INVITEs without any response included.
    #[must_use]
    pub fn dialogs(&self) -> Vec<DialogKey> {
        self.dialog_legs()
            .map(|((call_id, local_tag), _)| DialogKey {
                call_id: call_id.to_owned(),
                local_tag: local_tag.to_owned(),
            })
            .collect()
    }

    /// Whether these are all its dialogs, in their order.
    #[must_use]
    pub fn has_dialogs(&self, known: &[DialogKey]) -> bool {
        let known = known.iter().map(names);
        self.dialog_legs().map(|(names, _)| names).eq(known)
    }

    /// The leg that a message with this Call-ID and our tag belongs to.
    #[must_use]
    pub fn leg_of(&self, key: &DialogKey) -> Option<LegId> {
        self.dialog_legs()
            .find(|(have, _)| *have == names(key))
            .map(|(_, leg)| leg)
    }

    fn dialog_legs(&self) -> impl Iterator<Item = ((&str, &str), LegId)> {
        let legs = self.legs.values().map(|leg| {
            let dialog = &leg.dialog;
            ((&*dialog.call_id, &*dialog.local_tag), leg.id)
        });
        let other = self.ringback.other_tags.iter().filter_map(|tag| {
            let leg = self.legs.get(&LegId::CALLER)?;
            Some(((&*leg.dialog.call_id, &**tag), leg.id))
        });
        let forks = self
            .forks
            .iter()
            .filter(|fork| !self.legs.contains_key(&fork.leg))
            .filter_map(|fork| {
                let invite = fork.invite.as_ref()?;
                Some(((&*invite.call_id, &*invite.local_tag), fork.leg))
            });
        legs.chain(other).chain(forks)
    }

    /// Sends a request in the dialog of a leg. `None`: the leg is gone, or has too many requests out.
    pub(crate) fn send(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        method: Method,
        purpose: Purpose,
        complete: impl FnOnce(&mut Message),
    ) -> Option<ClientKey> {
        let side = self.legs.get_mut(&leg)?;
        if side.lost || purpose != Purpose::Bye && (side.is_released() || !side.may_send()) {
            return None;
        }
        let (transaction, mut message) = side.request(turn, method);
        complete(&mut message);
        let cseq = side.dialog.local_cseq();
        let kept = side.carrier.is_some().then(|| message.clone());
        side.sent.push(Sent {
            key: transaction,
            cseq,
            purpose,
            give_up_at_ms: turn.give_up_at_ms(),
            message: kept,
        });
        let (flow, reserved) = (side.flow, side.dialog.reserve_ahead());
        self.put(Output::Request {
            leg,
            transaction,
            message,
            flow,
        });
        if reserved {
            self.put(Output::CommitLazily);
        }
        Some(transaction)
    }

    pub(crate) fn respond(&mut self, leg: LegId, received: &Received, message: Message) {
        let transaction = received.transaction.clone();
        self.put(Output::Respond {
            leg,
            transaction,
            message,
            flow: received.flow,
        });
    }

    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn callee_leg(&self) -> Option<LegId> {
        match self.phase {
            Phase::Talking { callee } => Some(callee),
            Phase::New
            | Phase::Routing { .. }
            | Phase::Placing { .. }
            | Phase::Ringing { .. }
            | Phase::Ending { .. }
            | Phase::Ended => None,
        }
    }

    /// The other side of an answered call.
    pub(crate) fn other(&self, leg: LegId) -> Option<LegId> {
        let callee = self.callee_leg()?;
        if leg == LegId::CALLER {
            Some(callee)
        } else {
            (leg == callee).then_some(LegId::CALLER)
        }
    }

    fn unanswered(&mut self, turn: &mut Turn<'_>, leg: LegId, key: ClientKey, why: Failure) {
        let code = match why {
            Failure::Timeout => 408,
            Failure::Transport | Failure::Overload => 503,
        };
        self.request_failed(turn, leg, key, code);
    }

    /// Forgets what is over; writes the record and says goodbye as soon as that is possible.
    fn settle(&mut self) {
        if self.callee_leg().is_some() {
            self.forks
                .retain(|fork| fork.invite.is_some() || !fork.is_quiet());
        }
        let Phase::Ending { ending, record } = self.phase else {
            return;
        };
        if record == RecordState::Due {
            let record = self.record(ending);
            self.put(Output::Record(record));
            self.phase = Phase::Ending {
                ending,
                record: RecordState::Written,
            };
        }
        let written = matches!(
            self.phase,
            Phase::Ending {
                record: RecordState::Written,
                ..
            }
        );
        if written && self.is_quiet() {
            self.phase = Phase::Ended;
            self.put(Output::Ended);
        }
    }

    fn is_quiet(&self) -> bool {
        let legs = self
            .legs
            .values()
            .all(|leg| leg.is_released() && leg.sent.is_empty());
        legs && self.forks.iter().all(Fork::is_quiet) && self.strays.is_empty()
    }
}

fn names(key: &DialogKey) -> (&str, &str) {
    (&key.call_id, &key.local_tag)
}
