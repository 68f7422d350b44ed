//! Calls of nodes that have gone: who takes which, and when.

use std::collections::{BTreeMap, BTreeSet};

use carillon_model::{
    CallCommand, CallEntry, CallId, CallOutcome, Command, ControlNode, Epoch, NodeId, NodeState,
    Outcome, rendezvous,
};

use carillon_sip::Message;
use carillon_sip::transaction::{Input, ServerKey};

use crate::proposals::Purpose;
use crate::waiting::Waiting;
use crate::{Notice, ProposalFailure, Switch};

/// Claims on their way at a time: phones are called back as fast as the cluster commits, and not all at once.
const CLAIMS_AT_A_TIME: usize = 50;
/// A node that others hear, and that leaves its lease lapsed for so long while the cluster takes commands, does not hear
/// them. After a time without a quorum every lease has lapsed, and each node first has this long to claim its own again.
const DEAF_AFTER_MS: u64 = 1_500;
/// How long each next heir waits for those before it.
const TURN_MS: u64 = 300;
/// Calls that are remembered as another's; past that those which are over are forgotten.
const FENCED_MAX: usize = 10_000;
/// How long a refusal waits for the cluster's word on its call: as long as a caller waits for an answer (RFC 3261, timer B).
pub(crate) const HELD_MS: u64 = 32_000;
/// Between two looks while there is something to take.
const LOOK_INTERVAL_MS: u64 = 50;
/// Between two looks while a node is down that leaves nothing.
const IDLE_LOOK_INTERVAL_MS: u64 = 500;

/// What is known of nodes that have gone.
#[derive(Default)]
pub(crate) struct Heirs {
    /// Nodes that do not answer and whose lease has lapsed, and since when.
    gone: BTreeMap<NodeId, u64>,
    /// Nodes whose lease has lapsed, and the cluster's time of the first command after which that was seen.
    lapsed: BTreeMap<NodeId, u64>,
    claiming: BTreeSet<CallId>,
    next_ms: Option<u64>,
    /// Messages for calls that have no owner at the moment.
    pub(crate) waiting: Waiting,
    /// Calls that were another's once, and the epoch in which they were ours: the replica may not know yet.
    pub(crate) fenced: BTreeMap<CallId, Epoch>,
    /// Refusals of INVITEs, until it is known whether they are ours to send.
    pub(crate) held: BTreeMap<CallId, HeldRefusal>,
    /// Calls with phones that cannot be reached until they come by themselves.
    pub(crate) lost: BTreeSet<CallId>,
}

/// A refusal that an heir may have another word on.
pub(crate) struct HeldRefusal {
    pub(crate) key: ServerKey,
    pub(crate) message: Message,
    /// From then on no heir can have one: its phones have rung for long enough.
    pub(crate) until_ms: u64,
}

