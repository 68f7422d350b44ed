use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use crate::text::Text;

/// The data of a `c=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `IP4` or `IP6`.
    pub family: Text,
    /// An address, a host name, or a multicast address with what follows its slash.
    pub host: Text,
}

impl Connection {
    /// The connection data of an address.
    pub fn to(address: IpAddr) -> Self {
        Self {
            family: family(address),
            host: Text::from(address.to_string()),
        }
    }

    pub(super) fn parse(value: &Bytes) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut words = text.split_ascii_whitespace();
        let (net, family, host) = (words.next()?, words.next()?, words.next()?);
        let whole = net.eq_ignore_ascii_case("IN") && words.next().is_none();
        whole.then(|| Self {
            family: Text::from(family),
            host: Text::from(host),
        })
    }

    /// The unicast address; `None` for a host name and for multicast.
    pub fn address(&self) -> Option<IpAddr> {
        self.host
            .parse()
            .ok()
            .filter(|address: &IpAddr| !address.is_multicast())
    }
}

pub(super) fn family(address: IpAddr) -> Text {
    Text::from_static(match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    })
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN {} {}", self.family, self.host)
    }
}
