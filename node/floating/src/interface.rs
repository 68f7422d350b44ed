use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustix::io::Errno;

use crate::announce::{announce, check, is_taken};
use crate::netlink::{Link, Netlink};

/// A network interface whose addresses this process may change.
#[derive(Debug)]
pub struct Interface {
    name: String,
    netlink: Netlink,
    link: Link,
}

impl Interface {
    /// Finds an interface, and out whether this process may change it: for that it needs `CAP_NET_ADMIN` and, for the
    /// neighbours, `CAP_NET_RAW`. `spare` is an address that it does not have, or has no more afterwards.
    pub fn open(name: &str, spare: IpAddr) -> io::Result<Self> {
        let mut netlink = Netlink::open()?;
        let link = netlink.link(name)?;
        if link.mac.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "its neighbours are not reached by Ethernet",
            ));
        }
        let mut interface = Self {
            name: name.to_owned(),
            netlink,
            link,
        };
        interface.remove(spare)?;
        check()?;
        Ok(interface)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it an address; for longer, if it has it. After `valid`, in whole seconds, the kernel takes it away by itself,
    /// give or take a second, whatever has become of this process.
    pub fn add(&mut self, address: IpAddr, valid: Duration) -> io::Result<()> {
        self.netlink.add(self.link.index, address, valid)
    }

    /// Takes an address away, if it has it.
    pub fn remove(&mut self, address: IpAddr) -> io::Result<()> {
        match self.netlink.remove(self.link.index, address) {
            Err(error) if error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()) => {
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether a neighbour says that it has an address; not for IPv6.
    pub fn is_taken(&self, address: IpAddr, wait: Duration) -> io::Result<bool> {
        match (self.link.mac, address) {
            (Some(mac), IpAddr::V4(address)) => is_taken(self.link.index, mac, address, wait),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Tells the neighbours that an address is here.
    pub fn announce(&self, address: IpAddr) -> io::Result<()> {
        match self.link.mac {
            Some(mac) => announce(self.link.index, mac, address),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
