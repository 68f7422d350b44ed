use prometheus::Registry;

use super::instrument::{self, Gauges};

/// Trunks as this node knows them: the same on every node, but for the calls, of which each node counts its own.
#[derive(Clone, Debug)]
pub struct TrunkMetrics {
    owner_epoch: Gauges,
    owned: Gauges,
    registered: Gauges,
    calls: Gauges,
}

/// One trunk, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkFigures {
    /// Grows with each change of owner.
    pub owner_epoch: u64,
    /// This node is the owner.
    pub owned: bool,
    /// The carrier has said yes to the owner.
    pub registered: bool,
    /// Calls by it that this node owns.
    pub calls: u64,
}

impl TrunkMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauges = |name, help| instrument::gauges(registry, name, help, &["trunk"]);
        Self {
            owner_epoch: gauges(
                "carillon_trunk_owner_epoch",
                "Epoch of the lease of the node that registers the trunk.",
            ),
            owned: gauges(
                "carillon_trunk_owned",
                "Whether this node registers the trunk.",
            ),
            registered: gauges(
                "carillon_trunk_registered",
                "Whether the carrier has the trunk's registration.",
            ),
            calls: gauges(
                "carillon_trunk_calls_active",
                "Calls by the trunk that this node owns.",
            ),
        }
    }

    /// How a trunk of this name is.
    pub fn show(&self, trunk: &str, figures: TrunkFigures) {
        self.owner_epoch.at(&[trunk]).set(figures.owner_epoch);
        self.owned.at(&[trunk]).set(u64::from(figures.owned));
        self.registered
            .at(&[trunk])
            .set(u64::from(figures.registered));
        self.calls.at(&[trunk]).set(figures.calls);
    }

    /// A trunk of this name is there no more.
    pub fn forget(&self, trunk: &str) {
        for gauges in [
            &self.owner_epoch,
            &self.owned,
            &self.registered,
            &self.calls,
        ] {
            gauges.remove(&[trunk]);
        }
    }
}
