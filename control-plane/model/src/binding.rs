//! Registrations: where an endpoint can be reached now.

use serde::{Deserialize, Serialize};

use crate::{EndpointId, Flow};

/// Contacts that an endpoint can have at a time.
pub const MAX_BINDINGS: usize = 10;

/// One contact of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The contact's URI as it was sent.
    pub contact: String,
    /// `+sip.instance` (RFC 5626).
    #[serde(default)]
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626).
    #[serde(default)]
    pub reg_id: Option<u32>,
    /// Preference in thousandths.
    #[serde(default = "full_preference")]
    pub q: u16,
    /// `Path` (RFC 3327), topmost first.
    #[serde(default)]
    pub path: Vec<String>,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// Its sequence number.
    pub cseq: u32,
    /// The way to the phone.
    pub flow: Flow,
    /// End of the binding.
    pub expires_at_ms: u64,
    /// What the phone calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Written by apply.
    #[serde(default)]
    pub updated_at_ms: u64,
}

fn full_preference() -> u16 {
    1000
}

impl Binding {
    /// Whether the two are bindings of the same contact: the same instance and reg-id (RFC 5626 §6), else the same URI.
    /// URIs are compared as text: who knows SIP brings the new spelling into line with the stored one before.
    pub fn same_contact(&self, other: &Self) -> bool {
        match (&self.instance, self.reg_id, &other.instance, other.reg_id) {
            (Some(mine), Some(my_id), Some(theirs), Some(their_id)) => {
                mine == theirs && my_id == their_id
            }
            _ => self.contact == other.contact,
        }
    }
}

/// A change of one contact. Each gets its own [`BindingOutcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingChange {
    /// Add or refresh.
    Put {
        /// Whose.
        endpoint: EndpointId,
        /// What.
        binding: Binding,
    },
    /// Take one away (`Expires: 0`).
    Remove {
        /// Whose.
        endpoint: EndpointId,
        /// Which.
        contact: String,
        /// Call-ID of the REGISTER.
        call_id: String,
        /// Its sequence number.
        cseq: u32,
    },
    /// Take all away (`Contact: *`).
    RemoveAll {
        /// Whose.
        endpoint: EndpointId,
        /// Call-ID of the REGISTER.
        call_id: String,
        /// Its sequence number.
        cseq: u32,
    },
    /// The way to the phone is gone: a connection was closed.
    RemoveFlow {
        /// Whose.
        endpoint: EndpointId,
        /// Which way.
        flow: Flow,
    },
}

impl BindingChange {
    /// Whose bindings change.
    pub fn endpoint(&self) -> EndpointId {
        match self {
            Self::Put { endpoint, .. }
            | Self::Remove { endpoint, .. }
            | Self::RemoveAll { endpoint, .. }
            | Self::RemoveFlow { endpoint, .. } => *endpoint,
        }
    }
}

/// What became of a [`BindingChange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingOutcome {
    /// Done, or done already.
    Accepted,
    /// An older REGISTER of the same Call-ID than the stored one (RFC 3261 §10.3 step 7).
    OutOfOrder,
    /// The endpoint has [`MAX_BINDINGS`] others.
    TooMany,
    /// The endpoint was deleted meanwhile.
    UnknownEndpoint,
}
