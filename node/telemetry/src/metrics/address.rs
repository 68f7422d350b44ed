use prometheus::Registry;

use super::instrument::{self, Counter, Gauge, Gauges};

/// Floating addresses, as this node has them.
#[derive(Clone, Debug)]
pub struct AddressMetrics {
    held: Gauges,
    pub taken_over: Counter,
    pub failures: Counter,
    pub unavailable: Gauge,
}

impl AddressMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            held: instrument::gauges(
                registry,
                "carillon_floating_address_held",
                "Whether this node has the floating address of that one.",
                &["home"],
            ),
            taken_over: instrument::counter(
                registry,
                "carillon_floating_address_takeovers_total",
                "Floating addresses of other nodes that this one took.",
            ),
            failures: instrument::counter(
                registry,
                "carillon_floating_address_failures_total",
                "Floating addresses that this node could not take or keep.",
            ),
            unavailable: instrument::gauge(
                registry,
                "carillon_floating_address_unavailable",
                "Whether a floating address is configured and this machine cannot hold it.",
            ),
        }
    }

    /// Whether this node has the address of the node of this name.
    pub fn show(&self, home: &str, held: bool) {
        self.held.at(&[home]).set(u64::from(held));
    }

    /// A node of this name is there no more.
    pub fn forget(&self, home: &str) {
        self.held.remove(&[home]);
    }
}
