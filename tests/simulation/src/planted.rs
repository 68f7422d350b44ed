//! Bugs that can be turned on, to see that they are found.

use carillon_model::{BindingOutcome, CallOutcome, Command, Outcome};

/// A bug of a simulated control node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// The shell tells the switch that a proposal is committed before it is.
    AcknowledgeBeforeCommit,
    /// The disk says that entries are flushed before they are.
    AcknowledgeBeforeFlush,
}

/// What the switch is told at once, where the bug is such.
pub(crate) fn hasty_outcome(planted: Planted, command: &Command) -> Option<Outcome> {
    if planted != Planted::AcknowledgeBeforeCommit {
        return None;
    }
    match command {
        Command::Bindings(changes) => {
            let accepted = vec![BindingOutcome::Accepted; changes.len()];
            Some(Outcome::Bindings(accepted))
        }
        Command::Call(_) => Some(Outcome::Call(CallOutcome::Accepted)),
        Command::Initialise(_)
        | Command::Configure(_)
        | Command::Lease(_)
        | Command::Node(_)
        | Command::Media(_)
        | Command::Account(_)
        | Command::Secret(_)
        | Command::Sweep => None,
    }
}
