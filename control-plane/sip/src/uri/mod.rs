//! URIs: kept as they were written, with the places of their parts.

mod build;
mod equality;
mod escape;
mod host;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use host::Host;
pub(crate) use host::{HostPort, host_port};

use crate::error::Malformed;
use crate::limits;
use crate::text::Text;

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other; the rest of the URI is opaque.
    Other,
}

/// A URI. It is printed exactly as it was read, and `==` compares what is written; see
/// [`Uri::matches`] for the equality of RFC 3261.
#[derive(Clone)]
pub struct Uri {
    raw: Text,
    scheme: Scheme,
    port: Option<u16>,
    user: Option<Range<u16>>,
    password: Option<Range<u16>>,
    host: Range<u16>,
    /// From behind the first semicolon.
    params: Range<u16>,
    /// From behind the question mark.
    headers: Range<u16>,
}

impl Uri {
    /// Reads a URI.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let raw = Text::from_utf8(octets.clone()).ok_or(Malformed("URI is not UTF-8"))?;
        Self::from_text(raw)
    }

    pub(crate) fn from_text(raw: Text) -> Result<Self, Malformed> {
        let octets: &[u8] = raw.as_octets();
        if octets.len() > limits::URI_OCTETS {
            return Err(Malformed("URI too long"));
        }
        if octets
            .iter()
            .any(|&o| o <= b' ' || matches!(o, b'<' | b'>' | b'"' | 0x7f))
        {
            return Err(Malformed("character that no URI has"));
        }
        let colon = memchr::memchr(b':', octets).ok_or(Malformed("URI without a scheme"))?;
        let scheme = scheme(&octets[..colon])?;
        let rest = colon + 1..octets.len();
        let parts = match scheme {
            Scheme::Sip | Scheme::Sips => sip_parts(octets, rest)?,
            Scheme::Tel => tel_parts(octets, rest)?,
            Scheme::Other => Parts::default(),
        };
        let uri = Self {
            scheme,
            port: parts.port,
            user: parts.user.map(short),
            password: parts.password.map(short),
            host: short(parts.host),
            params: short(parts.params),
            headers: short(parts.headers),
            raw,
        };
        // RFC 3261 §19.1.1: no parameter may appear twice.
        let repeated = |(place, (name, _))| uri.params().take(place).any(|(n, _)| same(n, name));
        if uri.params().enumerate().any(repeated) {
            return Err(Malformed("a parameter appears twice"));
        }
        Ok(uri)
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether the URI is `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as written, without the password; of a `tel:` URI the number.
    pub fn user(&self) -> Option<&str> {
        self.user.clone().map(|range| self.part(range))
    }

    /// The user part with its escapes undone; octets, because an escape can be any.
    pub fn user_unescaped(&self) -> Option<Cow<'_, [u8]>> {
        self.user().map(escape::unescape)
    }

    /// The password, which nobody should write.
    pub fn password(&self) -> Option<&str> {
        self.password.clone().map(|range| self.part(range))
    }

    /// The host; a `tel:` or opaque URI has none.
    pub fn host(&self) -> Option<Host<'_>> {
        self.is_sip()
            .then(|| Host::of(self.part(self.host.clone())))
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters in order, as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.part(self.params.clone())
            .split(';')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            })
    }

    /// The value of a parameter as written; empty for one without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find(|(have, _)| same(have, name))
            .map(|(_, value)| value.unwrap_or_default())
    }

    /// The headers of the URI as written, without the question mark.
    pub fn headers(&self) -> Option<&str> {
        let headers = self.part(self.headers.clone());
        (!headers.is_empty()).then_some(headers)
    }

    /// The whole URI as written.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The octets of the whole URI.
    pub fn as_octets(&self) -> &Bytes {
        self.raw.as_octets()
    }

    fn part(&self, range: Range<u16>) -> &str {
        &self.raw.as_str()[usize::from(range.start)..usize::from(range.end)]
    }
}

/// Names of parameters are compared without case and escapes.
fn same(one: &str, two: &str) -> bool {
    let escaped = || one.contains('%') || two.contains('%');
    let plain = |text| escape::unescape(text).to_ascii_lowercase();
    one.eq_ignore_ascii_case(two) || escaped() && plain(one) == plain(two)
}

#[derive(Default)]
struct Parts {
    user: Option<Range<usize>>,
    password: Option<Range<usize>>,
    host: Range<usize>,
    port: Option<u16>,
    params: Range<usize>,
    headers: Range<usize>,
}

fn short(range: Range<usize>) -> Range<u16> {
    let place = |at: usize| u16::try_from(at).expect("a URI is shorter than 64 KiB");
    place(range.start)..place(range.end)
}

fn scheme(octets: &[u8]) -> Result<Scheme, Malformed> {
    let valid = octets.first().is_some_and(u8::is_ascii_alphabetic)
        && octets
            .iter()
            .all(|o| o.is_ascii_alphanumeric() || matches!(o, b'+' | b'-' | b'.'));
    if !valid {
        return Err(Malformed("URI without a scheme"));
    }
    Ok(if octets.eq_ignore_ascii_case(b"sip") {
        Scheme::Sip
    } else if octets.eq_ignore_ascii_case(b"sips") {
        Scheme::Sips
    } else if octets.eq_ignore_ascii_case(b"tel") {
        Scheme::Tel
    } else {
        Scheme::Other
    })
}

fn sip_parts(octets: &[u8], rest: Range<usize>) -> Result<Parts, Malformed> {
    let mut parts = Parts::default();
    let mut at = rest.start;
    if let Some(sign) = memchr::memchr(b'@', &octets[at..]) {
        let info = at..at + sign;
        let user = match memchr::memchr(b':', &octets[info.clone()]) {
            Some(colon) => {
                parts.password = Some(info.start + colon + 1..info.end);
                info.start..info.start + colon
            }
            None => info.clone(),
        };
        if user.is_empty() {
            return Err(Malformed("empty user before the at sign"));
        }
        parts.user = Some(user);
        at = info.end + 1;
    }
    let tail = at + tail_start(&octets[at..rest.end]);
    let HostPort { host, port } = host_port(&octets[at..tail])?;
    parts.host = at + host.start..at + host.end;
    parts.port = port;
    tail_parts(octets, tail..rest.end, &mut parts)?;
    Ok(parts)
}

fn tel_parts(octets: &[u8], rest: Range<usize>) -> Result<Parts, Malformed> {
    let mut parts = Parts::default();
    let tail = rest.start + tail_start(&octets[rest.clone()]);
    let number = rest.start..tail;
    let dialled = |o: &u8| o.is_ascii_hexdigit() || b"+-.()*#".contains(o);
    if number.is_empty() || !octets[number.clone()].iter().all(dialled) {
        return Err(Malformed("no telephone number"));
    }
    parts.user = Some(number);
    tail_parts(octets, tail..rest.end, &mut parts)?;
    Ok(parts)
}

fn tail_start(octets: &[u8]) -> usize {
    memchr::memchr2(b';', b'?', octets).unwrap_or(octets.len())
}

fn tail_parts(octets: &[u8], tail: Range<usize>, parts: &mut Parts) -> Result<(), Malformed> {
    if memchr::memchr(b'@', &octets[tail.clone()]).is_some() {
        return Err(Malformed("second at sign"));
    }
    let question =
        memchr::memchr(b'?', &octets[tail.clone()]).map_or(tail.end, |at| tail.start + at);
    if tail.start < question {
        parts.params = tail.start + 1..question;
        let list = octets[parts.params.clone()].split(|&o| o == b';');
        for (count, part) in list.enumerate() {
            if part.first() == Some(&b'=') {
                return Err(Malformed("parameter without a name"));
            }
            if count == limits::PARAMETERS {
                return Err(Malformed("too many parameters"));
            }
        }
    }
    if question < tail.end {
        parts.headers = question + 1..tail.end;
    }
    Ok(())
}

impl std::str::FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::from_text(Text::from(text))
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Uri {}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.raw)
    }
}

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(Text::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
