//! A node holds its own floating address while it lives, and those of others while they are away. The right is a lease,
//! and an address is let go of before its lease can be another's.

use std::net::IpAddr;
use std::sync::Arc;

use carillon_model::{
    Command, Epoch, LeaseCommand, LeaseOutcome, NodeId, Outcome, SipListener, WHILE_NODE_LIVES,
    address_resource,
};

use super::{Held, Holding, Standing};
use crate::proposals::Purpose;
use crate::{Notice, Output, ProposalFailure, Switch};

/// How often a node looks at the addresses where nothing happens, and where one is held by nobody.
const LOOK_INTERVAL_MS: u64 = 250;
const VACANT_LOOK_INTERVAL_MS: u64 = 50;
/// A claim that was not answered for so long is repeated.
const CLAIM_AGAIN_MS: u64 = 1_000;
/// Before its lease can be another's, the address is gone from this machine.
const FENCE_MS: u64 = 200;
/// What an order may take on its way through the shell.
const ORDER_MS: u64 = 100;
/// The shell is told again that an address is to be held: of what it has heard nothing for three times as long, it lets go.
const TELL_AGAIN_MS: u64 = 1_000;
/// Neighbours may miss the first word on who has an address now; and where the former holder's machine lives on without
/// its process, it may answer for the address as well.
const ANNOUNCED_FIRST: u32 = 4;
const ANNOUNCED_EVERY: u32 = 10;
/// An address that this machine could not hold is not tried again before.
const FAILED_FOR_MS: u64 = 30_000;

impl Switch {
    /// Looks after the floating addresses, if it is time to.
    pub(crate) fn addresses_due(&mut self) {
        if self.config.floating.is_none() || !self.state.nodes().contains(&self.config.node) {
            self.floating.next_ms = None;
            return;
        }
        let homes = self.reachable_homes();
        self.clear_machine(&homes);
        if self.is_in_doubt() || !self.will_be_tenured(FENCE_MS) {
            self.drop_addresses();
            if !self.is_tenured() {
                self.probe();
                self.tell_again();
            }
        } else {
            self.end_probes();
            self.compare_addresses(&homes);
            self.give_addresses_back(&homes);
            self.claim_addresses(&homes);
            self.tell_again();
        }
        self.floating.next_ms = Some(self.next_address_ms());
    }

    /// An address whose lease may end is let go of, whatever else is to be done.
    pub(crate) fn fence_addresses(&mut self) {
        let mut held = self.floating.held.values();
        let leased = held.any(|held| held.holding.is_leased());
        let fenced = leased && !self.will_be_tenured(FENCE_MS);
        if fenced || self.is_in_doubt() {
            self.drop_addresses();
        }
    }

    fn next_address_ms(&self) -> u64 {
        let waits = self
            .floating
            .vacant
            .keys()
            .any(|home| *home != self.config.node);
        let look_ms = match waits {
            true => VACANT_LOOK_INTERVAL_MS,
            false => LOOK_INTERVAL_MS,
        };
        let look_ms = self.now_ms + look_ms;
        let mut held = self.floating.held.values();
        if !held.any(|held| held.holding.is_leased()) {
            return look_ms;
        }
        let fence_ms = self.tenured_until_ms().saturating_sub(FENCE_MS);
        look_ms.min(fence_ms).max(self.now_ms + 1)
    }

    /// A process that died may have left addresses on the machine. They are taken away before any is claimed.
    fn clear_machine(&mut self, homes: &[(NodeId, IpAddr)]) {
        let known = |address: &IpAddr| homes.iter().any(|(_, other)| other == address);
        self.floating.cleared.retain(known);
        for (_, address) in homes {
            if self.floating.cleared.insert(*address) && !self.floating.has(*address) {
                self.put(Output::DropAddress { address: *address });
            }
        }
    }

    /// The lease is left as it is: it may be another's by the time this node is heard again.
    fn drop_addresses(&mut self) {
        let doubts = self.is_in_doubt();
        let dropped = self
            .floating
            .held
            .extract_if(.., |_, held| doubts || held.holding.is_leased());
        for (_, held) in dropped.collect::<Vec<_>>() {
            let address = held.holding.address;
            self.put(Output::DropAddress { address });
        }
    }

