//! One call between a caller and a callee, as a value.
//!
//! Carillon stands between both as a back-to-back user agent: each side has a dialog with us and knows nothing of
//! the other's. A [`Call`] is plain data. [`Call::handle_input`] changes it and puts out what is to be sent, to be
//! committed and to be relayed; whoever holds the value and the ownership epoch can carry the call on.
//!
//! The crate knows dialogs, offers and answers, forks, timers of a call and its record. It does not know sockets,
//! transactions, who is registered where, how numbers are routed, nor how a value is replicated: those are inputs
//! and outputs.

#![forbid(unsafe_code)]

mod accept;
mod ack;
mod answer;
mod asked;
mod best;
mod bye;
mod call;
mod cancel;
mod carrier;
mod compose;
mod deadline;
mod early;
mod exchange;
mod features;
mod fork;
mod glare;
mod hold;
mod info;
mod input;
mod leg;
mod media;
mod moved;
mod offer;
mod phase;
mod place;
mod prack;
mod record;
mod refresh;
mod request;
mod response;
mod resume;
mod ring;
mod ringing;
mod session_timer;
mod setup;
mod stray;
mod turn;
mod value;
mod way;

pub use call::Call;
pub use carrier::Carrier;
pub use input::{Input, LegId, MediaEvent, MediaReply, Output};
pub use resume::Owner;
pub use setup::{Policy, Refusal, Route, Setup, Target};
pub use value::{DecodeError, VERSION};
pub use way::Way;

/// Contacts of the callee that are rung at most.
pub const MAX_FORKS: usize = 16;
/// Requests of ours without final response, of one leg.
pub const MAX_SENT: usize = 16;
/// INFO requests on their way through the call.
pub const MAX_RELAYED: usize = 8;
/// Octets of a body that is passed from one side to the other.
pub const MAX_BODY_OCTETS: usize = 16 * 1024;
/// Provisional responses that wait for the PRACK of an earlier one.
pub const MAX_PROVISIONALS: usize = 4;
/// Dialogs that a late 2xx made and that are being ended.
pub const MAX_STRAYS: usize = 8;
/// Outputs that wait to be polled; above this the call takes no input.
pub const MAX_OUTPUTS: usize = 512;
/// Hops on the way to or from a leg (Via, Record-Route); a request with more is refused.
pub const MAX_HOPS: usize = 32;
