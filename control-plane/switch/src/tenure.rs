//! This node's own lease: as long as it is renewed, nobody takes its calls.

use carillon_model::{
    Command, Epoch, LeaseCommand, LeaseOutcome, NodeId, Outcome, State, node_resource,
};

use crate::proposals::Purpose;
use crate::{Notice, ProposalFailure, Switch};

/// How long a node is waited for until others may take its calls.
pub const LEASE_TTL_MS: u64 = 900;
/// Between two renewals.
pub const RENEW_INTERVAL_MS: u64 = 250;
/// What a command takes on its way, at most, where all is well.
const MARGIN_MS: u64 = 100;
/// Renewals that wait at a time: one that went to a leader which has died must not hold up the next.
const RENEWALS_WAITING_MAX: usize = 8;
/// A process that does nothing for so long was stopped: it wakes at least once a renewal.
const STOPPED_AFTER_MS: u64 = 600;
/// How long a node that was stopped asks the cluster what has become of its calls, before it goes on as one that has
/// lost its quorum.
pub const DOUBT_LIMIT_MS: u64 = 2_000;

/// The right to act for this node's calls, as far as it knows.
#[derive(Default)]
pub(crate) struct Tenure {
    epoch: Option<Epoch>,
    /// Counted from when it was asked for, by our own clock: the cluster counts from later.
    until_ms: u64,
    waiting: usize,
    next_ms: u64,
    last_seen_ms: Option<u64>,
    doubt_until_ms: Option<u64>,
    /// The cluster's time of the latest command, and when that was seen.
    told_ms: Option<(u64, u64)>,
}

impl Tenure {
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        (self.next_ms > 0).then(|| {
            self.doubt_until_ms
                .map_or(self.next_ms, |until_ms| until_ms.min(self.next_ms))
        })
    }
}

