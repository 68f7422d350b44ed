//! Addresses that follow their node, and that another holds while it is away.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The floating address of a node, and the length of its network's prefix: who has an address in the same network can hold
/// this one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatingAddress {
    /// What phones know.
    pub address: IpAddr,
    /// Which network it is in.
    pub prefix: u8,
}

impl FloatingAddress {
    /// Whether who has the one can be reached at the other.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.prefix == other.prefix
            && self.address.is_ipv4() == other.address.is_ipv4()
            && self.network() == other.network()
    }

    fn network(&self) -> u128 {
        let (bits, width) = match self.address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let host = width - u32::from(self.prefix).min(width);
        bits.checked_shr(host).unwrap_or(0)
    }
}

impl fmt::Display for FloatingAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A text that is no address with the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseFloatingAddressError;

impl fmt::Display for ParseFloatingAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write it as 192.0.2.101/24: an address that no machine has, and the prefix of its network")
    }
}

impl std::error::Error for ParseFloatingAddressError {}

impl FromStr for FloatingAddress {
    type Err = ParseFloatingAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').ok_or(ParseFloatingAddressError)?;
        let address: IpAddr = address.parse().map_err(|_| ParseFloatingAddressError)?;
        let prefix: u8 = prefix.parse().map_err(|_| ParseFloatingAddressError)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let usable = !address.is_unspecified() && !address.is_multicast() && !address.is_loopback();
        if !usable || !(1..=width).contains(&prefix) {
            return Err(ParseFloatingAddressError);
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floating(text: &str) -> FloatingAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_reads_back_what_it_wrote_and_others_are_refused() {
        for text in ["10.77.1.101/16", "2001:db8::65/64"] {
            assert_eq!(floating(text).to_string(), text);
        }
        for text in [
            "",
            "10.77.1.101",
            "10.77.1.101/33",
            "10.77.1.101/0",
            "0.0.0.0/8",
            "127.0.0.1/8",
            "224.0.0.1/8",
            "pbx.example/24",
        ] {
            assert!(text.parse::<FloatingAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_one_network_are_beside_each_other() {
        let here = floating("10.77.1.101/24");
        assert!(here.is_beside(&floating("10.77.1.102/24")));
        assert!(!here.is_beside(&floating("10.77.2.102/24")));
        assert!(!here.is_beside(&floating("10.77.1.102/16")));
        assert!(!here.is_beside(&floating("2001:db8::65/24")));
        assert!(floating("2001:db8::1/64").is_beside(&floating("2001:db8::2/64")));
        assert!(floating("10.0.0.1/32").is_beside(&floating("10.0.0.1/32")));
    }
}
