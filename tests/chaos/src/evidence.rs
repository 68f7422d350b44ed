//! What was seen of one injection.

use carillon_testkit::carrier::Registered;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::kind::Kind;
use crate::load::{Attempt, Failure, Report, Write};

/// All that the invariants are judged by.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) lifted: Instant,
    pub(crate) victims: Vec<usize>,
    /// The victims whose process still ran when the fault was over.
    pub(crate) running: Vec<usize>,
    /// When another node than the victims led, where that was looked for.
    pub(crate) led: Option<Instant>,
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
    /// All that the carrier accepted, from the beginning of the run on.
    pub(crate) registered: Vec<Registered>,
    /// The contacts that the carrier has when all is well again.
    pub(crate) carrier_contacts: Vec<String>,
}

impl Evidence {
    /// From the fault to the next write that was begun after it and accepted; where nobody was left, from the cure.
    pub(crate) fn write_outage(&self) -> Option<Duration> {
        let from = self.served_from();
        let accepted = self
            .writes
            .iter()
            .filter(|write| write.began >= from && write.is_acknowledged());
        let first = accepted.map(|write| write.ended).min()?;
        Some(first.duration_since(from))
    }

    /// Since when somebody is there who could serve.
    fn served_from(&self) -> Instant {
        match self.kind.leaves_nobody() {
            true => self.lifted,
            false => self.at,
        }
    }

    pub(crate) fn time_to_leader(&self) -> Option<Duration> {
        Some(self.led?.saturating_duration_since(self.at))
    }

    /// From the cure of a power cut to the first call that two phones talk in.
    pub(crate) fn first_call(&self) -> Option<Duration> {
        let talked = self
            .attempts
            .iter()
            .filter(|attempt| attempt.failure.is_none() && attempt.ended >= self.lifted);
        let first = talked.map(|attempt| attempt.ended).min()?;
        Some(first.duration_since(self.lifted))
    }

    /// From the end of the trunk's owner to the carrier's 200 for the next one.
    pub(crate) fn trunk_outage(&self) -> Option<Duration> {
        if self.kind != Kind::TrunkOwnerKilled {
            return None;
        }
        let before = self.registered.iter().filter(|one| one.at < self.at);
        let former = before.map(|one| one.epoch).max()?;
        let next = self.registered.iter().find(|one| one.epoch > former)?;
        Some(next.at.saturating_duration_since(self.at))
    }

    pub(crate) fn longest_gap(&self) -> Option<Duration> {
        self.calls.iter().map(Report::longest_gap).max()
    }

    /// How long the slowest answer to a request in an established call took.
    pub(crate) fn slowest_answer(&self) -> Option<Duration> {
        let answers = self.calls.iter().flat_map(|call| &call.answers);
        answers.map(|answer| answer.after).max()
    }

    /// Writes that were begun at a victim so long after the fault that it knows of it, and were answered before the cure.
    pub(crate) fn writes_at_victims(&self, noticed: Duration) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| {
            self.victims.contains(&write.node)
                && write.began >= self.at + noticed
                && write.ended < self.lifted
        })
    }

    /// How long the slowest refusal by a minority took.
    pub(crate) fn slowest_refusal(&self) -> Option<Duration> {
        if !self.kind.leaves_a_minority() {
            return None;
        }
        let refused = self.writes_at_victims(Duration::ZERO);
        let refused = refused.filter(|write| !write.is_acknowledged());
        refused
            .map(|write| write.ended.duration_since(write.began))
            .max()
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
