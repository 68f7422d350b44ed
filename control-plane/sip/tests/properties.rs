//! What holds for every message, description and stream.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use carillon_sip::framing::{Frame, Framer};
use carillon_sip::sdp::{LocalOrigin, MediaAddress, SessionDescription, check_answer};
use carillon_sip::{
    CSeq, Framing, Message, Method, Name, NameAddr, StartLine, Uri, Via, ViaTransport, validate,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,16}"
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Invite),
        Just(Method::Bye),
        Just(Method::Register),
        Just(Method::Update),
        token().prop_map(|name| name.parse().unwrap()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,8}(\\.[a-z]{2,5}){0,2}",
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<[u16; 8]>().prop_map(|words| format!("[{}]", std::net::Ipv6Addr::from(words))),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = proptest::option::of("[a-z0-9+;=,/?*-]{1,12}");
    let port = proptest::option::of(any::<u16>());
    let params = vec(
        ("[a-z]{1,6}", proptest::option::of("[a-zA-Z0-9%:/+-]{1,8}")),
        0..4,
    );
    let sip =
        ("sips?", user, host(), port, params).prop_map(|(scheme, user, host, port, params)| {
            let mut text = format!("{scheme}:");
            if let Some(user) = user {
                text += &format!("{user}@");
            }
            text += &host;
            if let Some(port) = port {
                text += &format!(":{port}");
            }
            let names: Vec<String> = params.iter().map(|(name, _)| name.clone()).collect();
            for (place, (name, value)) in params.into_iter().enumerate() {
                if names[..place].contains(&name) {
                    continue;
                }
                text += &format!(";{name}");
                if let Some(value) = value {
                    text += &format!("={value}");
                }
            }
            text
        });
    let tel = "tel:\\+?[0-9]{1,4}[0-9.-]{0,10}(;phone-context=[a-z.]{1,8})?";
    prop_oneof![4 => sip, 1 => tel].prop_map(|text| text.parse().unwrap())
}

fn address() -> impl Strategy<Value = NameAddr> {
    let display = proptest::option::of(vec(
        any::<u8>().prop_filter("no line", |o| !b"\r\n".contains(o)),
        0..20,
    ));
    let params = vec(
        (
            token(),
            vec(
                any::<u8>().prop_filter("no line", |o| !b"\r\n".contains(o)),
                0..12,
            ),
        ),
        0..4,
    );
    (display, uri(), params, token()).prop_map(|(display, uri, params, tag)| {
        let mut address = match display {
            Some(display) => NameAddr::named(display, uri),
            None => NameAddr::new(uri),
        };
        for (name, value) in params
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("tag"))
        {
            address.params.set(name, value);
        }
        address.with_tag(&tag)
    })
}

fn via() -> impl Strategy<Value = Via> {
    let transport = prop_oneof![Just(ViaTransport::Udp), Just(ViaTransport::Tls)];
    (transport, any::<[u8; 4]>(), any::<u16>(), token())
        .prop_map(|(transport, ip, port, branch)| Via::new(transport, (ip, port).into(), &branch))
}

/// Header values of any octets, as they look once they were read: without line breaks, trimmed.
fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40).prop_map(|octets| {
        let text: Vec<u8> = octets
            .into_iter()
            .filter(|o| !b"\r\n".contains(o))
            .collect();
        let blank = |o: &u8| matches!(o, b' ' | b'\t');
        let start = text.iter().take_while(|o| blank(o)).count();
        let tail = text[start..].iter().rev().take_while(|o| blank(o)).count();
        text[start..text.len() - tail].to_vec()
    })
}

