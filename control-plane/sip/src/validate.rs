use bytes::Bytes;

use crate::error::{FieldError, Malformed};
use crate::headers::Name;
use crate::message::{Message, StartLine};
use crate::method::Method;
use crate::reason::reason_phrase;
use crate::scan;
use crate::uri::{Scheme, Uri};

/// A decision not to serve a message: what to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: u16,
    /// The reason phrase.
    pub reason: String,
    /// Headers that the refusal carries besides those of every response.
    pub headers: Vec<(Name, Bytes)>,
}

impl Refusal {
    /// A refusal with the usual reason phrase.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            reason: reason_phrase(code).to_owned(),
            headers: Vec::new(),
        }
    }

    /// A 400 that says what is wrong (RFC 3261 §21.4.1).
    fn bad(what: impl std::fmt::Display) -> Self {
        Self {
            reason: format!("Bad Request: {what}"),
            ..Self::new(400)
        }
    }

    fn with(mut self, name: Name, value: String) -> Self {
        self.headers.push((name, Bytes::from(value)));
        self
    }

    /// The refusal as a response. A To tag is for the caller to add.
    pub fn respond(&self, request: &Message) -> Message {
        let mut response = Message::response_to(request, self.code, &self.reason);
        for (name, value) in &self.headers {
            response.headers.push(name.clone(), value.clone());
        }
        response
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::bad(error)
    }
}

/// Headers that hold one value and stand once (RFC 3261 §7.3.1).
const SINGLE: [Name; 10] = [
    Name::MaxForwards,
    Name::ContentType,
    Name::Expires,
    Name::Event,
    Name::SessionExpires,
    Name::MinSe,
    Name::Replaces,
    Name::ReferTo,
    Name::RAck,
    Name::RSeq,
];

/// Checks what every message must be, whoever it is for (RFC 3261 §8.1.1, §8.1.3.3, §8.2.2).
///
/// A request that fails is answered with the refusal, unless it is an ACK; a response that fails is
/// dropped.
pub fn validate(message: &Message) -> Result<(), Refusal> {
    let cseq = message.cseq()?;
    message.from()?;
    let to = message.to()?;
    call_id(message)?;
    if let Some(name) = SINGLE
        .into_iter()
        .find(|n| message.headers.get_all(n.clone()).nth(1).is_some())
    {
        return Err(FieldError::Repeated(name).into());
    }
    match &message.start {
        StartLine::Status { .. } => response(message),
        StartLine::Request { method, uri } => {
            if cseq.method != *method {
                return Err(Refusal::bad("CSeq is of another method"));
            }
            request(message)?;
            request_uri(uri)?;
            if *method == Method::Register && !to.uri.is_sip() {
                return Err(Refusal::bad("address of record is not a SIP URI"));
            }
            Ok(())
        }
    }
}

fn call_id(message: &Message) -> Result<(), Refusal> {
    let mut values = message.headers.get_all(Name::CallId);
    let value = values.next().ok_or(FieldError::Missing(Name::CallId))?;
    if values.next().is_some() {
        return Err(FieldError::Repeated(Name::CallId).into());
    }
    let valid = !value.is_empty()
        && std::str::from_utf8(value).is_ok()
        && value.iter().all(|&o| o > b' ' && o != 0x7f);
    if valid {
        Ok(())
    } else {
        Err(Refusal::bad("bad Call-ID"))
    }
}

fn request(message: &Message) -> Result<(), Refusal> {
    let mut vias = message.vias();
    vias.next().ok_or(FieldError::Missing(Name::Via))??;
    vias.try_for_each(|via| via.map(|_| ()))?;
    message.contacts()?;
    message.record_routes()?;
    message.routes()?;
    if message.headers.contains(Name::MaxForwards) && message.max_forwards().is_none() {
        return Err(Refusal::bad("Max-Forwards is not a number of at most 255"));
    }
    match message.headers.get(Name::Date) {
        Some(date) if !is_date(date) => Err(Refusal::bad("Date is not in GMT")),
        Some(_) | None => Ok(()),
    }
}

/// Responses come to us as a user agent: one Via is left when they arrive, ours. One with more was
/// meant for another or went astray (RFC 3261 §8.1.3.3).
fn response(message: &Message) -> Result<(), Refusal> {
    message.via()?;
    match message.vias().nth(1) {
        Some(_) => Err(Refusal::bad("more than one Via")),
        None => Ok(()),
    }
}

