//! The messages of RFC 4475, and what the RFC asks an element to do with each.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use bytes::Bytes;
use carillon_sip::{Capabilities, Framing, Message, Method, Name, ParseError, validate};

/// A telephone that takes calls, registrations and messages: what the RFC calls the element.
const ELEMENT: Capabilities<'static> = Capabilities {
    methods: &[
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Register,
        Method::Options,
        Method::Message,
    ],
    extensions: &["100rel", "timer", "replaces"],
    content_types: &["application/sdp", "multipart/mixed"],
};

#[derive(Debug, PartialEq)]
enum Outcome {
    /// Served.
    Taken,
    /// Answered with a refusal of this code.
    Refused(u16),
    /// Not answered and not used.
    Dropped,
}
use Outcome::{Dropped, Refused, Taken};

const MESSAGES: [(&str, &str, Outcome); 49] = [
    (
        "wsinv",
        "3.1.1.1: short and tortuous, all of it allowed",
        Taken,
    ),
    (
        "intmeth",
        "3.1.1.2: unknown method in every character there is",
        Refused(501),
    ),
    ("esc01", "3.1.1.3: escapes in URIs", Taken),
    ("escnull", "3.1.1.4: escaped nulls in URIs", Taken),
    (
        "esc02",
        "3.1.1.5: percent signs that are no escapes; not a REGISTER",
        Refused(501),
    ),
    (
        "lwsdisp",
        "3.1.1.6: no blank between display name and bracket",
        Taken,
    ),
    ("longreq", "3.1.1.7: long values", Taken),
    (
        "dblreq",
        "3.1.1.8: octets behind the message are not part of it",
        Taken,
    ),
    ("semiuri", "3.1.1.9: parameters in the user part", Taken),
    ("transports", "3.1.1.10: unknown transports in Via", Taken),
    (
        "mpart01",
        "3.1.1.11: a body of several parts with binary octets",
        Taken,
    ),
    ("unreason", "3.1.1.12: unusual reason phrase", Taken),
    ("noreason", "3.1.1.13: empty reason phrase", Taken),
    (
        "badinv01",
        "3.1.2.1: separators without anything between them",
        Refused(400),
    ),
    (
        "clerr",
        "3.1.2.2: Content-Length larger than the datagram",
        Refused(400),
    ),
    ("ncl", "3.1.2.3: negative Content-Length", Refused(400)),
    (
        "scalar02",
        "3.1.2.4: numbers too large in a request",
        Refused(400),
    ),
    (
        "scalarlg",
        "3.1.2.5: numbers too large in a response",
        Dropped,
    ),
    (
        "quotbal",
        "3.1.2.6: a quoted string that does not end",
        Refused(400),
    ),
    (
        "ltgtruri",
        "3.1.2.7: Request-URI in angle brackets",
        Refused(400),
    ),
    (
        "lwsruri",
        "3.1.2.8: blanks in the Request-URI",
        Refused(400),
    ),
    (
        "lwsstart",
        "3.1.2.9: several blanks in the request line",
        Refused(400),
    ),
    (
        "trws",
        "3.1.2.10: blanks at the end of the request line",
        Refused(400),
    ),
    (
        "escruri",
        "3.1.2.11: headers in the Request-URI",
        Refused(400),
    ),
    (
        "baddate",
        "3.1.2.12: a Date that is not in GMT",
        Refused(400),
    ),
    (
        "regbadct",
        "3.1.2.13: a Contact that needs angle brackets",
        Refused(400),
    ),
    (
        "badaspec",
        "3.1.2.14: blanks inside the angle brackets",
        Refused(400),
    ),
    (
        "baddn",
        "3.1.2.15: a comma in a display name without quotes",
        Refused(400),
    ),
    ("badvers", "3.1.2.16: unknown version", Refused(505)),
    (
        "mismatch01",
        "3.1.2.17: CSeq of another method",
        Refused(400),
    ),
    (
        "mismatch02",
        "3.1.2.18: CSeq of another, unknown method; 400 or 501",
        Refused(400),
    ),
    ("bigcode", "3.1.2.19: status code too large", Dropped),
    (
        "badbranch",
        "3.2.1: a branch with nothing behind the cookie; matched as of RFC 2543",
        Taken,
    ),
    (
        "insuf",
        "3.3.1: Call-ID, From and To are missing",
        Refused(400),
    ),
    (
        "unkscm",
        "3.3.2: unknown scheme in the Request-URI",
        Refused(416),
    ),
    (
        "novelsc",
        "3.3.3: known scheme that is not for SIP in the Request-URI",
        Refused(416),
    ),
    (
        "unksm2",
        "3.3.4: an address of record that is no SIP URI",
        Refused(400),
    ),
    (
        "bext01",
        "3.3.5: unknown extensions are required",
        Refused(420),
    ),
    ("invut", "3.3.6: unknown type of body", Refused(415)),
    (
        "regaut01",
        "3.3.7: unknown authorization scheme counts as none",
        Taken,
    ),
    (
        "multi01",
        "3.3.8: several values where one may stand",
        Refused(400),
    ),
    (
        "mcl01",
        "3.3.9: two different Content-Length values",
        Refused(400),
    ),
    (
        "bcast",
        "3.3.10: a response with a broadcast address in its second Via",
        Dropped,
    ),
    (
        "zeromf",
        "3.3.11: Max-Forwards zero is the last hop, and that is here",
        Taken,
    ),
    (
        "cparam01",
        "3.3.12: unknown parameter of the Contact",
        Taken,
    ),
    (
        "cparam02",
        "3.3.13: unknown parameter of the Contact's URI",
        Taken,
    ),
    ("regescrt", "3.3.14: a Contact with an escaped Route", Taken),
    (
        "sdp01",
        "3.3.15: no type of answer would be accepted",
        Refused(406),
    ),
    ("inv2543", "3.4.1: an INVITE of RFC 2543", Taken),
];

