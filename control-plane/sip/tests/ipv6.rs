//! The cases of RFC 5118, SIP over IPv6, in messages of our own writing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use bytes::Bytes;
use carillon_sip::sdp::SessionDescription;
use carillon_sip::{Fault, Framing, Host, Message, ParseError, validate};

fn parse(name: &str) -> Result<Message, ParseError> {
    let path = format!("{}/tests/data/ipv6/{name}.sip", env!("CARGO_MANIFEST_DIR"));
    let octets = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Message::parse(&Bytes::from(octets), Framing::Datagram)
}

fn message(name: &str) -> Message {
    let message = parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(validate(&message), Ok(()), "{name}");
    message
}

fn v6(text: &str) -> Option<Host<'static>> {
    Some(Host::V6(text.parse().unwrap()))
}

#[test]
fn section_4_1_an_address_in_brackets() {
    let message = message("4.1-reference");
    assert_eq!(message.uri().unwrap().host(), v6("2001:db8::10"));
    assert_eq!(Some(message.via().unwrap().host()), v6("2001:db8::9:1"));
    let contacts = message.contacts().unwrap();
    assert_eq!(
        contacts.single().unwrap().address.uri.host(),
        v6("2001:db8::1")
    );
}

#[test]
fn section_4_2_an_address_without_brackets_is_refused() {
    let error = parse("4.2-without-delimiters").unwrap_err();
    assert!(matches!(error.fault, Fault::StartLine(_)));
    assert_eq!(error.response().unwrap().status(), Some(400));
}

#[test]
fn section_4_3_a_port_inside_the_brackets_is_part_of_the_address() {
    let message = message("4.3-port-inside");
    assert_eq!(message.uri().unwrap().host(), v6("2001:db8::10:5070"));
    assert_eq!(message.uri().unwrap().port(), None);
}

#[test]
fn section_4_4_a_port_behind_the_brackets_is_a_port() {
    let message = message("4.4-port-outside");
    assert_eq!(message.uri().unwrap().host(), v6("2001:db8::10"));
    assert_eq!(message.uri().unwrap().port(), Some(5070));
}

#[test]
fn section_4_5_received_with_and_without_brackets() {
    for name in ["4.5-received-delimited", "4.5-received-bare"] {
        let via = message(name).via().unwrap();
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok(), "{name}");
    }
}

#[test]
fn section_4_6_an_address_in_the_session_description() {
    let message = message("4.6-sdp");
    let sdp = SessionDescription::parse(&message.body).unwrap();
    assert_eq!(
        sdp.rtp_address(&sdp.media[0]),
        Some("[2001:db8::20]:6000".parse().unwrap())
    );
    assert_eq!(
        sdp.rtcp_address(&sdp.media[1]),
        Some("[2001:db8::20]:6025".parse().unwrap())
    );
    assert_eq!(message.to().unwrap().uri.host(), v6("2001:db8::10"));
}

#[test]
fn section_4_7_addresses_of_both_kinds_in_the_headers() {
    let message = message("4.7-many-headers");
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    assert_eq!(vias[0].port, Some(6050));
    assert_eq!(vias[1].host(), Host::V4([192, 0, 2, 1].into()));
    assert_eq!(vias[2].received(), "192.0.2.200".parse().ok());
}

#[test]
fn section_4_8_addresses_of_both_kinds_in_the_session_description() {
    let message = message("4.8-many-sdp");
    let sdp = SessionDescription::parse(&message.body).unwrap();
    assert_eq!(
        sdp.rtp_address(&sdp.media[0]),
        Some("192.0.2.1:22334".parse().unwrap())
    );
    assert_eq!(
        sdp.rtp_address(&sdp.media[1]),
        Some("[2001:db8::1]:6024".parse().unwrap())
    );
}

#[test]
fn section_4_9_an_ipv4_address_mapped() {
    let message = message("4.9-mapped-ipv4");
    let via = message.via().unwrap();
    assert_eq!(Some(via.host()), v6("::ffff:192.0.2.10"));
    assert_eq!(via.port, Some(19823));
    let sdp = SessionDescription::parse(&message.body).unwrap();
    assert_eq!(
        sdp.rtp_address(&sdp.media[0]),
        Some("[::ffff:192.0.2.10]:22334".parse().unwrap())
    );
}

#[test]
fn section_4_10_a_third_colon_is_forgiven() {
    let message = message("4.10-extra-colon");
    assert_eq!(message.uri().unwrap().host(), v6("2001:db8::192.0.2.1"));
    assert_eq!(message.to().unwrap().uri.host(), v6("2001:db8::192.0.2.1"));
}