impl Switch {
    /// Whether this node does not know what has become of its calls: it was stopped for longer than its lease lasts.
    /// Until it knows it says nothing for them.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.tenure.doubt_until_ms.is_some()
    }

    /// Whether this node holds its lease by its own clock. If not, others may have taken its calls without its knowing:
    /// it goes on with those that it has, and begins nothing that an heir may have begun.
    pub(crate) fn is_tenured(&self) -> bool {
        let held = self.tenure.epoch.is_some() && self.now_ms < self.tenure.until_ms;
        held || !needs_lease(&self.state, self.config.node)
    }

    /// Whether the cluster has granted the lease a moment ago.
    pub(crate) fn has_fresh_word(&self) -> bool {
        let asked_ms = self.tenure.until_ms.saturating_sub(LEASE_TTL_MS);
        let fresh = self.tenure.epoch.is_some() && self.now_ms < asked_ms + RENEW_INTERVAL_MS;
        fresh || !needs_lease(&self.state, self.config.node)
    }

    /// Whether the cluster has answered something that was asked after this: all that was committed before is known here.
    pub(crate) fn has_word_since(&self, since_ms: u64) -> bool {
        let asked_ms = self.tenure.until_ms.saturating_sub(LEASE_TTL_MS);
        self.tenure.epoch.is_some() && asked_ms > since_ms
    }

    /// Whether it will hold the lease for long enough to finish what it begins now. Who is cut off sees the leases of the
    /// others lapse at most a renewal before its own: it must not take that for their end.
    pub(crate) fn may_inherit(&self) -> bool {
        self.will_be_tenured(RENEW_INTERVAL_MS + MARGIN_MS)
    }

    /// Whether this node will hold its lease for so long, by its own clock and without another renewal.
    pub(crate) fn will_be_tenured(&self, for_ms: u64) -> bool {
        let held = self.tenure.epoch.is_some() && self.now_ms + for_ms < self.tenure.until_ms;
        held || !needs_lease(&self.state, self.config.node)
    }

    /// The cluster's time, at least: what it was at the latest command, and what has passed since. Leases are counted in it:
    /// this node's clock may differ from that of the leader who stamped them.
    pub(crate) fn cluster_now_ms(&self) -> u64 {
        let told = self.tenure.told_ms;
        told.map_or(self.now_ms, |(told_ms, seen_ms)| {
            told_ms + self.now_ms.saturating_sub(seen_ms)
        })
    }

    /// Takes note of the cluster's time, when there is a new state.
    pub(crate) fn note_cluster_time(&mut self) {
        let told_ms = self.state.now_ms();
        if told_ms > self.tenure.told_ms.map_or(0, |(last_ms, _)| last_ms) {
            self.tenure.told_ms = Some((told_ms, self.now_ms));
        }
    }

    /// Until when this node holds its lease by its own clock, if it is renewed no more.
    pub(crate) fn tenured_until_ms(&self) -> u64 {
        match needs_lease(&self.state, self.config.node) {
            true if self.tenure.epoch.is_some() => self.tenure.until_ms,
            true => 0,
            false => u64::MAX,
        }
    }

    /// Takes note of the time. A gap in it is how a process learns that it was stopped.
    pub(crate) fn wake(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        let tenure = &mut self.tenure;
        let last_ms = tenure.last_seen_ms.replace(now_ms).unwrap_or(now_ms);
        let stopped = now_ms.saturating_sub(last_ms) > STOPPED_AFTER_MS;
        if stopped && tenure.epoch.is_some() && now_ms >= tenure.until_ms {
            tenure.doubt_until_ms = Some(now_ms + DOUBT_LIMIT_MS);
            tenure.next_ms = now_ms;
            self.tell(Notice::Stopped {
                for_ms: now_ms - last_ms,
            });
        }
    }

    /// Claims or renews the lease when that is due.
    pub(crate) fn tenure_due(&mut self) {
        if self
            .tenure
            .doubt_until_ms
            .is_some_and(|until_ms| until_ms <= self.now_ms)
        {
            self.end_doubt();
        }
        if self.is_leaving() {
            return;
        }
        if !needs_lease(&self.state, self.config.node) {
            self.tenure.next_ms = 0;
            return self.take_up_work();
        }
        if self.now_ms < self.tenure.next_ms {
            return;
        }
        // At the same moments as the others, as far as the clocks agree: then the leader writes the renewals of all at once.
        self.tenure.next_ms = (self.now_ms / RENEW_INTERVAL_MS + 1) * RENEW_INTERVAL_MS;
        self.listen_for_deaf();
        // Without a lease it asks once and waits: what it says may be heard where no answer comes back from, and to renew
        // without knowing would keep others from its calls for ever.
        let waiting_max = match self.is_tenured() {
            true => RENEWALS_WAITING_MAX,
            false => 1,
        };
        if self.tenure.waiting >= waiting_max {
            return;
        }
        self.tenure.waiting += 1;
        let (resource, holder) = (node_resource(self.config.node), self.config.node);
        let command = match self.tenure.epoch {
            Some(epoch) => LeaseCommand::Renew {
                resource,
                holder,
                epoch,
            },
            None => LeaseCommand::Claim {
                resource,
                holder,
                ttl_ms: LEASE_TTL_MS,
            },
        };
        let asked_ms = self.now_ms;
        self.propose(Command::Lease(command), Purpose::Lease { asked_ms });
    }

    pub(crate) fn lease_answered(
        &mut self,
        asked_ms: u64,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        self.tenure.waiting = self.tenure.waiting.saturating_sub(1);
        if self.is_leaving() {
            return;
        }
        let Ok(Outcome::Lease(outcome)) = outcome else {
            return;
        };
        match outcome {
            // Only its renewal shows the cluster that this node hears, and protects it.
            LeaseOutcome::Granted { epoch } if self.tenure.epoch != Some(epoch) => {
                self.tenure.epoch = Some(epoch);
                self.tenure.until_ms = 0;
                self.tenure.next_ms = self.now_ms;
                self.tenure_due();
            }
            LeaseOutcome::Granted { epoch: _ } => {
                let until_ms = asked_ms + LEASE_TTL_MS;
                self.tenure.until_ms = self.tenure.until_ms.max(until_ms);
                // An answer from before the process was stopped says nothing about now.
                if until_ms > self.now_ms {
                    self.end_doubt();
                    self.take_up_work();
                }
            }
            // It lapsed. What became of the calls meanwhile is in the state by now.
            LeaseOutcome::Lost | LeaseOutcome::Held { .. } => {
                self.tenure.epoch = None;
                self.tenure.next_ms = self.now_ms;
                self.compare_calls();
                self.tenure_due();
            }
            LeaseOutcome::Released | LeaseOutcome::TooMany => {}
        }
    }

    /// The lease is given back, and not asked for again.
    pub(crate) fn give_up_tenure(&mut self) {
        let (resource, holder) = (node_resource(self.config.node), self.config.node);
        let tenure = &mut self.tenure;
        let epoch = tenure.epoch.take();
        (tenure.until_ms, tenure.next_ms, tenure.doubt_until_ms) = (0, 0, None);
        if let Some(epoch) = epoch {
            tenure.waiting += 1;
            let command = LeaseCommand::Release {
                resource,
                holder,
                epoch,
            };
            let asked_ms = self.now_ms;
            self.propose(Command::Lease(command), Purpose::Lease { asked_ms });
        }
    }

    fn end_doubt(&mut self) {
        if self.tenure.doubt_until_ms.take().is_some() {
            self.compare_calls();
        }
    }

    /// Calls of an earlier life of this node go on, once nobody else may take them.
    fn take_up_work(&mut self) {
        if !self.resumed && self.state.applied() > 0 {
            self.resumed = true;
            self.resume_calls();
        }
    }
}

/// A node that is alone needs no lease: there is nobody who could take its calls.
fn needs_lease(state: &State, node: NodeId) -> bool {
    state.nodes().contains(&node) && state.nodes().len() > 1
}
