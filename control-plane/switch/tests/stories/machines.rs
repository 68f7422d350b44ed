//! The machines of the office, as far as they have floating addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use carillon_model::{FloatingAddress, NodeId, SipListener};
use carillon_switch::{Holding, Input};

use super::office::{Event, MESSAGE_MS, Office};

/// How long a machine waits for its neighbours.
const PROBE_MS: u64 = 300;

/// Which machine has which address. One that died has what it had.
#[derive(Default)]
pub(crate) struct Machines {
    floating: BTreeMap<NodeId, FloatingAddress>,
    has: BTreeMap<IpAddr, BTreeSet<NodeId>>,
    /// Whom the neighbours believe.
    announced: BTreeMap<IpAddr, NodeId>,
    /// Machines that cannot have addresses.
    pub(crate) broken: BTreeSet<NodeId>,
    /// Who took what, and when.
    pub(crate) history: Vec<(u64, IpAddr, NodeId)>,
    pub(crate) listeners: BTreeMap<IpAddr, Vec<SipListener>>,
}

impl Machines {
    pub(crate) fn floats(&mut self, node: NodeId, address: Option<FloatingAddress>) {
        self.floating.extend(address.map(|address| (node, address)));
    }

    pub(crate) fn floating(&self, node: NodeId) -> Option<FloatingAddress> {
        self.floating.get(&node).copied()
    }

    /// Where a datagram to an address arrives.
    pub(crate) fn who_has(&self, address: IpAddr) -> Option<NodeId> {
        self.announced.get(&address).copied()
    }

    pub(crate) fn has(&self, node: u64, address: IpAddr) -> bool {
        let holders = self.has.get(&address);
        holders.is_some_and(|holders| holders.contains(&NodeId(node)))
    }
}

impl Office {
    /// Two processes that run never hold the same address; one that is stopped or dead knows nothing of what it has.
    pub(crate) fn hold_address(
        &mut self,
        node: NodeId,
        holding: Holding,
        listeners: &[SipListener],
        until_ms: u64,
    ) {
        assert!(self.now_ms < until_ms, "an order for the past");
        let answer = if self.machines.broken.contains(&node) {
            Input::AddressFailed(holding)
        } else {
            let holders = self.machines.has.entry(holding.address).or_default();
            if holders.insert(node) {
                let taken = (self.now_ms, holding.address, node);
                self.machines.history.push(taken);
            }
            let live = |holder: &&NodeId| self.nodes.contains_key(holder);
            let live: Vec<&NodeId> = holders.iter().filter(live).collect();
            assert_eq!(live, [&node], "{} is held twice", holding.address);
            self.machines.announced.insert(holding.address, node);
            self.machines
                .listeners
                .insert(holding.address, listeners.to_vec());
            Input::AddressHeld(holding)
        };
        self.after(MESSAGE_MS, Event::ToNode(node, answer));
    }

    pub(crate) fn probe_address(&mut self, node: NodeId, address: IpAddr) {
        let holders = self.machines.has.get(&address);
        let taken = holders.is_some_and(|holders| holders.iter().any(|holder| *holder != node));
        let answer = Input::AddressProbed { address, taken };
        self.after(PROBE_MS, Event::ToNode(node, answer));
    }

    pub(crate) fn drop_address(&mut self, node: NodeId, address: IpAddr) {
        if let Some(holders) = self.machines.has.get_mut(&address) {
            holders.remove(&node);
        }
        let answer = Input::AddressDropped(address);
        self.after(MESSAGE_MS, Event::ToNode(node, answer));
    }
}
