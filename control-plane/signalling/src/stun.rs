//! Keep-alives of phones over UDP (RFC 5626 §4.4.2): a phone asks by STUN (RFC 5389) on the SIP port, and learns that its way
//! is open and by which address it is seen.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

const HEADER_OCTETS: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_RESPONSE: u16 = 0x0101;
const COOKIE: u32 = 0x2112_a442;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes from here on need not be understood (RFC 5389 §15).
const OPTIONAL: u16 = 0x8000;

/// The answer to a binding request from `source`; `None` for all else, and for requests that want more than a keep-alive does.
pub(crate) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let (header, attributes) = datagram.split_at_checked(HEADER_OCTETS)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_request = header[..2] == BINDING_REQUEST && header[4..8] == COOKIE.to_be_bytes();
    if !is_request || length != attributes.len() || !can_be_passed_over(attributes) {
        return None;
    }
    let address = xored(source.ip(), &header[4..HEADER_OCTETS]);
    let family = if source.is_ipv4() { 1 } else { 2 };
    let value_octets = 4 + address.len();
    let mut answer = BytesMut::with_capacity(HEADER_OCTETS + 4 + value_octets);
    answer.put_u16(BINDING_RESPONSE);
    answer.put_u16(u16::try_from(4 + value_octets).ok()?);
    answer.put_slice(&header[4..]);
    answer.put_u16(XOR_MAPPED_ADDRESS);
    answer.put_u16(u16::try_from(value_octets).ok()?);
    answer.put_u16(family);
    answer.put_u16(source.port() ^ (COOKIE >> 16) as u16);
    answer.put_slice(&address);
    Some(answer.freeze())
}

/// An address, hidden from routers that would translate it (RFC 5389 §15.2); `key` is the cookie and the transaction id.
fn xored(address: IpAddr, key: &[u8]) -> Vec<u8> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let pairs = octets.iter().zip(key);
    pairs.map(|(octet, key)| octet ^ key).collect()
}

/// Whether no attribute has to be understood. One that is cut off has.
fn can_be_passed_over(mut attributes: &[u8]) -> bool {
    while let [first, second, third, fourth, rest @ ..] = attributes {
        if u16::from_be_bytes([*first, *second]) < OPTIONAL {
            return false;
        }
        let octets = usize::from(u16::from_be_bytes([*third, *fourth]));
        let Some(rest) = rest.get(octets.next_multiple_of(4)..) else {
            return false;
        };
        attributes = rest;
    }
    attributes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction of the examples of RFC 5769.
    const TRANSACTION: [u8; 12] = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap();
        let mut octets = vec![0, 1];
        octets.extend(length.to_be_bytes());
        octets.extend(COOKIE.to_be_bytes());
        octets.extend(TRANSACTION);
        octets.extend(attributes);
        octets
    }

    /// RFC 5769 §2.2 and §2.3: these addresses in that transaction.
    #[test]
    fn the_addresses_of_the_rfc_are_hidden_as_it_says() {
        let source = "192.0.2.1:32853".parse().unwrap();
        let answered = answer(&request(&[]), source).unwrap();
        assert_eq!(answered[..4], [0x01, 0x01, 0, 12]);
        assert_eq!(answered[8..20], TRANSACTION);
        assert_eq!(
            answered[20..],
            [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
            .parse()
            .unwrap();
        let answered = answer(&request(&[]), source).unwrap();
        let hidden = [
            0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
            0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(answered[20..], hidden);
    }

    #[test]
    fn only_a_binding_request_that_wants_nothing_more_is_answered() {
        let source = "192.0.2.1:32853".parse().unwrap();
        let answered = |octets: &[u8]| answer(octets, source).is_some();
        assert!(answered(&request(&[0x80, 0x22, 0, 3, b'f', b'o', b'o', 0])));
        let user_name = [0, 6, 0, 4, b'u', b's', b'e', b'r'];
        assert!(!answered(&request(&user_name)));
        assert!(
            !answered(&request(&[0x80, 0x22, 0, 9, 0, 0, 0, 0])),
            "cut off"
        );
        assert!(!answered(&request(&[])[..19]));
        assert!(!answered(b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n"));
        let mut response = request(&[]);
        response[0] = 1;
        assert!(!answered(&response), "nobody plays ball");
        let mut old = request(&[]);
        old[4] = 0;
        assert!(!answered(&old), "RFC 3489 had no cookie");
    }
}
