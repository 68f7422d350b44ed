//! What can go wrong on a link.

use std::io;
use std::net::SocketAddr;

/// A link could not be made, or broke. The peer may or may not have handled what was sent.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The local socket could not be opened.
    #[error("cannot bind {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No connection to that address within the time allowed.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// The address dialled.
        address: SocketAddr,
        /// What went wrong.
        reason: String,
    },
    /// The peer is not who it has to be.
    #[error("identity refused: {0}")]
    Identity(String),
    /// Certificates or keys that cannot be used.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The connection or the stream ended.
    #[error("link closed: {0}")]
    Closed(String),
    /// No answer within the time allowed; what was asked may still happen.
    #[error("no answer in time")]
    Timeout,
    /// A frame longer than this service allows.
    #[error("a frame of {length} octets exceeds the limit of {limit}")]
    TooLong {
        /// Announced length.
        length: usize,
        /// The service's limit.
        limit: usize,
    },
    /// A message that does not decode.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The cluster refused to let this machine in.
    #[error("join refused: {0}")]
    JoinRefused(String),
}

impl LinkError {
    pub(crate) fn certificate(error: impl std::fmt::Display) -> Self {
        Self::Certificate(error.to_string())
    }

    pub(crate) fn closed(error: impl std::fmt::Display) -> Self {
        Self::Closed(error.to_string())
    }
}
