use std::fmt;

use bytes::Bytes;

use crate::error::Malformed;
use crate::method::Method;
use crate::scan;

/// The largest sequence number: below 2^31 (RFC 3261 §8.1.1.5).
pub(crate) const LARGEST: u64 = (1 << 31) - 1;

/// The place of a request among those of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method, which is that of the request line too.
    pub method: Method,
}

impl CSeq {
    /// A sequence number with its method.
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads the value of a CSeq header.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let (number, method) = word(scan::trim(octets))?;
        let number = u32::try_from(
            scan::number(number)
                .filter(|n| *n <= LARGEST)
                .unwrap_or(u64::MAX),
        )
        .map_err(|_| Malformed("sequence number is not below 2^31"))?;
        Ok(Self {
            number,
            method: Method::parse(&scan::share(octets, method))?,
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl From<CSeq> for Bytes {
    fn from(cseq: CSeq) -> Self {
        Self::from(cseq.to_string())
    }
}

/// Which reliable provisional response a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub response: u32,
    /// The CSeq of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads the value of an RAck header.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let (number, rest) = word(scan::trim(octets))?;
        let response = scan::number(number).and_then(|n| u32::try_from(n).ok());
        Ok(Self {
            response: response.ok_or(Malformed("response number does not fit"))?,
            cseq: CSeq::parse(&scan::share(octets, rest))?,
        })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.response, self.cseq)
    }
}

impl From<RAck> for Bytes {
    fn from(rack: RAck) -> Self {
        Self::from(rack.to_string())
    }
}

/// The first word, and what follows it.
fn word(octets: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let end = memchr::memchr2(b' ', b'\t', octets).ok_or(Malformed("no method"))?;
    Ok((&octets[..end], scan::trim(&octets[end..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cseq(text: &'static str) -> Result<CSeq, Malformed> {
        CSeq::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn blanks_and_leading_zeros_do_not_matter() {
        assert_eq!(cseq(" 0009 \t INVITE "), Ok(CSeq::new(9, Method::Invite)));
        assert_eq!(
            cseq("2147483647 X").map(|c| c.to_string()),
            Ok("2147483647 X".into())
        );
    }

    #[test]
    fn numbers_past_the_range_are_refused() {
        for bad in [
            "2147483648 INVITE",
            "36893488147419103232 REGISTER",
            "-1 BYE",
            "1",
            "INVITE",
            "",
        ] {
            assert!(cseq(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_rack_is_a_number_and_a_cseq() {
        let rack = RAck::parse(&Bytes::from_static(b"776656 1 INVITE")).unwrap();
        assert_eq!((rack.response, rack.cseq.number), (776_656, 1));
        assert_eq!(rack.to_string(), "776656 1 INVITE");
    }
}
