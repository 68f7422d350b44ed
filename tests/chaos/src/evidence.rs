//! What was seen of one injection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::injection::Kind;
use crate::load::{Attempt, Failure, Report, Write};

/// All that the invariants are judged by.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) lifted: Instant,
    pub(crate) victims: Vec<usize>,
    /// The calls that stood when it happened.
    pub(crate) calls: Vec<Report>,
    /// All writes since then.
    pub(crate) writes: Vec<Write>,
    /// Acknowledged writes, ever, that a node does not have.
    pub(crate) missing_writes: Vec<String>,
    pub(crate) contacts_before: BTreeSet<String>,
    pub(crate) contacts_after: BTreeSet<String>,
    /// Calls that were begun since then.
    pub(crate) attempts: Vec<Attempt>,
}

impl Evidence {
    /// From the fault to the next write that was begun after it and accepted; where nobody was left, from the cure.
    pub(crate) fn write_outage(&self) -> Option<Duration> {
        let from = if self.kind.leaves_nobody() {
            self.lifted
        } else {
            self.at
        };
        let accepted = self
            .writes
            .iter()
            .filter(|write| write.began >= from && write.is_acknowledged());
        let first = accepted.map(|write| write.ended).min()?;
        Some(first.duration_since(from))
    }

    pub(crate) fn longest_gap(&self) -> Option<Duration> {
        self.calls.iter().map(|call| call.gap).max()
    }

    /// How long the slowest answer to a request in an established call took.
    pub(crate) fn slowest_answer(&self) -> Option<Duration> {
        let answers = self.calls.iter().flat_map(|call| &call.answers);
        answers.map(|answer| answer.after).max()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.calls.iter().filter(|call| call.is_dropped()).count()
    }

    /// Calls that came to nothing, by what their callers were told.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.attempts
            .iter()
            .filter_map(|attempt| attempt.failure.as_ref())
    }
}
