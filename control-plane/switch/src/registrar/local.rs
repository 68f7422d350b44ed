//! REGISTERs that the quorum does not confirm in time: accepted by this node alone, and merged when the quorum is back.

use std::collections::BTreeMap;

use carillon_model::{Binding, BindingChange, EndpointId, Flow};

use super::Pending;
use crate::{Notice, Switch};

/// A REGISTER waits no longer than this for the quorum.
pub const LOCAL_AFTER_MS: u64 = 250;
/// The longest that a contact is known to one node alone.
pub const LOCAL_BINDING_MS: u64 = 60_000;

/// Contacts that only this node knows.
#[derive(Default)]
pub(crate) struct Locals {
    bindings: BTreeMap<EndpointId, Vec<Binding>>,
}

impl Locals {
    fn accept(&mut self, endpoint: EndpointId, binding: Binding) {
        let known = self.bindings.entry(endpoint).or_default();
        known.retain(|old| !old.same_contact(&binding));
        known.push(binding);
    }

    /// Whether this very contact, of this very REGISTER, is still to be merged.
    fn contains(&self, endpoint: EndpointId, binding: &Binding) -> bool {
        let known = self.bindings.get(&endpoint).into_iter().flatten();
        known.into_iter().any(|own| is_same(own, binding))
    }

    fn remove(&mut self, endpoint: EndpointId, gone: impl Fn(&Binding) -> bool) {
        if let Some(known) = self.bindings.get_mut(&endpoint) {
            known.retain(|own| !gone(own));
            if known.is_empty() {
                self.bindings.remove(&endpoint);
            }
        }
    }

    /// A flow of RFC 5626 ends with its connection.
    pub(super) fn lose_flow(&mut self, flow: &Flow) {
        self.bindings.retain(|_, known| {
            known.retain(|own| own.flow != *flow || own.reg_id.is_none());
            !known.is_empty()
        });
    }
}

fn is_same(one: &Binding, other: &Binding) -> bool {
    one.contact == other.contact && one.call_id == other.call_id && one.cseq == other.cseq
}

impl Switch {
    /// The contacts of an endpoint as this node knows them: what is committed, and what is not yet.
    pub(crate) fn contacts(&self, endpoint: EndpointId) -> Vec<&Binding> {
        let committed = self.state.live_bindings(endpoint, self.now_ms);
        let Some(own) = self.locals.bindings.get(&endpoint) else {
            return committed.collect();
        };
        let mut contacts: Vec<&Binding> = own
            .iter()
            .filter(|own| own.expires_at_ms > self.now_ms)
            .collect();
        for binding in committed {
            match contacts.iter_mut().find(|own| own.same_contact(binding)) {
                Some(own) if own.updated_at_ms <= binding.updated_at_ms => *own = binding,
                Some(_) => {}
                None => contacts.push(binding),
            }
        }
        contacts
    }

    /// REGISTERs that have waited for the quorum for long enough, and those that it is asked about again.
    pub(crate) fn registers_due(&mut self) {
        for item in self.batches.due_again(self.now_ms) {
            self.propose_changes(item);
        }
        while let Some(pending) = self.batches.overdue(self.now_ms) {
            self.accept_alone(&pending);
        }
    }

    /// Whether a REGISTER may be answered without the quorum. What takes contacts away waits: there is no hurry, and a
    /// contact that is gone here and comes back from elsewhere helps nobody.
    pub(super) fn may_accept_alone(&self, changes: &[BindingChange]) -> bool {
        let adds = |change: &BindingChange| match change {
            BindingChange::Put { .. } => true,
            BindingChange::Remove { .. }
            | BindingChange::RemoveAll { .. }
            | BindingChange::RemoveFlow { .. } => false,
        };
        self.config.registrar.without_quorum && changes.iter().all(adds)
    }

    fn accept_alone(&mut self, pending: &Pending) {
        let until_ms = self.now_ms + LOCAL_BINDING_MS;
        let mut changes = pending.changes.to_vec();
        for change in &mut changes {
            if let BindingChange::Put { endpoint, binding } = change {
                binding.expires_at_ms = binding.expires_at_ms.min(until_ms);
                binding.updated_at_ms = self.now_ms;
                self.locals.accept(*endpoint, binding.clone());
            }
        }
        self.remember_connection(pending, &changes);
        self.tell(Notice::RegistrationUnprotected {
            endpoint: pending.endpoint,
        });
        self.confirm(pending, &changes);
    }

    /// Whether changes that were accepted here are still worth to be merged.
    pub(super) fn is_unmerged(&self, changes: &[BindingChange]) -> bool {
        changes.iter().any(|change| match change {
            BindingChange::Put { endpoint, binding } => {
                binding.expires_at_ms > self.now_ms && self.locals.contains(*endpoint, binding)
            }
            BindingChange::Remove { .. }
            | BindingChange::RemoveAll { .. }
            | BindingChange::RemoveFlow { .. } => false,
        })
    }

    /// The cluster has judged what this node had accepted alone: from now on the cluster's word counts.
    pub(super) fn merged(&mut self, changes: &[BindingChange]) {
        for change in changes {
            let now_ms = self.now_ms;
            if let BindingChange::Put { endpoint, binding } = change {
                self.locals.remove(*endpoint, |own| {
                    is_same(own, binding) || own.expires_at_ms <= now_ms
                });
            }
        }
    }
}