fn read(name: &str) -> Bytes {
    let path = format!(
        "{}/tests/data/rfc4475/{name}.dat",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .into()
}

fn parse(name: &str) -> Result<Message, ParseError> {
    Message::parse(&read(name), Framing::Datagram)
}

fn outcome(name: &str) -> Outcome {
    let message = match parse(name) {
        Ok(message) => message,
        Err(error) => {
            return match error.response().and_then(|response| response.status()) {
                Some(code) => Refused(code),
                None => Dropped,
            };
        }
    };
    match validate(&message).and_then(|()| ELEMENT.check(&message)) {
        Ok(()) => Taken,
        Err(refusal) if message.is_request() => Refused(
            refusal
                .respond(&message)
                .status()
                .expect("a response has a status"),
        ),
        Err(_) => Dropped,
    }
}

#[test]
fn every_message_has_the_outcome_that_the_rfc_asks_for() {
    let wrong: Vec<_> = MESSAGES
        .iter()
        .filter(|(name, _, expected)| outcome(name) != *expected)
        .map(|(name, why, expected)| {
            format!("{name} ({why}): {:?}, not {expected:?}", outcome(name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_of_the_rfc_is_in_the_table() {
    let folder = format!("{}/tests/data/rfc4475", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        entry
            .unwrap()
            .file_name()
            .into_string()
            .unwrap()
            .strip_suffix(".dat")
            .map(str::to_owned)
    });
    let mut files: Vec<String> = files.collect();
    let mut table: Vec<String> = MESSAGES
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    files.sort();
    table.sort();
    assert_eq!(files, table);
}

#[test]
fn every_message_that_is_read_is_written_and_read_as_the_same() {
    for (name, ..) in MESSAGES {
        let Ok(message) = parse(name) else { continue };
        let again = Message::parse(&message.to_bytes(), Framing::Stream);
        assert_eq!(again.as_ref(), Ok(&message), "{name}");
    }
}

#[test]
fn every_refusal_repeats_what_it_answers() {
    for (name, _, expected) in MESSAGES {
        if !matches!(expected, Refused(_)) || name == "insuf" {
            continue;
        }
        let (request, response) = match parse(name) {
            Ok(request) => {
                let refusal = validate(&request)
                    .and_then(|()| ELEMENT.check(&request))
                    .unwrap_err();
                (request.headers.clone(), refusal.respond(&request))
            }
            Err(error) => (error.headers.clone(), error.response().unwrap()),
        };
        for header in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            assert_eq!(
                response.headers.get(header.clone()),
                request.get(header),
                "{name}"
            );
        }
        assert!(
            Message::parse(&response.to_bytes(), Framing::Stream).is_ok(),
            "{name}"
        );
    }
}

/// What is inside the valid messages, where a reader is easily wrong.
mod contents {
    use carillon_sip::{Contacts, Host, Uri};

    use super::{Framing, Message, Method, Name, parse, read};

    fn message(name: &str) -> Message {
        parse(name).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn wsinv() {
        let message = message("wsinv");
        let uri: Uri = "sip:vivekg@chair-dnrc.example.com;unknownparam"
            .parse()
            .unwrap();
        assert_eq!(message.uri(), Some(&uri));
        assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
        let from = message.from().unwrap();
        assert_eq!(from.display.as_deref(), Some(&b"J Rosenberg \\\""[..]));
        assert_eq!(from.tag(), Some("98asjd8"));
        assert_eq!(message.max_forwards(), Some(68));
        assert_eq!(message.cseq().unwrap().to_string(), "9 INVITE");
        let vias: Vec<_> = message.vias().map(|via| via.unwrap().to_string()).collect();
        assert_eq!(
            vias,
            [
                "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
                "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
                "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
            ]
        );
        assert_eq!(message.headers.text(Name::Subject), Some(""));
        let unknown = Name::extension("NewFangledHeader");
        let value = message.headers.text(unknown);
        assert_eq!(value, Some("newfangled value continued newfangled value"));
        let unusual = Name::extension("UnknownHeaderWithUnusualValue");
        assert_eq!(message.headers.text(unusual), Some(";;,,;;,;"));
        let contacts = message.contacts().unwrap();
        let contact = contacts.single().unwrap();
        assert_eq!(
            contact.address.display.as_deref(),
            Some(&b"Quoted string \"\""[..])
        );
        assert_eq!(contact.q(), 330);
        assert_eq!(contact.address.params.text("newparam"), Some("newvalue"));
        assert_eq!(
            message.routes().unwrap()[0].uri.param("unknownwith"),
            Some("value")
        );
        assert_eq!(message.body.len(), 150);
    }

    #[test]
    fn intmeth() {
        let message = message("intmeth");
        let method = "!interesting-Method0123456789_*+`.%indeed'~";
        assert_eq!(message.method().map(Method::as_str), Some(method));
        assert_eq!(message.cseq().unwrap().method.as_str(), method);
        assert_eq!(message.via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
        let to = message.to().unwrap();
        assert_eq!(
            to.display.as_deref(),
            Some(&b"BEL:\x07 NUL:\x00 DEL:\x7f"[..])
        );
        let from = message.from().unwrap();
        assert_eq!(
            from.display.as_deref(),
            Some(&b"token1~` token2'+_ token3*%!.-"[..])
        );
        assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
        assert_eq!(
            from.params.unquoted("fromParam''~+*_!.-%").as_deref(),
            Some("работающий")
        );
        assert_eq!(
            message.call_id(),
            Some("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
        );
        assert_eq!(message.max_forwards(), Some(255));
        let uri = message.uri().unwrap();
        assert_eq!(uri.host(), Some(Host::Name("example.com")));
        assert_eq!(
            uri.user(),
            Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
        );
        assert_eq!(
            uri.password(),
            Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        );
        let extension = Name::extension("extensionheader-!.%*+_`'~");
        assert_eq!(message.headers.text(extension), Some("\u{feff}大停電"));
    }

    #[test]
    fn escapes() {
        let message = message("esc01");
        assert_eq!(
            message.uri().unwrap().user_unescaped().as_deref(),
            Some(&b"sips:user@example.com"[..])
        );
        let plain: Uri = "sip:user@example.com".parse().unwrap();
        assert!(message.to().unwrap().uri.matches(&plain));
        let contacts = message.contacts().unwrap();
        let contact = &contacts.single().unwrap().address.uri;
        assert!(
            contact.matches(
                &"sip:caller@host5.example.net;lr;name=value%2541"
                    .parse()
                    .unwrap()
            )
        );
    }

    #[test]
    fn escaped_nulls_are_two_contacts() {
        let Ok(Contacts::List(contacts)) = message("escnull").contacts() else {
            panic!("no list")
        };
        let users: Vec<_> = contacts
            .iter()
            .map(|c| c.address.uri.user_unescaped().unwrap().into_owned())
            .collect();
        assert_eq!(users, [vec![0], vec![0, 0]]);
    }

    #[test]
    fn an_escaped_header_name_is_another_header() {
        let message = message("esc02");
        let Ok(Contacts::List(contacts)) = message.contacts() else {
            panic!("no list")
        };
        assert_eq!(contacts.len(), 2);
        assert_eq!(
            message.to().unwrap().display.as_deref(),
            Some(&b"%Z%45"[..])
        );
    }

    #[test]
    fn long_values_and_every_spelling_of_via() {
        let message = message("longreq");
        assert_eq!(message.vias().filter(Result::is_ok).count(), 34);
        assert_eq!(message.body.len(), 150);
        assert!(message.from().unwrap().tag().unwrap().len() > 100);
    }

    #[test]
    fn trailing_octets_are_cut() {
        assert!(message("dblreq").body.is_empty());
    }

    #[test]
    fn the_body_of_several_parts_is_kept_octet_for_octet() {
        let octets = read("mpart01");
        let message = Message::parse(&octets, Framing::Datagram).unwrap();
        assert_eq!(message.body, octets[octets.len() - 553..]);
        assert_eq!(message.content_type(), Some("multipart/mixed"));
    }

    #[test]
    fn the_extensions_that_are_required_are_named() {
        let message = message("bext01");
        let refusal = super::ELEMENT.check(&message).unwrap_err();
        let response = refusal.respond(&message);
        assert_eq!(
            response.headers.text(Name::Unsupported),
            Some("nothingSupportsThis, nothingSupportsThisEither")
        );
    }

    #[test]
    fn without_brackets_a_parameter_is_the_headers() {
        let to = message("inv2543").to().unwrap();
        assert_eq!(to.uri.param("user"), None);
        assert_eq!(to.params.text("user"), Some("phone"));
        let header = message("cparam01").contacts().unwrap();
        assert!(
            header
                .single()
                .unwrap()
                .address
                .params
                .contains("unknownparam")
        );
        let uri = message("cparam02").contacts().unwrap();
        assert_eq!(
            uri.single().unwrap().address.uri.param("unknownparam"),
            Some("")
        );
    }

    #[test]
    fn a_contact_with_an_escaped_route_can_be_used_without_it() {
        let contacts = message("regescrt").contacts().unwrap();
        let uri = &contacts.single().unwrap().address.uri;
        assert_eq!(uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
        assert_eq!(uri.without_headers().as_str(), "sip:user@example.com");
    }
}
