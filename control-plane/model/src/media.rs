//! Sites and media servers.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{MediaServerId, SiteId};

/// Addresses with a common beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Subnet {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                shift == 32 || net.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                shift == 128 || net.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// A place with phones and media servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Site {
    /// Number of the site.
    pub id: SiteId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Its name.
    pub name: String,
    /// Addresses of its phones.
    pub subnets: Vec<Subnet>,
}

/// Where a media server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaState {
    /// Takes sessions.
    #[default]
    Active,
    /// Takes no new sessions.
    Draining,
}

/// A media server as it was announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaServer {
    /// Number of the server.
    pub id: MediaServerId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its site.
    pub site: SiteId,
    /// Where it takes session descriptors.
    pub control: SocketAddr,
    /// Where phones send media.
    pub address: IpAddr,
    /// The same for IPv6, if it has both.
    #[serde(default)]
    pub address_v6: Option<IpAddr>,
    /// Its share of a site's sessions; 0 takes none.
    pub weight: u32,
    /// First and last RTP port.
    pub ports: (u16, u16),
    /// Where it stands.
    #[serde(default)]
    pub state: MediaState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_holds_its_own_and_no_others() {
        let office = Subnet {
            address: "10.1.2.3".parse().unwrap(),
            prefix: 16,
        };
        assert!(office.contains("10.1.200.1".parse().unwrap()));
        assert!(!office.contains("10.2.0.1".parse().unwrap()));
        assert!(!office.contains("::1".parse().unwrap()));
        let all = Subnet {
            address: "::".parse().unwrap(),
            prefix: 0,
        };
        assert!(all.contains("2001:db8::1".parse().unwrap()));
    }
}