    /// Lets go of what is not this node's to hold any more.
    fn compare_addresses(&mut self, homes: &[(NodeId, IpAddr)]) {
        let state = Arc::clone(&self.state);
        let held = self.floating.held.values().map(|held| held.holding);
        for holding in held.collect::<Vec<_>>() {
            let lease = state.address_lease(holding.home);
            let ours = match holding.is_leased() {
                true => lease.is_some_and(|lease| {
                    lease.holder == self.config.node && lease.epoch == holding.epoch
                }),
                // Unless another has it by a lease, it stays until this node has one.
                false => lease.is_none_or(|lease| {
                    lease.holder == self.config.node
                        || state.is_vacant(lease, self.cluster_now_ms())
                }),
            };
            if !ours {
                self.floating.held.remove(&holding.home);
                let address = holding.address;
                self.put(Output::DropAddress { address });
            } else if !homes.contains(&(holding.home, holding.address)) {
                self.leave_address(holding.home);
            }
        }
    }

    /// A node that is back gets its address; one that will stop gives away what it has, if somebody takes it.
    fn give_addresses_back(&mut self, homes: &[(NodeId, IpAddr)]) {
        let own = self.config.node;
        let stops = self.is_draining() && self.has_heir();
        let held: Vec<NodeId> = self.floating.held.keys().copied().collect();
        for home in held {
            if stops || home != own && self.is_at_home(home) {
                self.leave_address(home);
            }
        }
        // The lease of an earlier life, or of one that was let go of in haste.
        for (home, _) in homes {
            let floating = &self.floating;
            let busy = floating.held.contains_key(home)
                || floating.leaving.contains_key(home)
                || floating.claimed.contains_key(home);
            let ours = self
                .state
                .address_lease(*home)
                .filter(|lease| lease.holder == own && lease.ttl_ms > 0)
                .map(|lease| lease.epoch);
            if let Some(epoch) = ours
                && !busy
                && (stops || *home != own && self.is_at_home(*home))
            {
                self.floating.claimed.insert(*home, self.now_ms);
                self.release_address(*home, epoch);
            }
        }
    }

    /// First the address leaves the machine, then the lease is given back.
    fn leave_address(&mut self, home: NodeId) {
        let Some(held) = self.floating.held.remove(&home) else {
            return;
        };
        self.floating.leaving.insert(home, held.holding);
        let address = held.holding.address;
        self.put(Output::DropAddress { address });
    }

    fn release_address(&mut self, home: NodeId, epoch: Epoch) {
        let command = Command::Lease(LeaseCommand::Release {
            resource: address_resource(home),
            holder: self.config.node,
            epoch,
        });
        self.propose(command, Purpose::AddressEnd);
    }

    /// Claims what nobody holds, each when its turn has come.
    fn claim_addresses(&mut self, homes: &[(NodeId, IpAddr)]) {
        let state = Arc::clone(&self.state);
        let (now_ms, cluster_now_ms) = (self.now_ms, self.cluster_now_ms());
        let own = self.config.node;
        let known = |home: &NodeId| homes.iter().any(|(other, _)| other == home);
        self.floating.vacant.retain(|home, _| known(home));
        self.floating
            .failed
            .retain(|home, until_ms| known(home) && now_ms < *until_ms);
        self.floating
            .claimed
            .retain(|_, asked_ms| now_ms < *asked_ms + CLAIM_AGAIN_MS);
        for (home, _) in homes {
            let lease = state.address_lease(*home);
            // A lease of an earlier life of this node is claimed anew.
            let vacant = lease
                .is_none_or(|lease| lease.holder == own || state.is_vacant(lease, cluster_now_ms));
            let held = self.floating.held.get(home);
            if !vacant || held.is_some_and(|held| held.holding.is_leased()) {
                self.floating.vacant.remove(home);
                continue;
            }
            let since_ms = *self.floating.vacant.entry(*home).or_insert(now_ms);
            let busy = self.floating.leaving.contains_key(home)
                || self.floating.claimed.contains_key(home)
                || self.floating.failed.contains_key(home);
            if busy || !self.may_claim(*home, since_ms) {
                continue;
            }
            self.floating.claimed.insert(*home, now_ms);
            let command = Command::Lease(LeaseCommand::Claim {
                resource: address_resource(*home),
                holder: own,
                ttl_ms: WHILE_NODE_LIVES,
            });
            self.propose(command, Purpose::AddressClaim(*home));
        }
    }

    fn may_claim(&self, home: NodeId, vacant_since_ms: u64) -> bool {
        if home == self.config.node {
            return !self.is_draining() || !self.has_heir();
        }
        let from_ms = self.claims_from_ms(home, vacant_since_ms);
        let in_turn = from_ms.is_some_and(|from_ms| self.now_ms >= from_ms);
        !self.is_draining() && self.may_inherit() && in_turn
    }

