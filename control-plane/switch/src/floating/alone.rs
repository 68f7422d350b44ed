//! A node that has lost the quorum asks its neighbours whether one of them has its address. If none does, it takes it up
//! again without a lease: telephony goes on. As soon as somebody else says that it has it, it lets go.

use std::net::IpAddr;

use carillon_model::Epoch;

use super::Holding;
use crate::{Output, Switch};

/// No lease has it: the address is held on the word of the neighbours.
const NO_LEASE: Epoch = Epoch(0);
const PROBE_INTERVAL_MS: u64 = 1_000;
/// Probes that nobody answered, one after another. A majority that takes the address has taken it by then.
const PROBES: u32 = 4;

/// What the neighbours say.
#[derive(Debug, Default)]
pub(super) struct Probes {
    unanswered: u32,
    next_ms: u64,
}

impl Holding {
    /// Whether the cluster has granted it.
    pub fn is_leased(&self) -> bool {
        self.epoch != NO_LEASE
    }
}

impl Switch {
    /// Asks the neighbours, if it is time to. For a node that does not hold its lease.
    pub(super) fn probe(&mut self) {
        let Some(own) = self.config.floating else {
            return;
        };
        if self.is_in_doubt() || self.is_draining() || self.now_ms < self.floating.probes.next_ms {
            return;
        }
        self.floating.probes.next_ms = self.now_ms + PROBE_INTERVAL_MS;
        let address = own.address;
        self.put(Output::ProbeAddress { address });
    }

    /// The quorum is back, and with it the leases.
    pub(super) fn end_probes(&mut self) {
        self.floating.probes.unanswered = 0;
    }

    /// Whether a neighbour has this node's address.
    pub(crate) fn address_probed(&mut self, address: IpAddr, taken: bool) {
        let home = self.config.node;
        let own = self
            .config
            .floating
            .is_some_and(|own| own.address == address);
        if !own || self.is_in_doubt() || self.is_draining() || self.is_tenured() {
            return;
        }
        if taken {
            self.end_probes();
            if self.floating.held.remove(&home).is_some() {
                self.put(Output::DropAddress { address });
            }
            return;
        }
        let probes = &mut self.floating.probes;
        probes.unanswered = probes.unanswered.saturating_add(1);
        let silent = probes.unanswered >= PROBES;
        if silent && !self.floating.held.contains_key(&home) {
            self.raise(Holding {
                home,
                epoch: NO_LEASE,
                address,
            });
            self.addresses_due();
        }
    }
}
