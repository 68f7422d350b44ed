//! Bugs that can be turned on, to see that they are found.

use bytes::Bytes;
use carillon_model::{
    BindingOutcome, CallOutcome, Command, DialogKey, Epoch, Event, LeaseCommand, LeaseOutcome,
    NodeId, Outcome, State,
};
use carillon_sip::transaction::tag_owner;
use carillon_sip::{CSeq, Framing, Message, Method, Name};

/// A bug of a simulated control node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// The shell tells the switch that a proposal is committed before it is.
    AcknowledgeBeforeCommit,
    /// The disk says that entries are flushed before they are.
    AcknowledgeBeforeFlush,
    /// Votes are not flushed: after a power cut a node may vote again in a term.
    ForgetVotes,
    /// A node whose disk was lost comes back under its old id.
    ReuseId,
    /// A node answers 481 to requests for calls that are not its own.
    DenyUnknownCalls,
    /// An heir numbers its requests from 1.
    RestartNumbers,
    /// A node goes on with a call whatever epoch and owner are stored.
    IgnoreEpochs,
    /// A node believes that its lease is renewed, whatever the cluster says: two register a trunk.
    TwoTrunkOwners,
}

/// What the switch is told at once, where the bug is such.
pub(crate) fn hasty_outcome(planted: Planted, command: &Command) -> Option<Outcome> {
    if let (Planted::TwoTrunkOwners, Command::Lease(LeaseCommand::Renew { epoch, .. })) =
        (planted, command)
    {
        let epoch = *epoch;
        return Some(Outcome::Lease(LeaseOutcome::Granted { epoch }));
    }
    if planted != Planted::AcknowledgeBeforeCommit {
        return None;
    }
    match command {
        Command::Bindings(changes) => {
            let accepted = vec![BindingOutcome::Accepted; changes.len()];
            Some(Outcome::Bindings(accepted))
        }
        Command::Call(_) => Some(Outcome::Call(CallOutcome::Accepted)),
        Command::Batch(commands) => commands
            .iter()
            .map(|command| hasty_outcome(planted, command))
            .collect::<Option<Vec<_>>>()
            .map(Outcome::Batch),
        Command::Initialise(_)
        | Command::Configure(_)
        | Command::Lease(_)
        | Command::Node(_)
        | Command::Media(_)
        | Command::Account(_)
        | Command::Secret(_)
        | Command::Trunk(_)
        | Command::Sweep => None,
    }
}

/// The answer of a node that denies whatever it does not own.
pub(crate) fn denial(node: NodeId, state: &State, octets: &Bytes) -> Option<Bytes> {
    let request = Message::parse(octets, Framing::Datagram).ok()?;
    if *request.method()? == Method::Ack {
        return None;
    }
    let dialog = DialogKey {
        call_id: request.call_id()?.to_owned(),
        local_tag: request.to().ok()?.tag()?.to_owned(),
    };
    let call = state.call_of_dialog(&dialog)?;
    let owner = state.calls().get(&call)?.owner;
    (owner != node).then(|| Message::response_to(&request, 481, "").to_bytes())
}

/// A request of an heir, with the first number that there is.
pub(crate) fn renumbered(node: NodeId, octets: &Bytes) -> Option<Bytes> {
    let mut request = Message::parse(octets, Framing::Datagram).ok()?;
    let method = request.method()?.clone();
    let began = request.from().ok()?.tag().and_then(tag_owner)?;
    let inside = request.to().ok()?.tag().is_some();
    if began == node || !inside || method == Method::Ack {
        return None;
    }
    request.headers.set(Name::CSeq, CSeq::new(1, method));
    Some(request.to_bytes())
}

/// What a node makes of the news that it is fenced, when it does not care.
pub(crate) fn careless(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Call(CallOutcome::Fenced { .. }) => Outcome::Call(CallOutcome::Accepted),
        Outcome::Call(CallOutcome::OwnerLives { .. }) => Outcome::Call(CallOutcome::Claimed {
            epoch: Epoch::default(),
        }),
        Outcome::Batch(outcomes) => Outcome::Batch(outcomes.into_iter().map(careless).collect()),
        other => other,
    }
}

/// The same of what it sees in the state.
pub(crate) fn overlooks(event: &Event) -> bool {
    matches!(event, Event::CallPut(_) | Event::CallEnded(_))
}
