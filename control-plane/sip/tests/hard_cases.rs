//! What other message libraries were measured to get wrong on messages of real phones, and what
//! they let pass that must be refused.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use bytes::Bytes;
use carillon_sip::{Fault, Framing, Message, Method, Scheme, validate};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn invite(changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKnashds8\r\n\
         Max-Forwards: 70\r\n\
         To: <sip:bob@example.com>\r\n\
         From: <sip:alice@example.com>;tag=ft\r\n\
         Call-ID: a84b4c76e66710\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:alice@192.0.2.9>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\
         \r\n{SDP}",
        SDP.len()
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

fn read(text: impl Into<Vec<u8>>) -> Result<Message, Fault> {
    Message::parse(&Bytes::from(text.into()), Framing::Datagram).map_err(|error| error.fault)
}

fn valid(text: impl Into<Vec<u8>>) -> Message {
    let message = read(text).unwrap();
    assert_eq!(validate(&message), Ok(()));
    message
}

#[test]
fn a_contact_with_an_instance_in_quotes_and_brackets() {
    let contact = "Contact: <sip:alice@192.0.2.9;transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004f2>\";reg-id=1";
    let message = valid(invite(&[("Contact: <sip:alice@192.0.2.9>", contact)]));
    let contacts = message.contacts().unwrap();
    let contact = contacts.single().unwrap();
    assert_eq!(
        contact.instance().as_deref(),
        Some("<urn:uuid:00000000-0000-1000-8000-0004f2>")
    );
    assert_eq!(contact.reg_id(), Some(1));
    assert_eq!(
        contact.address.uri.as_str(),
        "sip:alice@192.0.2.9;transport=tcp"
    );
}

#[test]
fn compact_headers_are_the_same_headers() {
    let compact = [
        ("Via:", "v:"),
        ("From:", "f:"),
        ("To:", "t:"),
        ("Call-ID:", "i:"),
        ("Contact:", "m:"),
        ("Content-Length:", "l:"),
        ("Content-Type:", "c:"),
    ];
    assert_eq!(valid(invite(&compact)), valid(invite(&[])));
}

#[test]
fn ipv6_everywhere() {
    let message = valid(invite(&[
        ("192.0.2.9:5060", "[2001:db8::9]:5060"),
        ("alice@192.0.2.9>", "alice@[2001:db8::9]:5070>"),
    ]));
    assert_eq!(message.via().unwrap().host().to_string(), "[2001:db8::9]");
    let contacts = message.contacts().unwrap();
    assert_eq!(contacts.single().unwrap().address.uri.port(), Some(5070));
}

#[test]
fn a_telephone_number_as_request_uri() {
    let message = valid(invite(&[(
        "sip:bob@example.com SIP",
        "tel:+33-1-40-00-00-00;phone-context=x SIP",
    )]));
    assert_eq!(message.uri().unwrap().scheme(), Scheme::Tel);
    assert_eq!(message.uri().unwrap().user(), Some("+33-1-40-00-00-00"));
}

#[test]
fn an_extension_method_can_be_answered() {
    let message = valid(invite(&[("INVITE", "FROBNICATE")]));
    assert_eq!(message.method().map(Method::as_str), Some("FROBNICATE"));
    assert!(matches!(message.method(), Some(Method::Extension(_))));
}

#[test]
fn from_without_brackets_keeps_its_tag() {
    let message = valid(invite(&[(
        "<sip:alice@example.com>;tag=ft",
        "sip:alice@example.com;tag=ft",
    )]));
    assert_eq!(message.from().unwrap().tag(), Some("ft"));
    assert_eq!(
        message.from().unwrap().uri.as_str(),
        "sip:alice@example.com"
    );
}

#[test]
fn a_display_name_cannot_choose_the_tag() {
    let message = valid(invite(&[("<sip:alice@", "\"A, <B>; tag=no\" <sip:alice@")]));
    assert_eq!(message.from().unwrap().tag(), Some("ft"));
    assert_eq!(
        message.from().unwrap().uri.as_str(),
        "sip:alice@example.com"
    );
}

#[test]
fn a_latin_1_name_loses_no_header_behind_it() {
    let text = invite(&[("<sip:alice@", "\"Andr#\" <sip:alice@")]);
    let octets: Vec<u8> = text
        .bytes()
        .map(|o| if o == b'#' { 0xe9 } else { o })
        .collect();
    let message = valid(octets);
    assert_eq!(message.headers.len(), 8);
    assert_eq!(
        message.from().unwrap().display.as_deref(),
        Some(&b"Andr\xe9"[..])
    );
    let written = message.to_bytes();
    assert!(written.windows(5).any(|part| part == b"Andr\xe9"));
}

#[test]
fn without_content_length_a_datagram_has_a_body_to_its_end() {
    let length = format!("Content-Length: {}\r\n", SDP.len());
    let message = valid(invite(&[(&length, "")]));
    assert_eq!(message.body, SDP);
}

#[test]
fn what_follows_the_body_in_a_datagram_is_dropped() {
    let twice = invite(&[]).repeat(2);
    assert_eq!(valid(twice), valid(invite(&[])));
}

#[test]
fn empty_lines_before_a_message_are_skipped() {
    assert_eq!(
        valid(format!("\r\n\r\n{}", invite(&[]))),
        valid(invite(&[]))
    );
}

#[test]
fn a_content_length_that_cannot_be_is_refused() {
    let length = format!("Content-Length: {}", SDP.len());
    for bad in ["-1", "9999", "x", "", "18446744073709551616", "1 2"] {
        let text = invite(&[(&length, &format!("Content-Length: {bad}"))]);
        assert!(matches!(read(text), Err(Fault::ContentLength(_))), "{bad}");
    }
}

#[test]
fn start_lines_that_are_none_are_refused() {
    for bad in [
        "INVITE <sip:bob@example.com> SIP/2.0",
        "INVITE  sip:bob@example.com SIP/2.0",
        "INVITE sip:bob@example.com SIP/2.0 ",
        "INVITE sip:bob@example.com HTTP/1.1",
        "INVITE sip:bob@example.com",
        "INVITE",
        "",
        "SIP/2.0 20 OK",
        "SIP/2.0 2000 OK",
        "SIP/2.0 099 OK",
        "SIP/2.0 700 OK",
        "SIP/2.0200 OK",
        "SIP/2.0",
    ] {
        let text = invite(&[("INVITE sip:bob@example.com SIP/2.0", bad)]);
        assert!(matches!(read(text), Err(Fault::StartLine(_))), "{bad}");
    }
    for version in ["SIP/7.0", "SIP/2.1", "SIP/1.0"] {
        let text = invite(&[(
            "bob@example.com SIP/2.0",
            &format!("bob@example.com {version}"),
        )]);
        assert_eq!(read(text), Err(Fault::Version), "{version}");
    }
}

#[test]
fn line_breaks_that_are_none_are_refused() {
    assert!(read(invite(&[("Max-Forwards: 70\r\n", "Max-Forwards: 70\n")])).is_err());
    assert!(read(invite(&[("Max-Forwards: 70", "Max-\rForwards: 70")])).is_err());
    assert!(read(invite(&[("Max-Forwards: 70", "Subject: a\rX: b")])).is_err());
}

#[test]
fn limits_are_kept() {
    let many = "X: y\r\n".repeat(300);
    let error = Message::parse(
        &invite(&[("Max-Forwards: 70\r\n", &many)]).into(),
        Framing::Datagram,
    );
    let error = error.unwrap_err();
    assert_eq!(error.fault, Fault::TooManyHeaders);
    let long = format!("Subject: {}\r\n", "x".repeat(70_000));
    assert_eq!(
        read(invite(&[("Max-Forwards: 70\r\n", &long)])),
        Err(Fault::TooLarge)
    );
}

#[test]
fn a_response_is_never_answered_and_an_ack_neither() {
    let bad_length = format!("Content-Length: {}", SDP.len());
    for start in ["ACK sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK"] {
        let text = invite(&[
            ("INVITE sip:bob@example.com SIP/2.0", start),
            (&bad_length, "Content-Length: -1"),
        ]);
        let error = Message::parse(&text.into(), Framing::Datagram).unwrap_err();
        assert_eq!(error.response(), None, "{start}");
    }
}

#[test]
fn values_put_in_cannot_add_headers() {
    let mut message = valid(invite(&[]));
    message
        .headers
        .set(carillon_sip::Name::Subject, "a\r\nX-Evil: 1\r\n\r\nbody");
    let again = Message::parse(&message.to_bytes(), Framing::Stream).unwrap();
    assert_eq!(again, message);
    assert!(
        !again
            .headers
            .contains(carillon_sip::Name::extension("X-Evil"))
    );
}

#[test]
fn a_stream_message_without_content_length_has_no_body() {
    let length = format!("Content-Length: {}\r\n", SDP.len());
    let text = invite(&[(&length, "")]);
    let message = Message::parse(&text.into(), Framing::Stream).unwrap();
    assert!(message.body.is_empty());
}

#[test]
fn the_top_via_is_replaced_in_its_place() {
    let mut message = valid(invite(&[(
        "branch=z9hG4bKnashds8",
        "branch=z9hG4bKnashds8, SIP/2.0/TCP h2;branch=z9hG4bK2",
    )]));
    let mut via = message.via().unwrap();
    via.note_source("203.0.113.1:4444".parse().unwrap());
    message.replace_top_via(&via);
    let vias: Vec<_> = message.vias().map(|via| via.unwrap().to_string()).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKnashds8;received=203.0.113.1",
            "SIP/2.0/TCP h2;branch=z9hG4bK2",
        ]
    );
}
