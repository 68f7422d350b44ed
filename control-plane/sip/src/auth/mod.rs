//! Digest authentication (RFC 7616, RFC 8760): what a server asks, how it judges an answer, how a client answers.
//!
//! Nonces carry their own time under a key that all nodes share, so that any node judges the answer to any node's
//! challenge. Only the nonce counts are memory of one node ([`Guard`]).

mod algorithm;
mod client;
mod credentials;
mod guard;
mod nonce;
mod parameters;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Ha1};
pub use client::{Answer, Challenge};
pub use credentials::{Credentials, CredentialsError};
pub use guard::{Guard, NONCE_COUNT_LIMIT, NONCE_LIFETIME_MS, Refusal, Verdict};
