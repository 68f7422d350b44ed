use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Malformed;
use crate::params::{Params, is_identifier};
use crate::scan;
use crate::uri::Uri;

/// A name, a URI and parameters, as in From, To, Contact, Route and their like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name as octets, without quotes and escapes; any encoding.
    pub display: Option<Bytes>,
    /// The address.
    pub uri: Uri,
    /// Parameters of the header, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without a name.
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::default(),
        }
    }

    /// An address with a name.
    pub fn named(display: impl Into<Bytes>, uri: Uri) -> Self {
        Self {
            display: Some(display.into()),
            uri,
            params: Params::default(),
        }
    }

    /// The same with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// The tag that names this side of a dialog.
    pub fn tag(&self) -> Option<&str> {
        self.params.text("tag").filter(|tag| !tag.is_empty())
    }

    /// The display name as text; what is not UTF-8 is taken for Latin-1, as the phones that send
    /// it mean it.
    pub fn display_text(&self) -> Option<String> {
        self.display
            .as_ref()
            .map(|octets| match std::str::from_utf8(octets) {
                Ok(text) => text.to_owned(),
                Err(_) => octets.iter().copied().map(char::from).collect(),
            })
    }

    /// Reads one address with what follows it.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let value = scan::trim(octets);
        let (display, open) = display(octets, value)?;
        let (uri, rest) = match open {
            Some(open) => {
                let inside = &value[open + 1..];
                let close = memchr::memchr(b'>', inside)
                    .ok_or(Malformed("angle bracket does not close"))?;
                (&inside[..close], &inside[close + 1..])
            }
            // Without brackets a semicolon begins the header's parameters (RFC 3261 §20.10).
            None => value.split_at(memchr::memchr(b';', value).unwrap_or(value.len())),
        };
        // Blanks have no place inside the brackets (RFC 4475 §3.1.2.14).
        let uri = if open.is_none() { scan::trim(uri) } else { uri };
        if open.is_none() && memchr::memchr2(b'?', b',', uri).is_some() {
            return Err(Malformed("such a URI needs angle brackets"));
        }
        let parsed = Self {
            display,
            uri: Uri::parse(&scan::share(octets, uri))?,
            params: Params::parse(scan::share(octets, rest))?,
        };
        match parsed.params.get("tag") {
            Some(tag) if !is_identifier(tag) => Err(Malformed("tag is not a token")),
            Some(_) if parsed.params.is_repeated("tag") => Err(Malformed("two tags")),
            Some(_) | None => Ok(parsed),
        }
    }

    /// As it stands in a header.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96);
        if let Some(display) = &self.display {
            out.put_slice(&scan::quote(display));
            out.put_u8(b' ');
        }
        out.put_u8(b'<');
        out.put_slice(self.uri.as_octets());
        out.put_u8(b'>');
        self.params.write(&mut out);
        out.freeze()
    }
}

/// The display name and the place of the opening bracket.
fn display(whole: &Bytes, value: &[u8]) -> Result<(Option<Bytes>, Option<usize>), Malformed> {
    if value.first() == Some(&b'"') {
        let end = scan::quoted_end(value, 0)?;
        let quoted = &value[..end];
        let blanks = value[end..]
            .iter()
            .take_while(|o| matches!(o, b' ' | b'\t'))
            .count();
        if value.get(end + blanks) != Some(&b'<') {
            return Err(Malformed("no angle bracket behind the display name"));
        }
        let name = if memchr::memchr(b'\\', quoted).is_some() {
            Bytes::from(scan::unquote(quoted))
        } else {
            scan::share(whole, &quoted[1..end - 1])
        };
        return Ok((Some(name), Some(end + blanks)));
    }
    let Some(open) = memchr::memchr(b'<', value) else {
        return Ok((None, None));
    };
    let name = scan::trim(&value[..open]);
    // RFC 3261 has tokens here; phones write more, but these would begin something else.
    if name.iter().any(|o| matches!(o, b',' | b';' | b'"')) {
        return Err(Malformed("display name needs quotes"));
    }
    let name = (!name.is_empty()).then(|| scan::share(whole, name));
    Ok((name, Some(open)))
}

impl std::str::FromStr for NameAddr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&NameAddr> for Bytes {
    fn from(address: &NameAddr) -> Self {
        address.to_bytes()
    }
}

impl From<NameAddr> for Bytes {
    fn from(address: NameAddr) -> Self {
        address.to_bytes()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl Serialize for NameAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NameAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(octets: &'static [u8]) -> NameAddr {
        NameAddr::parse(&Bytes::from_static(octets))
            .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(octets)))
    }

    #[test]
    fn a_quoted_name_may_look_like_an_address_and_a_tag() {
        let address = address(b"\"A, <B>; tag=no\" <sip:a@h>;tag=ft");
        assert_eq!(address.display.as_deref(), Some(&b"A, <B>; tag=no"[..]));
        assert_eq!(address.uri.as_str(), "sip:a@h");
        assert_eq!(address.tag(), Some("ft"));
    }

    #[test]
    fn latin_1_names_keep_their_octets() {
        let address = address(b"\"Andr\xe9\" <sip:a@h>;tag=1");
        assert_eq!(address.display.as_deref(), Some(&b"Andr\xe9"[..]));
        assert_eq!(address.display_text().as_deref(), Some("André"));
        assert_eq!(NameAddr::parse(&address.to_bytes()).unwrap(), address);
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let address = address(b"sip:user;par=u%40example.net@example.com;tag=33242");
        assert!(
            address.uri.user().is_none(),
            "an at sign behind a semicolon is not the user's"
        );
        assert_eq!(address.params.text("tag"), Some("33242"));
    }

    #[test]
    fn tags_of_phones_that_do_not_know_the_grammar_are_taken() {
        assert_eq!(
            address(b"<sip:a@h>;tag=a:b/c=@[1]").tag(),
            Some("a:b/c=@[1]")
        );
    }

    #[test]
    fn names_without_quotes_and_without_a_blank() {
        assert_eq!(
            address(b"caller<sip:c@h>;tag=32").display_text().as_deref(),
            Some("caller")
        );
        assert_eq!(address(b"\"\"<sip:c@h>").display.as_deref(), Some(&b""[..]));
        assert_eq!(address(b"<sip:c@h>").display, None);
        assert_eq!(address(b"Bob (Office) <sip:c@h>").tag(), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            &b"\"Mr. J. User <sip:j.user@example.com>"[..],
            b"Bell, Alexander <sip:a@h>;tag=1",
            b"<sip:a@h",
            b"\"name\" sip:a@h",
            b"sip:user@example.com?Route=%3Csip:x%3E",
            b"<sip:a@h>;tag=",
            b"<sip:a@h>;tag=\"quoted\"",
            b"<sip:a@h> junk",
            b"<sip:a@h>;tag=1;tag=2",
            b"\"Watson, Thomas\" < sip:t.watson@example.org >",
            b"",
        ] {
            assert!(
                NameAddr::parse(&Bytes::from_static(bad)).is_err(),
                "{bad:?}"
            );
        }
    }
}
