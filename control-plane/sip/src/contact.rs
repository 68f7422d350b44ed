use bytes::Bytes;

use crate::address::NameAddr;
use crate::error::Malformed;
use crate::limits;
use crate::scan;

/// One contact: an address with the parameters that a registrar reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The address and all parameters.
    pub address: NameAddr,
}

impl Contact {
    /// The lifetime asked for, in seconds. One that is no number counts as not given; one that does
    /// not fit counts as the largest (RFC 3261 §10.2.1.1, RFC 4475 §3.1.2.4).
    pub fn expires(&self) -> Option<u32> {
        self.address.params.get("expires").and_then(delta_seconds)
    }

    /// The preference in thousandths, 1000 where none is given.
    pub fn q(&self) -> u16 {
        self.address
            .params
            .get("q")
            .and_then(thousandths)
            .unwrap_or(1000)
    }

    /// The instance of RFC 5626 with its angle brackets, as `<urn:uuid:…>`.
    pub fn instance(&self) -> Option<String> {
        self.address
            .params
            .unquoted("+sip.instance")
            .map(std::borrow::Cow::into_owned)
    }

    /// The flow number of RFC 5626.
    pub fn reg_id(&self) -> Option<u32> {
        self.address
            .params
            .number("reg-id")
            .and_then(|id| u32::try_from(id).ok())
    }
}

/// The contacts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings (RFC 3261 §10.2.2).
    Star,
    /// The contacts in order; empty when the message has none.
    List(Vec<Contact>),
}

impl Contacts {
    /// Reads all Contact lines of a message.
    pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a Bytes>) -> Result<Self, Malformed> {
        let mut list = Vec::new();
        let mut star = false;
        for line in lines {
            for part in scan::split(line, b',') {
                let part = scan::trim(part?);
                if star || list.len() == limits::LIST_ELEMENTS {
                    return Err(Malformed("star is not alone, or too many contacts"));
                }
                if part == b"*" && list.is_empty() {
                    star = true;
                } else {
                    let address = NameAddr::parse(&scan::share(line, part))?;
                    list.push(Contact { address });
                }
            }
        }
        Ok(if star { Self::Star } else { Self::List(list) })
    }

    /// The only contact, as a dialog needs it.
    pub fn single(&self) -> Option<&Contact> {
        match self {
            Self::List(list) if list.len() == 1 => list.first(),
            Self::List(_) | Self::Star => None,
        }
    }
}

/// Seconds as in Expires; too large a number is the largest.
pub(crate) fn delta_seconds(octets: &[u8]) -> Option<u32> {
    let digits = !octets.is_empty() && octets.iter().all(u8::is_ascii_digit);
    digits.then(|| {
        scan::number(octets)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(u32::MAX)
    })
}

fn thousandths(octets: &[u8]) -> Option<u16> {
    let (whole, rest) = match octets {
        [whole @ (b'0' | b'1')] => (*whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', rest @ ..] if rest.len() <= 3 => (*whole, rest),
        _ => return None,
    };
    let mut value = u16::from(whole - b'0') * 1000;
    for (digit, weight) in rest.iter().zip([100, 10, 1]) {
        value += digit
            .is_ascii_digit()
            .then(|| u16::from(digit - b'0') * weight)?;
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts(lines: &[&'static str]) -> Result<Contacts, Malformed> {
        let lines: Vec<Bytes> = lines
            .iter()
            .map(|l| Bytes::from_static(l.as_bytes()))
            .collect();
        Contacts::parse(lines.iter())
    }

    #[test]
    fn contacts_of_all_lines_are_one_list() {
        let list = contacts(&[
            "\"a, b\" <sip:a@h>;q=0.5;expires=60, sip:b@h;expires=99999999999999999999999",
            "<sip:c@h>;+sip.instance=\"<urn:uuid:0-0>\";reg-id=2;expires=soon",
        ]);
        let Ok(Contacts::List(list)) = list else {
            panic!("{list:?}")
        };
        let read: Vec<_> = list
            .iter()
            .map(|c| (c.address.uri.as_str(), c.q(), c.expires(), c.reg_id()))
            .collect();
        assert_eq!(
            read,
            [
                ("sip:a@h", 500, Some(60), None),
                ("sip:b@h", 1000, Some(u32::MAX), None),
                ("sip:c@h", 1000, None, Some(2)),
            ]
        );
        assert_eq!(list[2].instance().as_deref(), Some("<urn:uuid:0-0>"));
    }

    #[test]
    fn a_star_stands_alone() {
        assert_eq!(contacts(&[" * "]), Ok(Contacts::Star));
        assert_eq!(contacts(&[]), Ok(Contacts::List(vec![])));
        for bad in [
            &["*, sip:a@h"][..],
            &["sip:a@h, *"],
            &["*", "*"],
            &["sip:a@h,,"],
        ] {
            assert!(contacts(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn preferences_are_thousandths() {
        for (text, value) in [
            ("1", Some(1000)),
            ("0.75", Some(750)),
            ("1.000", Some(1000)),
            ("1.1", None),
            ("0.1234", None),
            ("x", None),
        ] {
            assert_eq!(thousandths(text.as_bytes()), value, "{text}");
        }
    }
}
