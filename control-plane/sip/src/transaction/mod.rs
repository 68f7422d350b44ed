//! Transactions (RFC 3261 §17 with RFC 6026): retransmission, its absorption, and which response belongs to which request.
//!
//! [`Layer`] holds all transactions of one process. Its user writes whole messages: a request handed in has its top Via
//! already, with a [`branch`] that names the node and the [`ClientKey`]; the layer stamps `received` and `rport` into
//! the Via of what comes in (RFC 3581), sends 100 Trying, acknowledges refusals, answers CANCEL, and hands up the rest.

mod client_side;
mod config;
mod invite_client;
mod invite_server;
mod key;
mod layer;
mod plain_client;
mod plain_server;
mod schedule;
mod server_side;
mod stamp;
mod step;

#[cfg(test)]
mod tests;

pub use config::{Config, PROCEEDING_LIMIT_MS, RETRY_AFTER_S, TRANSACTION_LIMIT, Timers};
pub use key::{ClientKey, ServerKey, branch, branch_owner, tag, tag_owner};
pub use layer::{Layer, Load};
pub use stamp::{response_flow, stamp_via};

use bytes::Bytes;
use carillon_model::Flow;

use crate::Message;

/// What happens to the layer.
#[derive(Debug, Clone)]
pub enum Input {
    /// A message came in, valid as far as its Via, From, To, Call-ID and CSeq go.
    Received { flow: Flow, message: Message },
    /// The user answers a request. 2xx to an INVITE may be given again and again: the user repeats them.
    Respond { key: ServerKey, message: Message },
    /// The user asks: a new client transaction. A CANCEL has the Via of its INVITE and waits here until it may leave.
    Request {
        key: ClientKey,
        message: Message,
        flow: Flow,
    },
    /// Takes up a server INVITE transaction of another node, before any final response: what follows is answered by
    /// [`Input::Respond`] on this flow, and a CANCEL of it is found.
    AdoptServer { key: ServerKey, flow: Flow },
    /// Takes up an INVITE that another node has sent, as if a provisional response had been seen.
    AdoptClient {
        key: ClientKey,
        message: Message,
        flow: Flow,
    },
    /// Another node acts for this request of ours now: nothing more is sent or told of it.
    AbandonClient { key: ClientKey },
    /// The same for a request of a peer.
    AbandonServer { key: ServerKey },
    /// What was sent here last did not arrive, or the connection is gone.
    SendFailed { flow: Flow },
}

/// What the layer wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Put these octets on the wire.
    Send { flow: Flow, bytes: Bytes },
    /// A new request. To be answered by [`Input::Respond`].
    Request {
        key: ServerKey,
        flow: Flow,
        message: Message,
    },
    /// An ACK of a 2xx, or of nothing we know.
    Ack { flow: Flow, message: Message },
    /// The peer gives up this INVITE; its CANCEL has been answered.
    Cancelled { key: ServerKey, cancel: Message },
    /// A response to a request of ours, once, except 2xx to INVITE: each of them. `flow` is how it came.
    Response {
        key: ClientKey,
        flow: Flow,
        message: Message,
    },
    /// A response that no transaction expects.
    StrayResponse { flow: Flow, message: Message },
    /// No final response will come.
    Failed { key: ClientKey, why: Failure },
    /// A refusal of an INVITE was never acknowledged, or a request never answered by the user.
    ServerTimeout { key: ServerKey },
    /// The layer knows no more of this client transaction.
    ClientEnded { key: ClientKey },
    /// The layer knows no more of this server transaction.
    ServerEnded { key: ServerKey },
}

/// Why a request stays without a final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Timer B or F, or a cancelled INVITE that was never finished (RFC 3261 §9.1).
    Timeout,
    /// The octets cannot be delivered.
    Transport,
    /// [`Config::transactions`] are busy.
    Overload,
}
