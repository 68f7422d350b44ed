use bytes::Bytes;

use crate::headers::Name;
use crate::message::Message;
use crate::method::Method;

/// A decision not to serve a request: what to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: u16,
    /// The reason phrase.
    pub reason: String,
    /// Headers that the refusal carries besides those of every response.
    pub headers: Vec<(Name, Bytes)>,
}

/// What an element can do, for the refusals that depend on it.
#[derive(Debug, Clone)]
pub struct Capabilities<'a> {
    /// The methods it serves.
    pub methods: &'a [Method],
    /// The option tags it understands.
    pub extensions: &'a [&'a str],
    /// The types of bodies it understands.
    pub content_types: &'a [&'a str],
}

/// Checks what every request and response must be (RFC 3261 §8.1.1, §8.2). For a response an error
/// means that it is to be dropped.
pub fn validate(_message: &Message) -> Result<(), Refusal> {
    Ok(())
}
