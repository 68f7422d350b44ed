use std::net::SocketAddr;

use carillon_model::{CallDirection, CallId, Epoch, Flow, NodeId, Party};
use serde::{Deserialize, Serialize};

use crate::Carrier;

/// What the switch knows of a call before its INVITE is handled.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    pub id: CallId,
    /// The node that owns the call; its number is in our tags and branches.
    pub node: NodeId,
    pub epoch: Epoch,
    /// The authenticated caller, by its line and never by what its phone says.
    pub caller: Party,
    pub direction: CallDirection,
    /// What was dialled: the user part of the request URI.
    pub number: String,
    /// Where the caller's numbers are looked up.
    pub context: String,
    /// Our address on the listener that the caller reaches: host of the leg's Contact.
    pub advertised: SocketAddr,
    pub policy: Policy,
    /// The caller is outside, and comes by this carrier.
    pub carrier: Option<Box<Carrier>>,
}

/// What administrators may decide about calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Host of the From and To that the callee sees; our address when there is none.
    pub domain: Option<String>,
    /// Interval of session timers that we propose (RFC 4028).
    pub session_interval_s: u32,
    /// Smallest interval that we take (RFC 4028 §5: at least 90).
    pub min_session_interval_s: u32,
    /// Silence of a party that raises an RTP time-out; `None`: it is not watched.
    pub rtp_timeout_ms: Option<u64>,
    /// An RTP time-out ends the call.
    pub rtp_timeout_ends_call: bool,
    /// The callee gets P-Asserted-Identity.
    pub asserted_identity: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            domain: None,
            session_interval_s: 1800,
            min_session_interval_s: 90,
            rtp_timeout_ms: Some(30_000),
            rtp_timeout_ends_call: false,
            asserted_identity: false,
        }
    }
}

/// Answer of the switch to [`crate::Output::Route`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub callee: Party,
    /// Contacts to ring, best first. At most [`crate::MAX_FORKS`] are used.
    pub targets: Vec<Target>,
    /// How long the callee rings before the caller hears that nobody answered.
    pub ring_ms: u64,
    /// The call goes another way than it seemed to when it began: out, for example.
    #[serde(default)]
    pub direction: Option<CallDirection>,
}

/// One contact of the called line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The contact's URI: what the request line says.
    pub uri: String,
    /// Path of the registration, as route set (RFC 3327), in the order of the REGISTER.
    #[serde(default)]
    pub path: Vec<String>,
    pub flow: Flow,
    /// Our address on the flow's listener: Via and Contact.
    pub advertised: SocketAddr,
    /// `+sip.instance` and reg-id (RFC 5626): contacts of one instance are tried one after another.
    #[serde(default)]
    pub instance: Option<String>,
    #[serde(default)]
    pub reg_id: Option<u32>,
    /// It is no contact of a line but a carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Box<Carrier>>,
}

/// The switch does not route the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// SIP status for the caller, 400 to 699.
    pub code: u16,
    pub reason: String,
    #[serde(default)]
    pub retry_after_s: Option<u32>,
    /// The called party, when it is known (a line without contacts).
    #[serde(default)]
    pub callee: Party,
}
