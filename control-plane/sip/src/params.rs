use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Malformed;
use crate::limits;
use crate::scan::{self, is_token};

/// The parameters of a header value: `;tag=x;lr`. Values keep their octets and their quotes.
#[derive(Debug, Clone, Default)]
pub struct Params {
    /// Checked once; begins behind the first semicolon.
    raw: Bytes,
}

impl Params {
    /// Reads what follows a value: nothing, or a semicolon and parameters.
    pub(crate) fn parse(octets: Bytes) -> Result<Self, Malformed> {
        let trimmed = scan::trim(&octets);
        if trimmed.is_empty() {
            return Ok(Self::default());
        }
        let Some(list) = trimmed.strip_prefix(b";") else {
            return Err(Malformed(
                "something other than a parameter follows the value",
            ));
        };
        Self::parse_list(scan::share(&octets, list))
    }

    /// Reads parameters without a semicolon before them.
    pub(crate) fn parse_list(list: Bytes) -> Result<Self, Malformed> {
        for (count, part) in scan::split(&list, b';').enumerate() {
            if count == limits::PARAMETERS {
                return Err(Malformed("too many parameters"));
            }
            check(part?)?;
        }
        Ok(Self { raw: list })
    }

    /// The parameters in order: names, and values as they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let parts = if self.raw.is_empty() {
            None
        } else {
            Some(scan::split(&self.raw, b';'))
        };
        parts.into_iter().flatten().map(|part| {
            let (name, value) = halves(part.expect("checked when read"));
            (std::str::from_utf8(name).expect("a token is ASCII"), value)
        })
    }

    /// The value as it was written, quotes included; empty for a parameter without one.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or_default())
    }

    /// The value as it was written, when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value without quotes and escapes, when it is UTF-8.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.get(name)?;
        if value.first() != Some(&b'"') {
            return std::str::from_utf8(value).ok().map(Cow::Borrowed);
        }
        String::from_utf8(scan::unquote(value)).ok().map(Cow::Owned)
    }

    /// The value as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(scan::number)
    }

    /// Whether the parameter is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the parameter is there more than once, so that two readers may take different ones.
    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.iter()
            .filter(|(have, _)| have.eq_ignore_ascii_case(name))
            .nth(1)
            .is_some()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Puts a parameter in the place of the one of its name, or behind all others. The value is
    /// quoted if it has to be.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.replace(name, Some(Some(value.as_ref())));
    }

    /// Puts a parameter without a value.
    pub fn set_flag(&mut self, name: &str) {
        self.replace(name, Some(None));
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.replace(name, None);
    }

    fn replace(&mut self, name: &str, mut new: Option<Option<&[u8]>>) {
        if name.is_empty() || !name.bytes().all(is_token) {
            return;
        }
        let mut list = BytesMut::with_capacity(self.raw.len() + 32);
        for (have, value) in self.iter() {
            if !have.eq_ignore_ascii_case(name) {
                write_one(&mut list, have, value);
            } else if let Some(new) = new.take() {
                write_one(&mut list, have, new.map(written).as_deref());
            }
        }
        if let Some(new) = new {
            write_one(&mut list, name, new.map(written).as_deref());
        }
        self.raw = list.freeze();
    }

    /// Writes `;name=value` for each.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        for (name, value) in self.iter() {
            out.put_u8(b';');
            write_pair(out, name, value);
        }
    }
}

fn write_one(list: &mut BytesMut, name: &str, value: Option<&[u8]>) {
    if !list.is_empty() {
        list.put_u8(b';');
    }
    write_pair(list, name, value);
}

fn write_pair(out: &mut BytesMut, name: &str, value: Option<&[u8]>) {
    out.put_slice(name.as_bytes());
    if let Some(value) = value {
        out.put_u8(b'=');
        out.put_slice(value);
    }
}

/// A value that can stand behind an equals sign: as it is, or quoted.
fn written(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.is_empty() && value.iter().copied().all(plain) || is_quoted(value) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(scan::quote(value))
    }
}

fn is_quoted(value: &[u8]) -> bool {
    value.first() == Some(&b'"') && scan::quoted_end(value, 0) == Ok(value.len())
}

/// Octets that values hold without quotes: tokens, hosts, and what phones write besides.
fn plain(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f && !matches!(octet, b'"' | b';' | b',' | b'<' | b'>' | b'\\')
}

/// A tag or a branch: a token by the grammar, but phones write other printable characters too, and
/// what is compared octet for octet can hold them.
pub(crate) fn is_identifier(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_graphic) && value.first() != Some(&b'"')
}

fn halves(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', part) {
        Some(at) => (scan::trim(&part[..at]), Some(scan::trim(&part[at + 1..]))),
        None => (scan::trim(part), None),
    }
}

fn check(part: &[u8]) -> Result<(), Malformed> {
    let (name, value) = halves(part);
    if name.is_empty() {
        return Err(Malformed("empty parameter"));
    }
    if !name.iter().copied().all(is_token) {
        return Err(Malformed("parameter name is not a token"));
    }
    match value {
        None => Ok(()),
        Some([]) => Err(Malformed(
            "parameter without a value behind its equals sign",
        )),
        Some(quoted @ [b'"', ..]) if is_quoted(quoted) => Ok(()),
        Some(value) if value.iter().copied().all(plain) => Ok(()),
        Some(_) => Err(Malformed("parameter value needs quotes")),
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = BytesMut::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &'static str) -> Result<Params, Malformed> {
        Params::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn names_ignore_case_and_values_keep_their_octets() {
        let params = params(" ; Tag = aB1 ;lr; +sip.instance=\"<urn:uuid:1;2>\"").unwrap();
        assert_eq!(params.text("tag"), Some("aB1"));
        assert_eq!(params.text("LR"), Some(""));
        assert_eq!(params.text("+sip.instance"), Some("\"<urn:uuid:1;2>\""));
        assert_eq!(
            params.unquoted("+sip.instance").as_deref(),
            Some("<urn:uuid:1;2>")
        );
        assert_eq!(
            params.to_string(),
            ";Tag=aB1;lr;+sip.instance=\"<urn:uuid:1;2>\""
        );
    }

    #[test]
    fn empty_parameters_are_refused() {
        for bad in [";;", ";", ";a=", ";=a", "a", ";a=\"b", ";a=\"b\"c", ";a b"] {
            assert!(params(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_parameter_takes_the_place_of_the_old_one() {
        let mut params = params(";a=1;b;c=3").unwrap();
        params.set("B", "two words");
        params.set("d", "x");
        params.remove("a");
        params.set_flag("c");
        assert_eq!(params.to_string(), ";b=\"two words\";c;d=x");
    }
}
