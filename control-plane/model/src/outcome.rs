//! What became of a command.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    BindingOutcome, CallOutcome, Epoch, Event, HistoryRow, Imported, LeaseOutcome, ResourceKey,
    RowError,
};

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionKind {
    /// A field is wrong in itself.
    Input,
    /// What it names does not exist.
    NotFound,
    /// Something else has this name or number already.
    Conflict,
    /// It is in use by something else.
    InUse,
    /// It was changed since it was read: read again and repeat.
    Stale,
    /// A limit of the cluster.
    Limit,
}

/// A refusal that says which field of which resource, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Why in one word.
    pub kind: RejectionKind,
    /// Which sort of thing, as `User`.
    pub resource: String,
    /// Which field of it, as `username`.
    pub field: String,
    /// A sentence for people.
    pub message: String,
}

impl Rejection {
    /// A refusal.
    pub fn new(
        kind: RejectionKind,
        resource: &str,
        field: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            resource: resource.to_owned(),
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} field '{}': {}",
            self.resource, self.field, self.message
        )
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Done,
    /// It has this id now.
    Created(ResourceKey),
    /// It may not be.
    Rejected(Rejection),
    /// One for each change.
    Bindings(Vec<BindingOutcome>),
    /// Of a call.
    Call(CallOutcome),
    /// Of a lease.
    Lease(LeaseOutcome),
    /// One for each row.
    Imported(Vec<Imported>),
    /// Nothing was imported.
    ImportRejected(Vec<RowError>),
    /// The node's new epoch.
    Started(Epoch),
    /// How many bindings and tokens were swept.
    Swept {
        /// Expired bindings.
        bindings: u32,
        /// Expired tokens.
        tokens: u32,
    },
    /// One for each command of a batch.
    Batch(Vec<Self>),
}

/// All that a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of it.
    pub outcome: Outcome,
    /// What changed.
    pub events: Vec<Event>,
    /// What is to be kept beside the state.
    pub history: Vec<HistoryRow>,
}
