//! Addresses of one network interface that come and go: rtnetlink gives and takes them, gratuitous ARP and unsolicited
//! neighbour advertisements tell the neighbours.
//!
//! It does not know why an address is wanted here, nor who else might have it.

mod announce;
mod interface;
mod netlink;

pub use interface::Interface;