impl Heirs {
    pub(crate) fn next_ms(&self) -> Option<u64> {
        [self.next_ms, self.waiting.next_ms()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn has_gone(&self, node: NodeId) -> bool {
        self.gone.contains_key(&node)
    }

    pub(crate) fn look_at(&mut self, at_ms: u64) {
        self.next_ms = Some(self.next_ms.map_or(at_ms, |next_ms| next_ms.min(at_ms)));
    }
}

impl Switch {
    /// Whether a stored call of this node may go on here: nobody has fenced it since it was stored.
    pub(crate) fn may_resume(&self, stored: &CallEntry) -> bool {
        let fenced = self.heirs.fenced.get(&stored.id);
        fenced.is_none_or(|epoch| stored.epoch > *epoch)
    }

    pub(crate) fn note_fenced(&mut self, call: CallId, epoch: Epoch) {
        let state = &self.state;
        if self.heirs.fenced.len() >= FENCED_MAX {
            self.heirs
                .fenced
                .retain(|call, _| state.calls().contains(call));
        }
        self.heirs.fenced.insert(call, epoch);
    }

    /// The cluster has taken our record of a call, or an heir's.
    pub(crate) fn release_refusal(&mut self, call: CallId, ours: bool) {
        if let Some(HeldRefusal { key, message, .. }) = self.heirs.held.remove(&call) {
            let input = match ours {
                true => Input::Respond { key, message },
                false => Input::AbandonServer { key },
            };
            self.transactions.handle_input(self.now_ms, input);
        }
    }

    /// Nobody says whether the cluster has taken our record: the caller does not wait for ever.
    pub(crate) fn release_if_late(&mut self, call: CallId) {
        let held = self.heirs.held.get(&call);
        if held.is_some_and(|held| held.until_ms <= self.now_ms) {
            self.release_refusal(call, true);
        }
    }

    pub(crate) fn node_up(&mut self, node: NodeId) {
        self.nodes_down.remove(&node);
        self.heirs.gone.remove(&node);
    }

    pub(crate) fn node_down(&mut self, node: NodeId) {
        self.nodes_down.insert(node);
        self.detour_around(node);
        self.heirs.look_at(self.now_ms);
        self.heirs_due();
    }

    /// Since when a node has been gone, if it has.
    pub(crate) fn gone_since_ms(&self, node: NodeId) -> Option<u64> {
        self.heirs.gone.get(&node).copied()
    }

    /// Whether nobody acts for the calls of a node at the moment, or soon nobody will.
    pub(crate) fn is_suspect(&self, node: NodeId) -> bool {
        node != self.config.node
            && (self.nodes_down.contains(&node)
                || !self.state.nodes().contains(&node)
                || self.is_deaf(node))
    }

    /// Nodes by whose sockets nobody is reached any more.
    pub(crate) fn nodes_lost(&self) -> BTreeSet<NodeId> {
        let gone = self.heirs.gone.keys();
        gone.chain(&self.nodes_down).copied().collect()
    }

    /// Nodes that say that they live, and do not hear anybody.
    fn deaf_nodes(&self) -> impl Iterator<Item = NodeId> {
        let others = self.state.nodes().values().map(|node| node.id);
        others.filter(|node| *node != self.config.node && self.is_deaf(*node))
    }

    fn is_deaf(&self, node: NodeId) -> bool {
        let since_ms = self.heirs.lapsed.get(&node);
        since_ms.is_some_and(|since_ms| self.state.now_ms() >= since_ms + DEAF_AFTER_MS)
    }

    /// Looks whether there is somebody to be looked after. Call at each renewal.
    pub(crate) fn listen_for_deaf(&mut self) {
        let state = &self.state;
        let nodes = state.nodes().values().map(|node| node.id);
        let lapsed: Vec<NodeId> = nodes.filter(|node| state.has_let_lapse(*node)).collect();
        self.heirs.lapsed.retain(|node, _| lapsed.contains(node));
        for node in lapsed {
            self.heirs.lapsed.entry(node).or_insert(state.now_ms());
        }
        let unknown = self
            .deaf_nodes()
            .any(|node| !self.heirs.gone.contains_key(&node));
        if unknown {
            self.heirs.look_at(self.now_ms);
        }
    }

    /// Looks for calls to take over, if it is time to.
    pub(crate) fn heirs_due(&mut self) {
        self.waiting_due();
        if self
            .heirs
            .next_ms
            .is_none_or(|next_ms| next_ms > self.now_ms)
        {
            return;
        }
        self.heirs.next_ms = None;
        // Who is cut off from the others sees them gone, and must not act on it.
        let acts = self.may_inherit() && !self.is_in_doubt();
        if acts {
            self.note_gone();
        }
        if self.nodes_down.is_empty() && self.heirs.gone.is_empty() {
            return;
        }
        let interval_ms = if !acts || self.claim_some() {
            LOOK_INTERVAL_MS
        } else {
            IDLE_LOOK_INTERVAL_MS
        };
        self.heirs.look_at(self.now_ms + interval_ms);
    }

    /// A node has gone when it does not answer and the cluster has not heard of it either.
    fn note_gone(&mut self) {
        let state = self.state.clone();
        let cluster_now_ms = self.cluster_now_ms();
        let owners: BTreeSet<NodeId> = state.calls().values().map(|call| call.owner).collect();
        let suspects = owners
            .into_iter()
            .filter(|node| !state.nodes().contains(node) && *node != self.config.node)
            .chain(self.nodes_down.iter().copied())
            .chain(self.deaf_nodes());
        let gone: Vec<NodeId> = suspects
            .filter(|node| state.has_gone(*node, cluster_now_ms))
            .collect();
        self.heirs.gone.retain(|node, _| gone.contains(node));
        for node in gone {
            if !self.heirs.gone.contains_key(&node) {
                self.heirs.gone.insert(node, self.now_ms);
                self.relocate_from(node);
                self.heard_nothing_from(node);
            }
        }
        if self.heirs.gone.len() < self.nodes_down.len() {
            self.heirs.look_at(self.now_ms + LOOK_INTERVAL_MS);
        }
    }

    /// Claims what is this node's to claim; says whether there is more to come.
    fn claim_some(&mut self) -> bool {
        let state = self.state.clone();
        let mut orphans: Vec<&CallEntry> = state
            .calls()
            .values()
            .map(AsRef::as_ref)
            .filter(|call| self.heirs.gone.contains_key(&call.owner))
            .filter(|call| !self.heirs.claiming.contains(&call.id))
            .collect();
        let left = !orphans.is_empty() || !self.heirs.claiming.is_empty();
        orphans.retain(|call| self.is_our_turn(call));
        // Phones that were last active are the likeliest to say something into the gap.
        orphans.sort_by_key(|call| {
            let summary = &call.summary;
            let active_ms = summary.answered_at_ms.unwrap_or(summary.started_at_ms);
            std::cmp::Reverse(active_ms)
        });
        let room = CLAIMS_AT_A_TIME.saturating_sub(self.heirs.claiming.len());
        let chosen: Vec<(CallId, Epoch)> = orphans
            .iter()
            .take(room)
            .map(|call| (call.id, call.epoch))
            .collect();
        for (id, epoch) in chosen {
            self.claim(id, epoch);
        }
        left
    }

    fn claim(&mut self, id: CallId, epoch: Epoch) {
        self.heirs.claiming.insert(id);
        let by = self.config.node;
        let command = Command::Call(CallCommand::Claim { id, epoch, by });
        self.propose(command, Purpose::Claim(id));
    }

    /// Who comes before us waits less; a phone that asks for its call is not made to wait.
    fn is_our_turn(&self, call: &CallEntry) -> bool {
        if self.heirs.waiting.is_wanted(call.id) {
            return true;
        }
        let since_ms = self.heirs.gone.get(&call.owner).copied();
        let own = rendezvous(call.id, self.config.node);
        let before = |node: &&std::sync::Arc<ControlNode>| {
            let serves = match node.state {
                NodeState::Joining | NodeState::Active => true,
                NodeState::Draining | NodeState::Left => false,
            };
            let other = node.id != self.config.node && node.id != call.owner;
            other
                && serves
                && !self.nodes_down.contains(&node.id)
                && !self.heirs.gone.contains_key(&node.id)
                && (self.is_draining() || rendezvous(call.id, node.id) > own)
        };
        let turn = self.state.nodes().values().filter(before).count() as u64;
        since_ms.is_some_and(|since_ms| self.now_ms >= since_ms + turn * TURN_MS)
    }

    pub(crate) fn claim_answered(&mut self, id: CallId, outcome: Result<Outcome, ProposalFailure>) {
        self.heirs.claiming.remove(&id);
        self.heirs.look_at(self.now_ms + LOOK_INTERVAL_MS);
        let Ok(Outcome::Call(outcome)) = outcome else {
            return;
        };
        match outcome {
            CallOutcome::Claimed { .. } => {
                if let Some(stored) = self.state.calls().get(&id).cloned() {
                    self.resume(&stored);
                }
            }
            CallOutcome::Fenced { owner, .. } if owner != self.config.node => {
                self.tell(Notice::ClaimLost { call: id });
            }
            // A claim whose answer was lost.
            CallOutcome::Fenced { .. }
            | CallOutcome::Ended
            | CallOutcome::Unknown
            // The clocks differ: it is asked again.
            | CallOutcome::OwnerLives { .. }
            | CallOutcome::Accepted
            | CallOutcome::Superseded { .. }
            | CallOutcome::DialogTaken
            | CallOutcome::TooMuch => {}
        }
        self.say_again(id);
    }
}
