use bytes::Bytes;

use super::Message;
use crate::address::NameAddr;
use crate::contact::{Contacts, delta_seconds};
use crate::cseq::{CSeq, RAck};
use crate::error::{FieldError, Malformed};
use crate::headers::Name;
use crate::limits;
use crate::scan;
use crate::via::Via;

/// Headers with a meaning. Each is read when it is asked for.
impl Message {
    /// The Call-ID; `None` when it is missing, empty or not UTF-8.
    pub fn call_id(&self) -> Option<&str> {
        self.headers.text(Name::CallId).filter(|id| !id.is_empty())
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq, FieldError> {
        self.field(Name::CSeq, CSeq::parse)
    }

    /// The RAck of a PRACK.
    pub fn rack(&self) -> Result<RAck, FieldError> {
        self.field(Name::RAck, RAck::parse)
    }

    /// Who sends the request.
    pub fn from(&self) -> Result<NameAddr, FieldError> {
        self.field(Name::From, NameAddr::parse)
    }

    /// Whom the request is for.
    pub fn to(&self) -> Result<NameAddr, FieldError> {
        self.field(Name::To, NameAddr::parse)
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, FieldError> {
        self.vias()
            .next()
            .unwrap_or(Err(FieldError::Missing(Name::Via)))
    }

    /// All Via elements, the topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via, FieldError>> {
        self.list(Name::Via, Via::parse)
    }

    /// Puts another value in the place of the topmost Via element, whatever follows it.
    pub fn replace_top_via(&mut self, via: &Via) {
        let Some(line) = self.headers.get(Name::Via) else {
            return;
        };
        let first = scan::split(line, b',')
            .next()
            .and_then(Result::ok)
            .map_or(line.len(), <[u8]>::len);
        let mut value = Vec::from(via.to_bytes());
        value.extend_from_slice(&line[first..]);
        self.headers.set_first(Name::Via, value);
    }

    /// The contacts.
    pub fn contacts(&self) -> Result<Contacts, FieldError> {
        Contacts::parse(self.headers.get_all(Name::Contact))
            .map_err(|Malformed(why)| FieldError::Malformed(Name::Contact, why))
    }

    /// The Record-Route elements in order.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, FieldError> {
        self.addresses(Name::RecordRoute)
    }

    /// The Route elements in order.
    pub fn routes(&self) -> Result<Vec<NameAddr>, FieldError> {
        self.addresses(Name::Route)
    }

    /// All addresses of a header that lists them, over all its lines.
    pub fn addresses(&self, name: Name) -> Result<Vec<NameAddr>, FieldError> {
        self.list(name, NameAddr::parse).collect()
    }

    /// Max-Forwards; `None` when it is missing or not a number of at most 255.
    pub fn max_forwards(&self) -> Option<u8> {
        self.headers
            .get(Name::MaxForwards)
            .and_then(|v| scan::number(v)?.try_into().ok())
    }

    /// Expires in seconds; too large a number is the largest, what is no number is not there.
    pub fn expires(&self) -> Option<u32> {
        self.headers
            .get(Name::Expires)
            .and_then(|value| delta_seconds(value))
    }

    /// Min-Expires in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        self.headers
            .get(Name::MinExpires)
            .and_then(|value| delta_seconds(value))
    }

    /// Retry-After in seconds, without comment and parameters.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.headers.get(Name::RetryAfter)?;
        let digits = value.iter().take_while(|o| o.is_ascii_digit()).count();
        delta_seconds(&value[..digits])
    }

    /// RSeq of a reliable provisional response (RFC 3262).
    pub fn rseq(&self) -> Option<u32> {
        self.headers
            .get(Name::RSeq)
            .and_then(|v| scan::number(v)?.try_into().ok())
    }

    /// The tokens of Require.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.tokens(Name::Require)
    }

    /// The tokens of Supported.
    pub fn supported(&self) -> impl Iterator<Item = &str> {
        self.tokens(Name::Supported)
    }

    /// The methods of Allow.
    pub fn allow(&self) -> impl Iterator<Item = &str> {
        self.tokens(Name::Allow)
    }

    /// Whether the sender supports an extension, required or not.
    pub fn supports(&self, extension: &str) -> bool {
        self.supported()
            .chain(self.require())
            .any(|token| token.eq_ignore_ascii_case(extension))
    }

    /// The elements of a header that lists tokens, over all its lines.
    pub fn tokens(&self, name: Name) -> impl Iterator<Item = &str> {
        self.headers
            .get_all(name)
            .flat_map(|line| line.split(|&o| o == b','))
            .filter_map(|part| std::str::from_utf8(scan::trim(part)).ok())
            .filter(|token| !token.is_empty())
            .take(limits::LIST_ELEMENTS)
    }

    /// The type of the body without parameters, as `application/sdp`; compare without case.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.headers.text(Name::ContentType)?;
        Some(value.split(';').next().unwrap_or(value).trim_end())
    }

    /// Whether the body is a session description.
    pub fn has_sdp(&self) -> bool {
        let sdp = |kind: &str| kind.eq_ignore_ascii_case("application/sdp");
        !self.body.is_empty() && self.content_type().is_some_and(sdp)
    }

    fn field<T>(
        &self,
        name: Name,
        parse: impl Fn(&Bytes) -> Result<T, Malformed>,
    ) -> Result<T, FieldError> {
        let mut values = self.headers.get_all(name.clone());
        let Some(value) = values.next() else {
            return Err(FieldError::Missing(name));
        };
        if values.next().is_some() {
            return Err(FieldError::Repeated(name));
        }
        drop(values);
        parse(value).map_err(|Malformed(why)| FieldError::Malformed(name, why))
    }

    fn list<T>(
        &self,
        name: Name,
        parse: impl Fn(&Bytes) -> Result<T, Malformed>,
    ) -> impl Iterator<Item = Result<T, FieldError>> {
        let parts = self
            .headers
            .get_all(name.clone())
            .flat_map(|line| scan::split(line, b',').map(move |part| (line, part)));
        parts.enumerate().map(move |(index, (line, part))| {
            let read = if index < limits::LIST_ELEMENTS {
                part.and_then(|part| parse(&scan::share(line, scan::trim(part))))
            } else {
                Err(Malformed("too many elements"))
            };
            read.map_err(|Malformed(why)| FieldError::Malformed(name.clone(), why))
        })
    }
}
