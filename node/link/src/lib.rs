//! Encrypted links between the machines of one cluster: its certificate authority, the certificates and
//! join tokens that make a machine a member, and QUIC endpoints on which both sides know whom they talk to.
//!
//! What it does not know: Raft, calls, media. It moves frames of octets and names the peer they came from.

mod authority;
mod connection;
mod credentials;
mod endpoint;
mod enrol;
mod error;
mod frame;
mod peer;
mod token;
mod verify;

pub use authority::{Authority, AuthorityRecord, ServerCertificate, requested_key};
pub use connection::{Connection, Incoming};
pub use credentials::{Credentials, CredentialsRecord, Fingerprint, KeyRequest};
pub use endpoint::{Accepting, Endpoint, Service};
pub use enrol::{Contact, Enrolled, Enrolment, Subject, enrol, serve_enrolment};
pub use error::LinkError;
pub use frame::{FrameReceiver, FrameSender};
pub use peer::{NodeId, Peer};
pub use token::{JoinSecret, JoinToken, TokenError};
