//! What tells the neighbours that an address is here now.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto,
    socket_with,
};
use socket2::{Domain, Socket, Type};

const EVERYBODY: [u8; 6] = [0xff; 6];
const NOBODY: [u8; 6] = [0; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const FRAME_OCTETS_MAX: usize = 128;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Replace what you know (RFC 4861 §4.4).
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_ADDRESS: u8 = 2;
/// Advertisements from farther away are not believed (RFC 4861 §7.1.2).
const HOP_LIMIT: u32 = 255;

/// Says on the interface of this index and link address that `address` is there.
pub(crate) fn announce(index: u32, mac: [u8; 6], address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(address) => by_arp(index, mac, address),
        IpAddr::V6(address) => by_neighbour_discovery(index, mac, address),
    }
}

/// Whether this process may say anything at all.
pub(crate) fn check() -> io::Result<()> {
    packets(None).map(drop)
}

/// A socket for whole frames; it hears those of a protocol, if one is named.
fn packets(hears: Option<Protocol>) -> io::Result<OwnedFd> {
    let packets = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        hears,
    )?;
    Ok(packets)
}

/// Asks the neighbours whether one of them has an address of IPv4 (RFC 5227 §2.1.1), and waits for an answer.
pub(crate) fn is_taken(
    index: u32,
    mac: [u8; 6],
    address: Ipv4Addr,
    wait: Duration,
) -> io::Result<bool> {
    let arp = NonZeroU32::new(ETHERTYPE_ARP.to_be().into()).map(Protocol::from_raw);
    let socket = packets(arp)?;
    let probe = arp_frame(mac, Ipv4Addr::UNSPECIFIED, NOBODY, address, ARP_REQUEST);
    sendto(
        &socket,
        &probe,
        SendFlags::empty(),
        &LinkAddress::broadcast(index),
    )?;
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(left))?;
        let mut frame = [0; FRAME_OCTETS_MAX];
        match recv(&socket, &mut frame, RecvFlags::empty()) {
            Ok((octets, _)) if is_claim(&frame[..octets], mac, address) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether somebody else says in a frame that the address is there.
fn is_claim(frame: &[u8], own: [u8; 6], address: Ipv4Addr) -> bool {
    let is_arp = frame.get(12..14) == Some(&ETHERTYPE_ARP.to_be_bytes());
    let from_another = frame.get(22..28).is_some_and(|sender| sender != own);
    is_arp && from_another && frame.get(28..32) == Some(&address.octets())
}

/// As a request and as a reply: there are neighbours that believe only one of them (RFC 5227 §3).
fn by_arp(index: u32, mac: [u8; 6], address: Ipv4Addr) -> io::Result<()> {
    let socket = packets(None)?;
    let everybody = LinkAddress::broadcast(index);
    for operation in [ARP_REQUEST, ARP_REPLY] {
        let frame = gratuitous_arp(mac, address, operation);
        sendto(&socket, &frame, SendFlags::empty(), &everybody)?;
    }
    Ok(())
}

fn gratuitous_arp(mac: [u8; 6], address: Ipv4Addr, operation: u16) -> Vec<u8> {
    let whom = if operation == ARP_REPLY { mac } else { NOBODY };
    arp_frame(mac, address, whom, address, operation)
}

fn arp_frame(
    mac: [u8; 6],
    sender: Ipv4Addr,
    whom: [u8; 6],
    target: Ipv4Addr,
    operation: u16,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(EVERYBODY);
    frame.extend(mac);
    frame.extend(ETHERTYPE_ARP.to_be_bytes());
    // Ethernet and IPv4, with addresses of 6 and 4 octets.
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(mac);
    frame.extend(sender.octets());
    frame.extend(whom);
    frame.extend(target.octets());
    frame
}

fn by_neighbour_discovery(index: u32, mac: [u8; 6], address: Ipv6Addr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(socket2::Protocol::ICMPV6))?;
    socket.set_multicast_hops_v6(HOP_LIMIT)?;
    socket.set_multicast_if_v6(index)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    let everybody = SocketAddrV6::new(ALL_NODES, 0, 0, index);
    socket.send_to(
        &unsolicited_advertisement(mac, address),
        &SocketAddr::V6(everybody).into(),
    )?;
    Ok(())
}

/// The kernel fills the checksum in (RFC 3542 §3.1).
fn unsolicited_advertisement(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    message.extend([TARGET_LINK_ADDRESS, 1]);
    message.extend(mac);
    message
}

/// `struct sockaddr_ll` of packet(7), which rustix does not have.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    hardware: u16,
    packet: u8,
    octets: u8,
    address: [u8; 8],
}

impl LinkAddress {
    fn broadcast(index: u32) -> Self {
        let mut address = [0; 8];
        address[..EVERYBODY.len()].copy_from_slice(&EVERYBODY);
        Self {
            family: AddressFamily::PACKET.as_raw(),
            protocol: ETHERTYPE_ARP.to_be(),
            index,
            hardware: 0,
            packet: 0,
            octets: 6,
            address,
        }
    }
}

// SAFETY: the pointer is to a value of this function's caller that lives as long as the call, has the layout of
// `struct sockaddr_ll`, no padding, and the length that is passed.
#[allow(
    unsafe_code,
    reason = "a socket address that the library does not know"
)]
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        let length = size_of::<Self>() as SocketAddrLen;
        f(std::ptr::from_ref(self).cast(), length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_gratuitous_arp_names_the_address_twice() {
        let address = Ipv4Addr::new(10, 77, 1, 101);
        let request = gratuitous_arp(MAC, address, ARP_REQUEST);
        assert_eq!(request.len(), 42);
        assert_eq!(
            request[..14],
            [EVERYBODY.as_slice(), &MAC, &[8, 6]].concat()
        );
        assert_eq!(request[28..32], address.octets());
        assert_eq!(request[38..42], address.octets());
        assert_eq!(request[32..38], NOBODY);
        // Linux believes a reply only if it is addressed to its sender.
        assert_eq!(gratuitous_arp(MAC, address, ARP_REPLY)[32..38], MAC);
    }

    #[test]
    fn only_another_s_word_makes_an_address_taken() {
        let address = Ipv4Addr::new(10, 77, 1, 101);
        let said = |mac, address| gratuitous_arp(mac, address, ARP_REPLY);
        let other = [2, 0, 0, 0, 0, 7];
        assert!(is_claim(&said(other, address), MAC, address));
        assert!(!is_claim(&said(MAC, address), MAC, address));
        assert!(!is_claim(
            &said(other, Ipv4Addr::new(10, 77, 1, 102)),
            MAC,
            address
        ));
        for length in 0..32 {
            assert!(!is_claim(&said(other, address)[..length], MAC, address));
        }
    }

    #[test]
    fn an_advertisement_overrides_what_neighbours_know() {
        let message = unsolicited_advertisement(MAC, "2001:db8::65".parse().unwrap());
        assert_eq!(message.len(), 32);
        assert_eq!((message[0], message[4]), (136, OVERRIDE));
        assert_eq!(message[24..], [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn a_link_address_has_the_layout_of_the_kernel() {
        assert_eq!(size_of::<LinkAddress>(), 20);
    }
}
