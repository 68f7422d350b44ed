use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use crate::error::Malformed;
use crate::scan;

/// Where a URI or a Via points: a name or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A domain name.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// A host that was checked when it was read.
    pub(crate) fn of(text: &'a str) -> Self {
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = inner.and_then(v6) {
            return Self::V6(address);
        }
        match text.parse() {
            Ok(address) => Self::V4(address),
            Err(_) => Self::Name(text),
        }
    }

    /// The address, if the host is one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(address.into()),
            Self::V6(address) => Some(address.into()),
        }
    }

    /// The address with a port, if the host is an address.
    pub fn socket(self, port: u16) -> Option<SocketAddr> {
        self.address().map(|address| SocketAddr::new(address, port))
    }

    /// Whether both are the same host: addresses by value, names without case.
    pub fn matches(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V4(one), Host::V4(two)) => one == two,
            (Self::V6(one), Host::V6(two)) => one == two,
            (Self::Name(_) | Self::V4(_) | Self::V6(_), _) => false,
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

pub(crate) struct HostPort {
    pub(crate) host: Range<usize>,
    pub(crate) port: Option<u16>,
}

/// Reads `host[:port]`; blanks may stand around the colon (RFC 3261 §25.1, COLON).
pub(crate) fn host_port(octets: &[u8]) -> Result<HostPort, Malformed> {
    let end = if octets.first() == Some(&b'[') {
        let close = memchr::memchr(b']', octets).ok_or(Malformed("bracket does not close"))?;
        let inner = std::str::from_utf8(&octets[1..close]).ok();
        inner
            .and_then(v6)
            .ok_or(Malformed("no IPv6 address in the brackets"))?;
        close + 1
    } else {
        octets
            .iter()
            .position(|&o| !is_name(o))
            .unwrap_or(octets.len())
    };
    if end == 0 {
        return Err(Malformed("no host"));
    }
    let port = match scan::trim(&octets[end..]) {
        [] => None,
        [b':', digits @ ..] => {
            let port = scan::number(scan::trim(digits)).and_then(|n| u16::try_from(n).ok());
            Some(port.ok_or(Malformed("bad port"))?)
        }
        _ => return Err(Malformed("character that no host has")),
    };
    Ok(HostPort { host: 0..end, port })
}

/// Underscores are no part of the grammar, but of the names in many a local network.
fn is_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_')
}

/// An IPv6 address. The grammar of RFC 3261 lets a third colon slip in before an IPv4 tail
/// (`2001:db8:::192.0.2.1`); RFC 5118 §4.10 asks to be lenient there.
pub(crate) fn v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (head, tail) = text.split_once(":::")?;
        tail.contains('.')
            .then(|| format!("{head}::{tail}").parse().ok())?
    })
}
