//! Messages: a start line, headers and a body.

mod build;
mod fields;
mod parse;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use parse::Framing;

use crate::headers::Headers;
use crate::method::Method;
use crate::uri::Uri;

/// A request or a response. Its headers are octets until somebody asks for their meaning, and each
/// value shares the octets that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: StartLine,
    /// The headers in order.
    pub headers: Headers,
    /// The body, octet for octet.
    pub body: Bytes,
}

/// The first line of a message; the version is always SIP/2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    /// A request line.
    Request {
        /// What is asked for.
        method: Method,
        /// Of whom.
        uri: Uri,
    },
    /// A status line.
    Status {
        /// 100 to 699.
        code: u16,
        /// Any octets without line breaks.
        reason: Bytes,
    },
}

impl Message {
    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Status { .. } => None,
        }
    }

    /// The URI of a request.
    pub fn uri(&self) -> Option<&Uri> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Status { .. } => None,
        }
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Status { code, .. } => Some(code),
        }
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = Bytes::deserialize(deserializer)?;
        Self::parse(&octets, Framing::Stream).map_err(serde::de::Error::custom)
    }
}