fn request_uri(uri: &Uri) -> Result<(), Refusal> {
    if uri.scheme() == Scheme::Other {
        return Err(Refusal::new(416));
    }
    // RFC 3261 §19.1.5: headers have no place in a request line.
    if uri.headers().is_some() {
        return Err(Refusal::bad("Request-URI with headers"));
    }
    Ok(())
}

/// `Sat, 13 Nov 2010 23:29:00 GMT`: no other zone may be written (RFC 3261 §20.17).
fn is_date(value: &[u8]) -> bool {
    let words: Vec<&[u8]> = value
        .split(|&o| o == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    matches!(words[..], [_, _, _, _, _, b"GMT"])
}

/// What an element can do, for the refusals that depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    /// The methods it serves.
    pub methods: &'a [Method],
    /// The option tags it understands.
    pub extensions: &'a [&'a str],
    /// The types of bodies it reads.
    pub content_types: &'a [&'a str],
}

impl Capabilities<'_> {
    /// Checks a request that [`validate`] has let pass, in the order of RFC 3261 §8.2.
    pub fn check(&self, request: &Message) -> Result<(), Refusal> {
        let Some(method) = request.method() else {
            return Ok(());
        };
        self.check_method(method)?;
        // RFC 3261 §8.2.2.3: neither in a CANCEL nor in an ACK.
        if !matches!(method, Method::Cancel | Method::Ack) {
            self.check_extensions(request)?;
        }
        self.check_body(request)?;
        if *method == Method::Invite {
            accepts_sdp(request)
        } else {
            Ok(())
        }
    }

    /// The value of Allow.
    pub fn allow(&self) -> String {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }

    fn check_method(&self, method: &Method) -> Result<(), Refusal> {
        if self.methods.contains(method) {
            return Ok(());
        }
        let code = if matches!(method, Method::Extension(_)) {
            501
        } else {
            405
        };
        Err(Refusal::new(code).with(Name::Allow, self.allow()))
    }

    fn check_extensions(&self, request: &Message) -> Result<(), Refusal> {
        let known = |tag: &&str| {
            self.extensions
                .iter()
                .any(|have| have.eq_ignore_ascii_case(tag))
        };
        let unknown: Vec<&str> = request.require().filter(|tag| !known(tag)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(420).with(Name::Unsupported, unknown.join(", ")))
    }

    fn check_body(&self, request: &Message) -> Result<(), Refusal> {
        if request.body.is_empty() || is_optional_body(request) {
            return Ok(());
        }
        let encoded = request
            .tokens(Name::ContentEncoding)
            .any(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        if encoded {
            return Err(Refusal::new(415).with(Name::AcceptEncoding, "identity".to_owned()));
        }
        let known = |kind: &str| {
            self.content_types
                .iter()
                .any(|have| have.eq_ignore_ascii_case(kind))
        };
        match request.content_type() {
            Some(kind) if known(kind) => Ok(()),
            Some(_) | None => {
                Err(Refusal::new(415).with(Name::Accept, self.content_types.join(", ")))
            }
        }
    }
}

/// Whether the sender lets a body that is not understood be ignored (RFC 3261 §20.11).
fn is_optional_body(request: &Message) -> bool {
    let Some(value) = request.headers.get(Name::ContentDisposition) else {
        return false;
    };
    scan::split(value, b';').skip(1).any(|part| {
        part.is_ok_and(|part| {
            let part: Vec<u8> = part
                .iter()
                .copied()
                .filter(|o| !o.is_ascii_whitespace())
                .collect();
            part.eq_ignore_ascii_case(b"handling=optional")
        })
    })
}

/// An Accept that leaves no room for a session description asks for an answer that there is not.
fn accepts_sdp(request: &Message) -> Result<(), Refusal> {
    let mut ranges = request
        .headers
        .get_all(Name::Accept)
        .flat_map(|line| scan::split(line, b','))
        .map(|part| part.map(|part| scan::trim(part.split(|&o| o == b';').next().unwrap_or(part))))
        .peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let takes = |range: Result<&[u8], Malformed>| {
        let fits = ["application/sdp", "application/*", "*/*"];
        range.is_ok_and(|range| {
            fits.iter()
                .any(|fit| range.eq_ignore_ascii_case(fit.as_bytes()))
        })
    };
    if ranges.any(takes) {
        Ok(())
    } else {
        Err(Refusal::new(406))
    }
}