fn message() -> impl Strategy<Value = Message> {
    let start = prop_oneof![
        (method(), uri()).prop_map(|(method, uri)| StartLine::Request { method, uri }),
        (100u16..700, value()).prop_map(|(code, reason)| StartLine::Status {
            code,
            reason: reason.into()
        }),
    ];
    let others = vec((token(), value()), 0..12);
    let dialog = (address(), address(), token(), 0u32..1 << 31, method());
    (
        start,
        vec(via(), 1..4),
        dialog,
        others,
        vec(any::<u8>(), 0..200),
    )
        .prop_map(
            |(start, vias, (from, to, call_id, number, cseq), others, body)| {
                let mut message = Message::request(Method::Options, "sip:x".parse().unwrap());
                message.start = start;
                for via in vias {
                    message.headers.push(Name::Via, via);
                }
                message.headers.push(Name::From, from);
                message.headers.push(Name::To, to);
                message.headers.push(Name::CallId, call_id);
                message.headers.push(Name::CSeq, CSeq::new(number, cseq));
                for (name, value) in others {
                    message.headers.push(name.parse().unwrap(), value);
                }
                message.body = body.into();
                message
            },
        )
}

/// Asks a message for everything it could mean.
fn look_at(message: &Message) {
    let _ = validate(message);
    let _ = (
        message.from(),
        message.to(),
        message.cseq(),
        message.rack(),
        message.call_id(),
    );
    for via in message.vias().flatten() {
        let _ = (via.response_target(), via.to_bytes());
    }
    let _ = (
        message.contacts(),
        message.routes(),
        message.record_routes(),
    );
    let _ = (
        message.max_forwards(),
        message.expires(),
        message.retry_after(),
        message.rseq(),
    );
    let _ = (
        message.require().count(),
        message.content_type(),
        message.has_sdp(),
    );
    if let Some(uri) = message.uri() {
        let _ = (
            uri.matches(uri),
            uri.user_unescaped(),
            uri.with_param("a", Some("b")),
        );
        let _ = (uri.without_param("lr"), uri.without_headers(), uri.host());
    }
    let _ = Message::response_to(message, 400, "").to_bytes();
    if let Ok(sdp) = SessionDescription::parse(&message.body) {
        look_at_sdp(&sdp);
    }
}

fn look_at_sdp(sdp: &SessionDescription) {
    for media in &sdp.media {
        let _ = (
            media.codecs(),
            sdp.rtp_address(media),
            sdp.rtcp_address(media),
            sdp.is_hold(media),
        );
    }
    let _ = check_answer(sdp, sdp);
    let relayed = relay(sdp);
    assert_eq!(
        SessionDescription::parse(&relayed.to_bytes()).as_ref(),
        Ok(&relayed)
    );
    assert_eq!(relayed.media.len(), sdp.media.len());
}

fn relay(sdp: &SessionDescription) -> SessionDescription {
    let address = "192.0.2.200:10000".parse().unwrap();
    let rtcp = "192.0.2.200:10001".parse().unwrap();
    let origin = LocalOrigin {
        session_id: 1,
        version: 1,
        address: "192.0.2.200".parse().unwrap(),
    };
    sdp.relayed(
        origin,
        &vec![Some(MediaAddress { rtp: address, rtcp }); sdp.media.len()],
    )
}

fn corpus() -> Vec<Vec<u8>> {
    let folders = ["rfc4475", "phones", "ipv6"];
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(data.join(folder)).unwrap());
    files
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let telling = prop_oneof![
        "[\r\n\t \"<>;,:=@?\\\\%*\\[\\]]{1,3}".prop_map(String::into_bytes),
        vec(any::<u8>(), 1..6),
    ];
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, octet)| Mutation::Flip(at, octet)),
        (index(), telling).prop_map(|(at, octets)| Mutation::Insert(at, octets)),
        (index(), index()).prop_map(|(one, two)| Mutation::Cut(one, two)),
        (index(), index()).prop_map(|(one, two)| Mutation::Double(one, two)),
    ]
}

fn mutate(octets: &mut Vec<u8>, mutation: &Mutation) {
    if octets.is_empty() {
        return;
    }
    let length = octets.len();
    let range = |one: &prop::sample::Index, two: &prop::sample::Index| {
        let (one, two) = (one.index(length), two.index(length));
        one.min(two)..(one.max(two)).min(one.min(two) + 64)
    };
    match mutation {
        Mutation::Flip(at, octet) => {
            let at = at.index(octets.len());
            octets[at] = *octet;
        }
        Mutation::Insert(at, new) => {
            let at = at.index(octets.len());
            octets.splice(at..at, new.iter().copied());
        }
        Mutation::Cut(one, two) => {
            let range = range(one, two);
            octets.drain(range);
        }
        Mutation::Double(one, two) => {
            let range = range(one, two);
            let part = octets[range.clone()].to_vec();
            octets.splice(range.end..range.end, part);
        }
    }
}

