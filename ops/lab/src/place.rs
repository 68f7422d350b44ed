//! Who is where: names and addresses of a lab's hosts.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::net::Ipv4Addr;

pub(crate) const LOOPBACK: &str = "127.0";
pub(crate) const BRIDGED: &str = "10.77";

/// The first half of every address of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) first: u8,
    pub(crate) second: u8,
}

/// What a host is for; its number is the third octet of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Control,
    Media,
    Phone,
}

impl Net {
    pub(crate) fn parse(text: &str, namespaces: bool) -> Result<Self> {
        let octets = text
            .split_once('.')
            .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (first, second) =
            octets.with_context(|| format!("--net {text}: write two octets, such as 127.0"))?;
        if !namespaces && first != 127 {
            bail!("--net {text}: on loopback every address starts with 127");
        }
        if namespaces && first != 10 {
            bail!("--net {text}: in namespaces every address starts with 10");
        }
        Ok(Self { first, second })
    }

    pub(crate) fn address(self, kind: Kind, number: u8) -> Ipv4Addr {
        let third = match kind {
            Kind::Control => 1,
            Kind::Media => 2,
            Kind::Phone => 3,
        };
        Ipv4Addr::new(self.first, self.second, third, number)
    }

    /// What others take over of a control node: no other host of the net has such a number.
    pub(crate) fn floating(self, number: u8) -> Ipv4Addr {
        const FIRST: u8 = 100;
        self.address(Kind::Control, FIRST + number)
    }

    /// This machine's own address on the bridge.
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(self.first, self.second, 0, 1)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.first, self.second)
    }
}

impl Kind {
    pub(crate) fn name(self, number: u8) -> String {
        let kind = match self {
            Self::Control => "control",
            Self::Media => "media",
            Self::Phone => "phone",
        };
        format!("{kind}{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_contract() {
        let loopback = Net::parse(LOOPBACK, false).unwrap();
        assert_eq!(loopback.address(Kind::Control, 2).to_string(), "127.0.1.2");
        assert_eq!(loopback.address(Kind::Media, 1).to_string(), "127.0.2.1");
        let bridged = Net::parse(BRIDGED, true).unwrap();
        assert_eq!(bridged.address(Kind::Phone, 4).to_string(), "10.77.3.4");
        assert_eq!(bridged.floating(1).to_string(), "10.77.1.101");
    }

    #[test]
    fn a_net_outside_of_loopback_is_refused_without_namespaces() {
        assert!(Net::parse("10.77", false).is_err());
        assert!(Net::parse("127.0", true).is_err());
        assert!(Net::parse("127", false).is_err());
    }
}
