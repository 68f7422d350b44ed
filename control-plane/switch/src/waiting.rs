//! Messages for calls whose owner has gone, until an heir has them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use carillon_model::{CallId, Flow, NodeId};
use carillon_sip::{Framing, Message};

use crate::Switch;

/// How long a message waits for an heir of its call.
pub const HEIR_LIMIT_MS: u64 = 3_000;
/// Messages that wait for one call.
const MESSAGES_OF_CALL_MAX: usize = 8;
/// Calls that messages wait for.
const CALLS_MAX: usize = 1_024;
/// Requests that went to other nodes and may have to be handled here after all.
const SENT_ON_MAX: usize = 1_024;
/// How long one of them is kept: longer than a node is waited for.
const SENT_ON_MS: u64 = 2_500;

#[derive(Default)]
pub(crate) struct Waiting {
    calls: BTreeMap<CallId, Vec<Parked>>,
    sent_on: VecDeque<SentOn>,
}

struct Parked {
    flow: Flow,
    bytes: Bytes,
    until_ms: u64,
    /// Whose call it was then.
    owner: Option<NodeId>,
}

/// A request that another node was handed.
struct SentOn {
    at_ms: u64,
    node: NodeId,
    /// The call, where the replica knew it.
    call: Option<CallId>,
    flow: Flow,
    bytes: Bytes,
}

impl Waiting {
    /// Whether a phone waits for this call.
    pub(crate) fn is_wanted(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        let parked = self.calls.values().flatten();
        parked.map(|parked| parked.until_ms).min()
    }

    /// `false`: there is no room.
    fn add(&mut self, call: CallId, parked: Parked) -> bool {
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&call) {
            return false;
        }
        let waiting = self.calls.entry(call).or_default();
        // A datagram that is repeated waits once.
        if waiting
            .iter()
            .any(|known| known.flow == parked.flow && known.bytes == parked.bytes)
        {
            return true;
        }
        let room = waiting.len() < MESSAGES_OF_CALL_MAX;
        if room {
            waiting.push(parked);
        }
        room
    }

    /// Remembers a request that was handed to another node.
    pub(crate) fn sent_on(
        &mut self,
        at_ms: u64,
        (node, call): (NodeId, Option<CallId>),
        flow: Flow,
        bytes: Bytes,
    ) {
        while self
            .sent_on
            .front()
            .is_some_and(|old| old.at_ms + SENT_ON_MS < at_ms || self.sent_on.len() >= SENT_ON_MAX)
        {
            self.sent_on.pop_front();
        }
        self.sent_on.push_back(SentOn {
            at_ms,
            node,
            call,
            flow,
            bytes,
        });
    }
}

impl Switch {
    /// A message waits until its call has an heir. Without a quorum there will be none, which an election does not yet
    /// mean: it waits all the same.
    pub(crate) fn wait_for_heir(&mut self, call: CallId, flow: Flow, bytes: Bytes) {
        let parked = Parked {
            flow,
            bytes: bytes.clone(),
            until_ms: self.now_ms + HEIR_LIMIT_MS,
            owner: self.owner_of(call),
        };
        if !self.heirs.waiting.add(call, parked) {
            return self.cannot_answer(flow, &bytes);
        }
        self.heirs.look_at(self.now_ms);
        self.heirs_due();
    }

    fn owner_of(&self, call: CallId) -> Option<NodeId> {
        self.state.calls().get(&call).map(|call| call.owner)
    }

    /// Messages for a call that has an owner again, or has ended, are handled as if they came now.
    pub(crate) fn say_again(&mut self, call: CallId) {
        let owner = self.owner_of(call);
        if owner.is_some_and(|owner| self.is_suspect(owner)) {
            return;
        }
        for Parked { flow, bytes, .. } in self.heirs.waiting.calls.remove(&call).unwrap_or_default()
        {
            self.received(flow, bytes);
        }
    }

    /// What has waited for too long is answered as what cannot be answered. An end, or a new owner, that was seen without
    /// its event is not missed.
    pub(crate) fn waiting_due(&mut self) {
        let now_ms = self.now_ms;
        let state = &self.state;
        let waiting = self.heirs.waiting.calls.iter();
        let settled = waiting.filter(|(call, waiting)| {
            let owner = state.calls().get(call).map(|call| call.owner);
            waiting.iter().all(|parked| parked.owner != owner)
        });
        for call in settled.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.say_again(call);
        }
        let mut late = Vec::new();
        self.heirs.waiting.calls.retain(|_, waiting| {
            let (over, still) = std::mem::take(waiting)
                .into_iter()
                .partition::<Vec<_>, _>(|parked| parked.until_ms <= now_ms);
            late.extend(over);
            *waiting = still;
            !waiting.is_empty()
        });
        for Parked { flow, bytes, .. } in late {
            self.cannot_answer(flow, &bytes);
        }
    }

    /// Requests that a node may have taken with it.
    pub(crate) fn heard_nothing_from(&mut self, node: NodeId) {
        self.take_back(|sent| sent.node == node);
    }

    /// A call has another owner: what its former one was handed may never have been done, or heard there.
    pub(crate) fn hand_to(&mut self, owner: NodeId, call: CallId) {
        self.take_back(|sent| sent.call == Some(call) && sent.node != owner);
    }

    /// Requests that were handed to a node are handled as if they came now.
    fn take_back(&mut self, which: impl Fn(&SentOn) -> bool) {
        let now_ms = self.now_ms;
        if !self.heirs.waiting.sent_on.iter().any(&which) {
            return;
        }
        let (taken, kept) = std::mem::take(&mut self.heirs.waiting.sent_on)
            .into_iter()
            .partition::<VecDeque<_>, _>(which);
        self.heirs.waiting.sent_on = kept;
        for SentOn {
            at_ms, flow, bytes, ..
        } in taken
        {
            if at_ms + SENT_ON_MS >= now_ms && Message::parse(&bytes, Framing::Stream).is_ok() {
                self.received(flow, bytes);
            }
        }
    }
}
