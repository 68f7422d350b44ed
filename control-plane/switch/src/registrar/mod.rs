//! REGISTER (RFC 3261 §10.3, RFC 3327, RFC 5626): answered when the bindings are committed, many in one commit.

mod answer;
mod batch;
mod local;
mod plan;

pub(crate) use batch::{Batches, Item};
pub(crate) use local::Locals;
pub use local::{LOCAL_AFTER_MS, LOCAL_BINDING_MS};

use std::sync::Arc;

use carillon_model::{BindingChange, EndpointId, Flow, SipEndpoint};
use carillon_sip::Message;
use carillon_sip::transaction::ServerKey;

use crate::Switch;

/// A REGISTER that waits for its commit.
pub(crate) struct Pending {
    key: ServerKey,
    request: Message,
    endpoint: EndpointId,
    flow: Flow,
    changes: Arc<[BindingChange]>,
}

impl Switch {
    pub(crate) fn register(&mut self, key: ServerKey, flow: Flow, request: Message) {
        let endpoint = match self.identify(&flow, &request) {
            Ok(endpoint) => endpoint,
            Err(response) => return self.answer(key, *response),
        };
        if !is_own_address(&request, &endpoint) {
            return self.answer(key, Message::response_to(&request, 403, ""));
        }
        let changes = match self.plan(&endpoint, &flow, &request) {
            Ok(changes) => changes,
            Err(refusal) => return self.answer(key, refusal.respond(&request)),
        };
        let pending = Pending {
            key,
            request,
            endpoint: endpoint.id,
            flow,
            changes: changes.into(),
        };
        if pending.changes.is_empty() {
            return self.confirm(&pending, &[]);
        }
        if self.is_congested() || self.batches.is_full() {
            let response = self.unavailable(&pending.request);
            return self.answer(pending.key, response);
        }
        let alone = self.may_accept_alone(&pending.changes);
        let item = self.batches.ask(self.now_ms, pending, alone);
        self.propose_changes(item);
    }

    /// A connection is gone, and with it the flows that it was (RFC 5626 §6).
    pub(crate) fn flow_closed(&mut self, flow: Flow) {
        self.locals.lose_flow(&flow);
        for endpoint in self.batches.endpoints_on(&flow) {
            let changes = [BindingChange::RemoveFlow { endpoint, flow }].into();
            self.propose_changes(Item {
                changes,
                register: None,
            });
        }
    }
}

/// An endpoint registers itself and nobody else (RFC 3261 §10.3 steps 4 and 5).
fn is_own_address(request: &Message, endpoint: &SipEndpoint) -> bool {
    let Ok(to) = request.to() else { return false };
    to.uri
        .user_unescaped()
        .is_some_and(|user| *user == *endpoint.username.as_bytes())
}

/// Whether a REGISTER has made the connection that it came by the way to its sender.
fn keeps_flow(changes: &[BindingChange]) -> bool {
    changes.iter().any(|change| match change {
        BindingChange::Put { binding, .. } => binding.reg_id.is_some(),
        BindingChange::Remove { .. }
        | BindingChange::RemoveAll { .. }
        | BindingChange::RemoveFlow { .. } => false,
    })
}
