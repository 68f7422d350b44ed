//! Which machine has which floating address, and whom the neighbours believe.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use carillon_model::FloatingAddress;

use crate::network::Host;

const PREFIX: u8 = 24;
const FIRST: u8 = 100;

/// The floating address of a node.
pub(crate) fn floating(node: u8) -> FloatingAddress {
    FloatingAddress {
        address: Host::Node(FIRST + node).ip(),
        prefix: PREFIX,
    }
}

/// What was given to machines. One whose process is dead or stopped keeps what it has.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    /// With the holders, and whether by a lease.
    has: BTreeMap<IpAddr, BTreeMap<u8, bool>>,
    announced: BTreeMap<IpAddr, u8>,
    /// Nodes whose process is stopped, or goes on and has not come to its next instruction.
    pub(crate) asleep: BTreeSet<u8>,
}

impl Machines {
    pub(crate) fn give(&mut self, address: IpAddr, node: u8, leased: bool) {
        let holders = self.has.entry(address).or_default();
        holders.insert(node, leased);
        self.announced.insert(address, node);
    }

    pub(crate) fn take(&mut self, address: IpAddr, node: u8) {
        if let Some(holders) = self.has.get_mut(&address) {
            holders.remove(&node);
        }
    }

    /// A process that begins to serve takes away what an earlier life has left on its machine.
    pub(crate) fn clear(&mut self, node: u8) {
        for holders in self.has.values_mut() {
            holders.remove(&node);
        }
    }

    pub(crate) fn holders(&self, address: IpAddr) -> impl Iterator<Item = u8> {
        let holders = self.has.get(&address).into_iter().flatten();
        holders.map(|(holder, _)| *holder)
    }

    pub(crate) fn leased(&self, address: IpAddr) -> impl Iterator<Item = u8> {
        let holders = self.has.get(&address).into_iter().flatten();
        holders
            .filter(|(_, leased)| **leased)
            .map(|(holder, _)| *holder)
    }

    pub(crate) fn has(&self, address: IpAddr, node: u8) -> bool {
        self.holders(address).any(|holder| holder == node)
    }

    /// The machine that a datagram for an address goes to.
    pub(crate) fn host_of(&self, address: SocketAddr) -> Option<Host> {
        match Host::of(address)? {
            Host::Node(number) if number > FIRST => {
                let holder = *self.announced.get(&address.ip())?;
                self.has(address.ip(), holder).then_some(Host::Node(holder))
            }
            host => Some(host),
        }
    }
}
