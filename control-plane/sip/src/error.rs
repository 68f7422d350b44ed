use bytes::Bytes;

use crate::message::{Message, StartLine};
use crate::reason::reason_phrase;
use crate::{Headers, Method, Name};

/// A value that does not follow its grammar; says which rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Why a header cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The header is not there.
    #[error("{0} is missing")]
    Missing(Name),
    /// The header may occur once only.
    #[error("{0} occurs more than once")]
    Repeated(Name),
    /// The header does not follow its grammar.
    #[error("bad {0}: {1}")]
    Malformed(Name, &'static str),
}

/// What is wrong with octets that should have been a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More octets than [`crate::limits::MESSAGE_OCTETS`].
    #[error("message too large")]
    TooLarge,
    /// More header lines than [`crate::limits::HEADERS`].
    #[error("too many header fields")]
    TooManyHeaders,
    /// The empty line that ends the headers is missing.
    #[error("header section not finished")]
    Unfinished,
    /// Neither a request line nor a status line.
    #[error("bad start line: {0}")]
    StartLine(&'static str),
    /// A version of SIP that is not 2.0.
    #[error("version not supported")]
    Version,
    /// A line that is not a header.
    #[error("bad header line: {0}")]
    HeaderLine(&'static str),
    /// A Content-Length that is no number, is repeated, or is larger than what came.
    #[error("bad Content-Length: {0}")]
    ContentLength(&'static str),
}

impl Fault {
    /// The status code that tells the sender.
    pub fn code(self) -> u16 {
        match self {
            Self::TooLarge | Self::TooManyHeaders => 513,
            Self::Version => 505,
            Self::Unfinished
            | Self::StartLine(_)
            | Self::HeaderLine(_)
            | Self::ContentLength(_) => 400,
        }
    }
}

/// Octets that are no message. Keeps the headers that could be read, so that the sender of a bad
/// request can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    /// The first thing that was wrong.
    pub fault: Fault,
    /// The method, when the octets began like a request.
    pub method: Option<Method>,
    /// The headers that could be read.
    pub headers: Headers,
}

impl ParseError {
    pub(crate) fn bare(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            headers: Headers::default(),
        }
    }

    /// The refusal to send back, to where the octets came from: nothing for a response, for an ACK,
    /// and when Via, From, To, Call-ID or CSeq are missing (RFC 3261 §8.2.6 needs them all). They
    /// are repeated octet for octet, so they need not make sense.
    pub fn response(&self) -> Option<Message> {
        let method = self.method.as_ref()?;
        if *method == Method::Ack {
            return None;
        }
        let headers = self.headers.response_part();
        let needed = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
        let complete = needed.into_iter().all(|name| headers.contains(name));
        let code = self.fault.code();
        let start = StartLine::Status {
            code,
            reason: reason_text(code, self.fault),
        };
        complete.then_some(Message {
            start,
            headers,
            body: Bytes::new(),
        })
    }
}

fn reason_text(code: u16, fault: Fault) -> Bytes {
    match fault {
        Fault::TooLarge | Fault::TooManyHeaders | Fault::Version => {
            Bytes::from_static(reason_phrase(code).as_bytes())
        }
        Fault::Unfinished
        | Fault::StartLine(_)
        | Fault::HeaderLine(_)
        | Fault::ContentLength(_) => Bytes::from(fault.to_string()),
    }
}
