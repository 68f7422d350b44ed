//! SIP as values: messages, URIs, stream framing, session descriptions, transactions, dialogs and
//! digest authentication.
//!
//! Everything here is a function of its arguments. The crate knows no socket, no clock and no
//! source of randomness, and it does not know what a call, a user or a registration is: those are
//! built above it from what it reads. What it reads came from the network, so every fault is an
//! error value; every length that a peer can choose has a named limit in [`limits`].
#![forbid(unsafe_code)]

mod address;
mod contact;
mod cseq;
mod error;
mod headers;
pub mod limits;
mod message;
mod method;
mod params;
mod reason;
mod scan;
mod text;
mod uri;
mod validate;
mod via;

pub mod auth;
pub mod dialog;
pub mod framing;
pub mod sdp;
pub mod transaction;

pub use address::NameAddr;
pub use contact::{Contact, Contacts};
pub use cseq::{CSeq, RAck};
pub use error::{Fault, FieldError, Malformed, ParseError};
pub use headers::{Headers, Name};
pub use message::{Framing, Message, StartLine};
pub use method::Method;
pub use params::Params;
pub use reason::reason_phrase;
pub use text::Text;
pub use uri::{Host, Scheme, Uri};
pub use validate::{Capabilities, Refusal, validate};
pub use via::{Via, ViaTransport};