    pub(crate) fn address_claimed(
        &mut self,
        home: NodeId,
        outcome: Result<Outcome, ProposalFailure>,
    ) {
        self.floating.claimed.remove(&home);
        if let Ok(Outcome::Lease(LeaseOutcome::Granted { epoch })) = outcome {
            let address = self
                .reachable_homes()
                .into_iter()
                .find(|(other, _)| *other == home)
                .map(|(_, address)| address);
            let newest = self
                .state
                .address_lease(home)
                .is_some_and(|lease| lease.epoch == epoch && lease.holder == self.config.node);
            let wanted = match home == self.config.node {
                true => !self.is_draining() || !self.has_heir(),
                false => !self.is_draining() && !self.is_at_home(home),
            };
            match address.filter(|_| newest && wanted) {
                Some(address) => self.raise(Holding {
                    home,
                    epoch,
                    address,
                }),
                None => self.release_address(home, epoch),
            }
        }
        self.addresses_due();
    }

    pub(super) fn raise(&mut self, holding: Holding) {
        self.floating.vacant.remove(&holding.home);
        let held = Held {
            holding,
            standing: Standing::Raising,
            told_ms: 0,
            told: 0,
        };
        self.floating.held.insert(holding.home, held);
    }

    /// Says again what is to be held. A machine whose process says nothing more lets go of it.
    fn tell_again(&mut self) {
        let now_ms = self.now_ms;
        let leased_ms = self.tenured_until_ms().saturating_sub(ORDER_MS);
        let mut due = Vec::new();
        for held in self.floating.held.values_mut() {
            if now_ms >= held.told_ms + TELL_AGAIN_MS {
                held.told_ms = now_ms;
                held.told = held.told.wrapping_add(1);
                let foreign = held.holding.home != self.config.node;
                let announce = held.told <= ANNOUNCED_FIRST
                    || foreign && held.told.is_multiple_of(ANNOUNCED_EVERY);
                due.push((held.holding, announce));
            }
        }
        for (holding, announce) in due {
            let listeners = self.listeners_at(&holding);
            let until_ms = match holding.is_leased() {
                true => leased_ms,
                false => now_ms + TELL_AGAIN_MS,
            };
            self.put(Output::HoldAddress {
                holding,
                listeners,
                announce,
                until_ms,
            });
        }
    }

    /// Where phones know the home of an address to listen.
    fn listeners_at(&self, holding: &Holding) -> Vec<SipListener> {
        let home = self.state.nodes().get(&holding.home);
        let listeners = home.into_iter().flat_map(|home| &home.sip);
        listeners
            .filter(|listener| listener.address.is_ipv4() == holding.address.is_ipv4())
            .map(|listener| SipListener {
                transport: listener.transport,
                address: (holding.address, listener.address.port()).into(),
            })
            .collect()
    }

    /// The machine has the address.
    pub(crate) fn address_held(&mut self, holding: Holding) {
        let own = self.config.node;
        let held = self.floating.held.get_mut(&holding.home);
        if let Some(held) = held.filter(|held| held.holding == holding)
            && held.standing == Standing::Raising
        {
            held.standing = Standing::Up;
            self.tell(Notice::AddressHeld {
                home: holding.home,
                epoch: holding.epoch,
                own: holding.home == own,
            });
        }
    }

    /// The machine cannot have the address, or not any more.
    pub(crate) fn address_failed(&mut self, holding: Holding) {
        let held = self.floating.held.get(&holding.home);
        if held.is_some_and(|held| held.holding == holding) {
            let until_ms = self.now_ms + FAILED_FOR_MS;
            self.floating.failed.insert(holding.home, until_ms);
            self.leave_address(holding.home);
            self.tell(Notice::AddressFailed { home: holding.home });
        }
    }

    /// The machine has the address no more.
    pub(crate) fn address_dropped(&mut self, address: IpAddr) {
        let left = self
            .floating
            .leaving
            .extract_if(.., |_, holding| holding.address == address);
        for (home, holding) in left.collect::<Vec<_>>() {
            self.tell(Notice::AddressGivenBack { home });
            // Until it is committed the lease is this node's, and is not to be claimed by it again.
            self.floating.claimed.insert(home, self.now_ms);
            self.release_address(home, holding.epoch);
        }
    }
}
