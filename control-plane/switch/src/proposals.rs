use std::collections::BTreeMap;

use carillon_model::{CallCommand, CallId, Command, NodeId, Outcome, TrunkId};

use crate::gather::Gathering;
use crate::registrar::Item;
use crate::{Output, ProposalFailure, Switch};

/// Commands on their way to the quorum, and who waits for them. All that a node proposes goes through here, many commands
/// in one entry of the log.
pub(crate) struct Proposals {
    gathering: Gathering<(Command, Purpose)>,
    /// By proposal, in the order of its commands.
    waiting: BTreeMap<u64, Vec<Purpose>>,
    /// Commands that have no outcome yet.
    commands: usize,
    next: u64,
}

/// Why a command was proposed.
pub(crate) enum Purpose {
    /// REGISTERs to be answered.
    Bindings(Item),
    /// A value of a call.
    Value { call: CallId, revision: u64 },
    /// The record of a call.
    Record(CallId),
    /// The end of a call that another node has; the record is proposed until there is one.
    Hangup,
    /// The lease of this node.
    Lease { asked_ms: u64 },
    /// A call of a node that has gone.
    Claim(CallId),
    /// The lease of a trunk.
    TrunkClaim(TrunkId),
    /// The contact that a trunk will be registered with.
    TrunkAnnounced { trunk: TrunkId, contact: String },
    /// What became of a trunk's registration; nobody waits for it.
    TrunkEnd,
    /// The lease of a node's floating address.
    AddressClaim(NodeId),
    /// A floating address was given back; nobody waits for it.
    AddressEnd,
}

impl Proposals {
    pub(crate) fn new() -> Self {
        Self {
            gathering: Gathering::new(),
            waiting: BTreeMap::new(),
            commands: 0,
            next: 1,
        }
    }

    /// Commands that have no outcome yet.
    pub(crate) fn len(&self) -> usize {
        self.commands
    }

    /// When what has gathered is to leave.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.gathering.due_ms()
    }

    /// A value of a call that has not left yet need not: a later one, or the end of the call, takes its place.
    pub(crate) fn withdraw_value(&mut self, call: CallId) {
        let values = |(_, purpose): &(Command, Purpose)| match purpose {
            Purpose::Value { call: of, .. } => *of == call,
            Purpose::Bindings(_)
            | Purpose::Record(_)
            | Purpose::Hangup
            | Purpose::Lease { .. }
            | Purpose::Claim(_)
            | Purpose::TrunkClaim(_)
            | Purpose::TrunkAnnounced { .. }
            | Purpose::TrunkEnd
            | Purpose::AddressClaim(_)
            | Purpose::AddressEnd => false,
        };
        self.commands -= self.gathering.withdraw(values);
    }
}

impl Switch {
    /// Has a command proposed, with the next batch.
    pub(crate) fn propose(&mut self, command: Command, purpose: Purpose) {
        self.proposals.commands += 1;
        let octets = octets(&command);
        self.proposals.gathering.add(octets, (command, purpose));
    }

    /// Proposes what has gathered, if its time has come.
    pub(crate) fn propose_batch(&mut self) {
        while let Some(batch) = self.proposals.gathering.take(self.now_ms) {
            let (mut commands, purposes): (Vec<Command>, Vec<Purpose>) = batch.into_iter().unzip();
            let command = match commands.len() {
                1 => commands.remove(0),
                _ => Command::Batch(commands),
            };
            if !holds_others_up(&purposes) {
                self.proposals.gathering.answered();
            }
            let proposal = self.proposals.next;
            self.proposals.next += 1;
            self.proposals.waiting.insert(proposal, purposes);
            self.put(Output::Propose { proposal, command });
        }
    }

    /// Whether nothing should be begun that needs the quorum.
    pub(crate) fn is_congested(&self) -> bool {
        self.proposals.len() >= self.config.limits.proposals
    }

    pub(crate) fn proposed(&mut self, proposal: u64, outcome: Result<Outcome, ProposalFailure>) {
        let Some(purposes) = self.proposals.waiting.remove(&proposal) else {
            return;
        };
        if holds_others_up(&purposes) {
            self.proposals.gathering.answered();
        }
        self.proposals.commands -= purposes.len();
        match outcome {
            Ok(Outcome::Batch(outcomes)) => {
                // An outcome for each; what had none would have to be taken for unknown.
                let outcomes = outcomes.into_iter().map(Ok);
                let outcomes = outcomes.chain(std::iter::repeat(Err(ProposalFailure::Timeout)));
                for (purpose, outcome) in purposes.into_iter().zip(outcomes) {
                    self.decided(purpose, outcome);
                }
            }
            outcome => {
                for purpose in purposes {
                    self.decided(purpose, outcome.clone());
                }
            }
        }
    }

    fn decided(&mut self, purpose: Purpose, outcome: Result<Outcome, ProposalFailure>) {
        match purpose {
            Purpose::Bindings(item) => self.bindings_committed(item, outcome),
            Purpose::Value { call, revision } => self.value_committed(call, revision, outcome),
            Purpose::Lease { asked_ms } => self.lease_answered(asked_ms, outcome),
            Purpose::Claim(call) => self.claim_answered(call, outcome),
            Purpose::TrunkClaim(trunk) => self.trunk_claimed(trunk, outcome),
            Purpose::TrunkAnnounced { trunk, contact } => {
                self.trunk_announced(trunk, contact, outcome);
            }
            Purpose::AddressClaim(home) => self.address_claimed(home, outcome),
            Purpose::Hangup | Purpose::TrunkEnd | Purpose::AddressEnd => {}
            Purpose::Record(call) => self.record_committed(call, outcome),
        }
    }
}

/// The leader keeps a renewal for a while, so that it writes those of all nodes at once: nobody waits for that.
fn holds_others_up(batch: &[Purpose]) -> bool {
    batch.iter().any(|purpose| match purpose {
        Purpose::Lease { .. } => false,
        Purpose::Bindings(_)
        | Purpose::Value { .. }
        | Purpose::Record(_)
        | Purpose::Hangup
        | Purpose::Claim(_)
        | Purpose::TrunkClaim(_)
        | Purpose::TrunkAnnounced { .. }
        | Purpose::TrunkEnd
        | Purpose::AddressClaim(_)
        | Purpose::AddressEnd => true,
    })
}

/// What a command takes up in an entry, roughly.
fn octets(command: &Command) -> usize {
    const SMALL: usize = 512;
    match command {
        Command::Call(CallCommand::Put(entry)) => SMALL + entry.body.len(),
        Command::Bindings(changes) => SMALL * changes.len(),
        Command::Call(
            CallCommand::End { .. } | CallCommand::Claim { .. } | CallCommand::RequestHangup { .. },
        )
        | Command::Batch(_)
        | Command::Initialise(_)
        | Command::Configure(_)
        | Command::Lease(_)
        | Command::Node(_)
        | Command::Media(_)
        | Command::Account(_)
        | Command::Secret(_)
        | Command::Trunk(_)
        | Command::Sweep => SMALL,
    }
}
