//! The gauges of trunks, read from the replicated state.

use std::collections::BTreeSet;

use carillon_model::{NodeId, State, Trunk, TrunkState};
use carillon_telemetry::{TrunkFigures, TrunkMetrics};

/// Shows all trunks, and those no more that have gone since the last time.
pub(super) fn show(
    metrics: &TrunkMetrics,
    shown: &mut BTreeSet<String>,
    state: &State,
    node: NodeId,
) {
    let names: BTreeSet<String> = state
        .trunks()
        .values()
        .map(|trunk| trunk.name.clone())
        .collect();
    for gone in shown.difference(&names) {
        metrics.forget(gone);
    }
    for trunk in state.trunks().values() {
        metrics.show(&trunk.name, figures(state, trunk, node));
    }
    *shown = names;
}

fn figures(state: &State, trunk: &Trunk, node: NodeId) -> TrunkFigures {
    let registers = state.register_of_trunk(trunk.id).is_some();
    let lease = state.trunk_lease(trunk.id);
    let held = lease.filter(|lease| registers && !state.is_vacant(lease, state.now_ms()));
    let report = state.trunk_report(trunk.id);
    let registered = report.is_some_and(|report| {
        let of_owner = held.is_some_and(|lease| lease.epoch == report.epoch);
        of_owner && report.state == TrunkState::Registered && report.expires_at_ms > state.now_ms()
    });
    let calls = state.calls_of_trunk(trunk.id);
    TrunkFigures {
        owner_epoch: lease.map_or(0, |lease| lease.epoch.0),
        owned: held.is_some_and(|lease| lease.holder == node),
        registered,
        calls: calls.filter(|call| call.owner == node).count() as u64,
    }
}
