//! The few messages of rtnetlink(7) that addresses need, as octets. One request, one answer.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
/// The kernel is not to look first whether somebody else has an address of IPv6: it is known that nobody may.
const IFA_F_NODAD: u8 = 0x2;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const HEADER_OCTETS: usize = 16;
const LINK_OCTETS: usize = 16;
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// The kernel answers before the request returns; this is for one that is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A socket towards the kernel's routing tables.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: File,
    sequence: u32,
}

/// A network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    /// Its address on the wire, where that is one of Ethernet.
    pub(crate) mac: Option<[u8; 6]>,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        // Protocol 0 is NETLINK_ROUTE.
        let socket: OwnedFd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN))?;
        Ok(Self {
            socket: File::from(socket),
            sequence: 0,
        })
    }

    /// The interface of a name.
    pub(crate) fn link(&mut self, name: &str) -> io::Result<Link> {
        let mut body = vec![AF_UNSPEC; LINK_OCTETS];
        attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        let answer = self.ask(RTM_GETLINK, NLM_F_REQUEST, &body)?;
        read_link(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Gives an interface an address, or gives it for longer. After `valid` the kernel takes it away by itself.
    pub(crate) fn add(&mut self, index: u32, address: IpAddr, valid: Duration) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut body = address_body(index, address);
        attribute(&mut body, IFA_CACHEINFO, &lifetime(valid));
        self.ask(RTM_NEWADDR, flags, &body).map(drop)
    }

    pub(crate) fn remove(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        let body = address_body(index, address);
        self.ask(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, &body)
            .map(drop)
    }

    /// Sends a request and reads what the kernel says to it; a refusal is an error.
    fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(kind, flags, self.sequence, body);
        self.socket.write_all(&request)?;
        loop {
            let mut answer = vec![0; ANSWER_OCTETS_MAX];
            let octets = self.socket.read(&mut answer)?;
            answer.truncate(octets);
            // An answer that came too late for its request is not this one's.
            if number(&answer, 8) == Some(self.sequence) {
                return refusal(&answer).map_or(Ok(answer), Err);
            }
        }
    }
}

fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let octets = u32::try_from(HEADER_OCTETS + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER_OCTETS + body.len());
    message.extend(octets.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    // The kernel knows who asks.
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}

/// `struct ifaddrmsg`. The prefix is the whole address: the interface has another one in its network already, which leads
/// there, and which connections of this machine start from.
fn address_body(index: u32, address: IpAddr) -> Vec<u8> {
    let (family, octets, flags) = match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec(), 0),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec(), IFA_F_NODAD),
    };
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let mut body = vec![family, prefix, flags, 0];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &octets);
    attribute(&mut body, IFA_ADDRESS, &octets);
    body
}

/// `struct ifa_cacheinfo`. Never preferred: nothing that this machine begins starts from the address by itself.
fn lifetime(valid: Duration) -> Vec<u8> {
    let valid_s = u32::try_from(valid.as_secs().max(1)).unwrap_or(u32::MAX);
    [0, valid_s, 0, 0].map(u32::to_ne_bytes).concat()
}

/// `struct rtattr`, filled up to the next four octets.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let octets = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(octets.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    let four = octets.get(at..at + 4)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

fn short(octets: &[u8], at: usize) -> Option<u16> {
    let two = octets.get(at..at + 2)?;
    Some(u16::from_ne_bytes(two.try_into().ok()?))
}

/// The error in an answer; 0 stands for none.
fn refusal(answer: &[u8]) -> Option<io::Error> {
    if short(answer, 4)? != NLMSG_ERROR {
        return None;
    }
    let code = number(answer, HEADER_OCTETS)?.cast_signed();
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

fn read_link(answer: &[u8]) -> Option<Link> {
    if short(answer, 4)? != RTM_NEWLINK {
        return None;
    }
    let index = number(answer, HEADER_OCTETS + 4)?;
    let mut rest = answer.get(HEADER_OCTETS + LINK_OCTETS..)?;
    let mut mac = None;
    while let (Some(octets), Some(kind)) = (short(rest, 0), short(rest, 2)) {
        let Some(value) = rest.get(4..usize::from(octets)) else {
            break;
        };
        if kind == IFLA_ADDRESS {
            // That of loopback is nobody's.
            mac = value.try_into().ok().filter(|mac| *mac != [0; 6]);
        }
        rest = rest
            .get(usize::from(octets).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(Link { index, mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_as_the_kernel_reads_it() {
        let body = address_body(7, "10.77.1.101".parse().unwrap());
        assert_eq!(body[..4], [AF_INET, 32, 0, 0]);
        assert_eq!(number(&body, 4), Some(7));
        assert_eq!(
            (short(&body, 8), short(&body, 10)),
            (Some(8), Some(IFA_LOCAL))
        );
        assert_eq!(body[12..16], [10, 77, 1, 101]);
        let request = request(RTM_NEWADDR, NLM_F_REQUEST, 3, &body);
        assert_eq!(number(&request, 0), Some(request.len() as u32));
        assert_eq!(number(&request, 8), Some(3));
    }

    #[test]
    fn an_interface_is_read_from_among_other_attributes() {
        let mut body = vec![0; LINK_OCTETS];
        body[4..8].copy_from_slice(&9_u32.to_ne_bytes());
        attribute(&mut body, IFLA_IFNAME, b"eth0\0");
        attribute(&mut body, IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]);
        let answer = request(RTM_NEWLINK, 0, 1, &body);
        let mac = Some([2, 0, 0, 0, 0, 9]);
        assert_eq!(read_link(&answer), Some(Link { index: 9, mac }));
        // What is cut off anywhere is no reason to panic.
        for length in 0..answer.len() {
            let _ = read_link(&answer[..length]);
            let _ = refusal(&answer[..length]);
        }
    }

    #[test]
    fn a_refusal_is_an_error_of_the_system() {
        let answer = |code: i32| request(NLMSG_ERROR, 0, 1, &code.to_ne_bytes());
        assert!(refusal(&answer(0)).is_none());
        let denied = refusal(&answer(-1)).unwrap();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
    }
}
