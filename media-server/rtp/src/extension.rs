//! Header extensions (RFC 3550 §5.3.1) and the elements that may be in them (RFC 8285 §4).

/// A header extension as it stands in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    pub profile: u16,
    /// Whole words of four octets.
    pub data: &'a [u8],
}

/// One element of an extension with the profile of RFC 8285.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub id: u8,
    pub data: &'a [u8],
}

const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;

impl<'a> Extension<'a> {
    /// Takes the extension off the front of what follows the contributing sources.
    pub(crate) fn split(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([p0, p1, l0, l1], rest) = octets.split_first_chunk::<4>()?;
        let data_octets = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
        let (data, rest) = rest.split_at_checked(data_octets)?;
        Some((
            Self {
                profile: u16::from_be_bytes([*p0, *p1]),
                data,
            },
            rest,
        ))
    }

    /// Appends the extension; data that is no whole number of words is filled up with zeros.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let data = &self.data[..self.data.len().min(usize::from(u16::MAX) * 4)];
        let words = u16::try_from(data.len().div_ceil(4)).expect("cut above");
        out.extend_from_slice(&self.profile.to_be_bytes());
        out.extend_from_slice(&words.to_be_bytes());
        let end = out.len() + usize::from(words) * 4;
        out.extend_from_slice(data);
        out.resize(end, 0);
    }

    /// The elements, if the profile has any; a broken one ends the list.
    #[must_use]
    pub const fn elements(&self) -> Elements<'a> {
        Elements {
            profile: self.profile,
            rest: self.data,
        }
    }
}

/// Iterates over [`Element`]s.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    profile: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest; // padding between elements
        }
        let (id, octets, rest) = if self.profile == ONE_BYTE_PROFILE {
            let (first, rest) = self.rest.split_first()?;
            (first >> 4, usize::from(first & 0x0f) + 1, rest)
        } else if self.profile & 0xfff0 == TWO_BYTE_PROFILE {
            let ([id, octets], rest) = self.rest.split_first_chunk::<2>()?;
            (*id, usize::from(*octets), rest)
        } else {
            return None;
        };
        let reserved = self.profile == ONE_BYTE_PROFILE && id == 15; // RFC 8285 §4.2: stop here
        let (data, rest) = rest
            .split_at_checked(octets)
            .filter(|_| !reserved)
            .unwrap_or_default();
        self.rest = rest;
        if reserved || data.len() != octets {
            None
        } else {
            Some(Element { id, data })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(profile: u16, data: &[u8]) -> Vec<(u8, usize)> {
        Extension { profile, data }
            .elements()
            .map(|element| (element.id, element.data.len()))
            .collect()
    }

    #[test]
    fn elements_with_one_octet_headers() {
        assert_eq!(
            ids(0xbede, &[0x10, 1, 0, 0x21, 2, 3, 0, 0]),
            [(1, 1), (2, 2)]
        );
        assert_eq!(ids(0xbede, &[0xf0, 1, 0x10, 1]), [], "15 ends the list");
        assert_eq!(
            ids(0xbede, &[0x1f, 1, 2, 3]),
            [],
            "longer than the extension"
        );
    }

    #[test]
    fn elements_with_two_octet_headers() {
        assert_eq!(ids(0x1000, &[1, 0, 2, 1, 9, 0, 0, 0]), [(1, 0), (2, 1)]);
        assert_eq!(ids(0x1005, &[1, 3, 9, 9]), []);
    }

    #[test]
    fn an_unknown_profile_has_no_elements() {
        assert_eq!(ids(0x1234, &[0x10, 1, 0, 0]), []);
    }
}