proptest! {
    #[test]
    fn a_message_that_is_written_is_read_as_the_same(message in message()) {
        let octets = message.to_bytes();
        prop_assert_eq!(Message::parse(&octets, Framing::Stream), Ok(message.clone()));
        prop_assert_eq!(Message::parse(&octets, Framing::Datagram), Ok(message.clone()));
        look_at(&message);
    }

    #[test]
    fn an_address_that_is_written_is_read_as_the_same(address in address()) {
        prop_assert_eq!(NameAddr::parse(&address.to_bytes()), Ok(address));
    }

    #[test]
    fn a_via_that_is_written_is_read_as_the_same(via in via()) {
        prop_assert_eq!(Via::parse(&via.to_bytes()), Ok(via));
    }

    #[test]
    fn a_uri_matches_itself_and_keeps_its_parts(uri in uri()) {
        prop_assert!(uri.matches(&uri));
        let with = uri.with_param("x-extra", Some("a b"));
        prop_assert_eq!(with.param("x-extra"), Some("a%20b"));
        prop_assert_eq!(with.host(), uri.host());
        prop_assert_eq!(with.without_param("x-extra"), uri);
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in vec(any::<u8>(), 0..600)) {
        let octets = Bytes::from(octets);
        for framing in [Framing::Datagram, Framing::Stream] {
            match Message::parse(&octets, framing) {
                Ok(message) => look_at(&message),
                Err(error) => drop(error.response()),
            }
        }
        if let Ok(sdp) = SessionDescription::parse(&octets) {
            look_at_sdp(&sdp);
        }
    }

    #[test]
    fn mutated_messages_never_panic_and_what_is_read_can_be_written(
        seed in any::<prop::sample::Index>(),
        mutations in vec(mutation(), 1..8),
    ) {
        let corpus = corpus();
        let mut octets = corpus[seed.index(corpus.len())].clone();
        for mutation in &mutations {
            mutate(&mut octets, mutation);
        }
        let octets = Bytes::from(octets);
        match Message::parse(&octets, Framing::Datagram) {
            Ok(message) => {
                look_at(&message);
                let written = message.to_bytes();
                // Compact names grow and folds shrink, so only a bound: values are never doubled.
                prop_assert!(written.len() <= 17 * octets.len() + 200);
                prop_assert_eq!(Message::parse(&written, Framing::Stream), Ok(message));
            }
            Err(error) => drop(error.response().map(|response| response.to_bytes())),
        }
    }

    #[test]
    fn a_stream_is_cut_the_same_however_it_arrives(
        messages in vec(message(), 1..5),
        sizes in vec(1usize..200, 1..50),
    ) {
        let sent: Vec<Bytes> = messages
            .iter()
            .filter(|message| message.method().is_none_or(|method| !method.as_str().contains('/')))
            .map(Message::to_bytes)
            .collect();
        let stream = sent.concat();
        let mut framer = Framer::new();
        let mut got = Vec::new();
        let mut at = 0;
        for size in sizes.iter().cycle() {
            let end = (at + size).min(stream.len());
            framer.push(&stream[at..end]).unwrap();
            while let Some(frame) = framer.next_frame().unwrap() {
                got.push(frame);
            }
            at = end;
            if at == stream.len() {
                break;
            }
        }
        let sent: Vec<Frame> = sent.into_iter().map(Frame::Message).collect();
        prop_assert_eq!(got, sent);
    }

    #[test]
    fn arbitrary_streams_never_panic_and_stay_bounded(pieces in vec(vec(any::<u8>(), 0..400), 0..40)) {
        let mut framer = Framer::new();
        framer.push(b"OPTIONS sip:a SIP/2.0\r\n").unwrap();
        for piece in pieces {
            if framer.push(&piece).is_err() {
                break;
            }
            while let Ok(Some(_)) = framer.next_frame() {}
            prop_assert!(framer.waiting() <= carillon_sip::limits::MESSAGE_OCTETS);
        }
    }
}
