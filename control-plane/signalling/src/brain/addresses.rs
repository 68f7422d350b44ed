//! The gauges of floating addresses.

use std::collections::BTreeSet;

use carillon_model::State;
use carillon_switch::Switch;
use carillon_telemetry::AddressMetrics;

/// Shows which addresses this machine has, and those no more whose home has gone since the last time.
pub(super) fn show(
    metrics: &AddressMetrics,
    shown: &mut BTreeSet<String>,
    state: &State,
    switch: &Switch,
) {
    let homes = state.nodes().values();
    let homes = homes.filter_map(|node| Some((node, node.floating?)));
    let mut names = BTreeSet::new();
    for (home, floating) in homes {
        metrics.show(&home.name, switch.has_address(floating.address));
        names.insert(home.name.clone());
    }
    for gone in shown.difference(&names) {
        metrics.forget(gone);
    }
    *shown = names;
}
