//! Registrations (RFC 3261 §10.3).

use super::Changes;
use crate::{Binding, BindingChange, BindingOutcome, EndpointId, Event, MAX_BINDINGS, State};

impl State {
    pub(super) fn change_bindings(
        &mut self,
        changes: &mut Changes,
        batch: &[BindingChange],
    ) -> Vec<BindingOutcome> {
        batch
            .iter()
            .map(|change| self.change_binding(changes, change))
            .collect()
    }

    fn change_binding(&mut self, changes: &mut Changes, change: &BindingChange) -> BindingOutcome {
        let endpoint = change.endpoint();
        if !self.endpoints.contains(&endpoint) {
            return BindingOutcome::UnknownEndpoint;
        }
        let now_ms = changes.at.now_ms;
        let mut bindings: Vec<Binding> = self.live_bindings(endpoint, now_ms).cloned().collect();
        let outcome = match change {
            BindingChange::Put { binding, .. } => put(&mut bindings, binding, now_ms),
            BindingChange::Remove {
                contact,
                call_id,
                cseq,
                ..
            } => remove(&mut bindings, call_id, *cseq, |binding| {
                binding.contact == *contact
            }),
            BindingChange::RemoveAll { call_id, cseq, .. } => {
                remove(&mut bindings, call_id, *cseq, |_| true)
            }
            BindingChange::RemoveFlow { flow, .. } => {
                bindings.retain(|binding| binding.flow != *flow);
                BindingOutcome::Accepted
            }
        };
        self.write_bindings(changes, endpoint, bindings);
        outcome
    }

    pub(super) fn write_bindings(
        &mut self,
        changes: &mut Changes,
        endpoint: EndpointId,
        bindings: Vec<Binding>,
    ) {
        if self.bindings(endpoint) != bindings.as_slice() {
            match bindings.is_empty() {
                true => self.bindings.remove(&endpoint),
                false => self.bindings.insert(endpoint, bindings),
            };
            changes.events.push(Event::BindingsChanged(endpoint));
        }
    }
}

fn put(bindings: &mut Vec<Binding>, new: &Binding, now_ms: u64) -> BindingOutcome {
    let new = Binding {
        updated_at_ms: now_ms,
        ..new.clone()
    };
    let full = bindings.len() >= MAX_BINDINGS;
    match bindings.iter_mut().find(|old| old.same_contact(&new)) {
        // The same REGISTER once more, over a node that did not see the first: nothing to do.
        Some(old) if old.call_id == new.call_id && old.cseq == new.cseq && old.flow == new.flow => {
        }
        Some(old) if is_older(old, &new.call_id, new.cseq) => return BindingOutcome::OutOfOrder,
        Some(old) => *old = new,
        None if full => return BindingOutcome::TooMany,
        None => bindings.push(new),
    }
    // A binding that is born expired is a removal.
    bindings.retain(|binding| binding.expires_at_ms > now_ms);
    BindingOutcome::Accepted
}

fn remove(
    bindings: &mut Vec<Binding>,
    call_id: &str,
    cseq: u32,
    which: impl Fn(&Binding) -> bool,
) -> BindingOutcome {
    if bindings
        .iter()
        .any(|binding| which(binding) && is_older(binding, call_id, cseq))
    {
        return BindingOutcome::OutOfOrder;
    }
    bindings.retain(|binding| !which(binding));
    BindingOutcome::Accepted
}

/// RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq may change a binding.
fn is_older(stored: &Binding, call_id: &str, cseq: u32) -> bool {
    stored.call_id == call_id && cseq <= stored.cseq
}
