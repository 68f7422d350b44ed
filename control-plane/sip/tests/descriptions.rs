//! What holds for every session description that is relayed between two phones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_sip::sdp::{
    Codec, Direction, Line, LocalOrigin, Media, MediaAddress, Origin, SessionDescription,
    check_answer, common_codecs,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

fn codecs() -> impl Strategy<Value = Vec<Codec>> {
    let named = |payload, name: &str, clock_rate, channels| Codec {
        payload,
        name: name.into(),
        clock_rate,
        channels,
        fmtp: None,
    };
    let all = vec![
        named(96, "opus", 48000, 2),
        named(9, "G722", 8000, 1),
        named(8, "PCMA", 8000, 1),
        named(0, "PCMU", 8000, 1),
        named(101, "telephone-event", 8000, 1),
        Codec {
            fmtp: Some("annexb=no".into()),
            ..named(18, "G729", 8000, 1)
        },
    ];
    subsequence(all, 1..=6).prop_shuffle()
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive),
    ]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let port = 1024u16..65000;
    prop_oneof![
        (any::<[u8; 3]>(), port.clone()).prop_map(|([b, c, d], port)| ([10, b, c, d], port).into()),
        (any::<u16>(), port)
            .prop_map(|(last, port)| ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], port).into()),
    ]
}

/// Lines that we do not know, or that speak of the other phone's path.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let attribute = prop_oneof![
        Just("ptime:20".to_owned()),
        Just("candidate:1 1 UDP 1 192.0.2.1 4000 typ host".to_owned()),
        Just("ice-ufrag:abcd".to_owned()),
        Just("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc".to_owned()),
        Just("rtcp:4001".to_owned()),
        Just("rtcp-mux".to_owned()),
        "X-[a-z]{1,8}:[ -~]{0,20}",
    ];
    vec(attribute.prop_map(Line::attribute), 0..6)
}

fn description() -> impl Strategy<Value = SessionDescription> {
    let section = (codecs(), address(), direction(), lines(), any::<bool>());
    (vec(section, 1..4), address(), any::<u64>(), any::<u64>()).prop_map(
        |(sections, host, session_id, version)| {
            let mut sdp = SessionDescription::new(Origin::new(session_id, version, host.ip()));
            for (codecs, address, direction, lines, refused) in sections {
                let port = if refused { 0 } else { address.port() };
                let mut media = Media::audio(port, &codecs);
                media.lines.extend(lines);
                media.set_direction(direction);
                sdp.media.push(media);
            }
            sdp
        },
    )
}

fn server(port: u16) -> MediaAddress {
    MediaAddress {
        rtp: ([203, 0, 113, 5], port).into(),
        rtcp: ([203, 0, 113, 5], port + 1).into(),
    }
}

fn relay(sdp: &SessionDescription, session_id: u64) -> SessionDescription {
    let origin = LocalOrigin {
        session_id,
        version: 1,
        address: [203, 0, 113, 1].into(),
    };
    let addresses: Vec<_> = (0..sdp.media.len())
        .map(|place| Some(server(10_000 + 2 * u16::try_from(place).unwrap())))
        .collect();
    sdp.relayed(origin, &addresses)
}

/// What a phone with these codecs answers.
fn answer(offer: &SessionDescription, codecs: &[Codec], host: SocketAddr) -> SessionDescription {
    let mut answer = SessionDescription::new(Origin::new(7, 7, host.ip()));
    for offered in &offer.media {
        let own = Media::audio(host.port(), codecs);
        let common: Vec<Codec> = common_codecs(offered, &own)
            .into_iter()
            .map(|(offered, _)| offered)
            .collect();
        let mut media = Media::audio(host.port(), &common);
        if common.is_empty() || offered.port == 0 {
            media = Media {
                port: 0,
                lines: Vec::new(),
                ..offered.clone()
            };
        } else {
            media.set_direction(offer.direction(offered).reversed());
        }
        answer.media.push(media);
    }
    answer
}

proptest! {
    #[test]
    fn a_description_that_is_written_is_read_as_the_same(sdp in description()) {
        prop_assert_eq!(SessionDescription::parse(&sdp.to_bytes()), Ok(sdp));
    }

    #[test]
    fn a_relayed_description_offers_the_same_media_at_our_addresses(sdp in description()) {
        let relayed = relay(&sdp, 1);
        prop_assert_eq!(SessionDescription::parse(&relayed.to_bytes()), Ok(relayed.clone()));
        prop_assert_eq!(relayed.media.len(), sdp.media.len());
        for (place, (offered, relayed_media)) in sdp.media.iter().zip(&relayed.media).enumerate() {
            prop_assert_eq!(offered.port == 0, relayed_media.port == 0);
            if offered.port == 0 {
                continue;
            }
            let expected = server(10_000 + 2 * u16::try_from(place).unwrap());
            prop_assert_eq!(relayed.rtp_address(relayed_media), Some(expected.rtp));
            prop_assert_eq!(relayed.rtcp_address(relayed_media), Some(expected.rtcp));
            prop_assert_eq!(relayed_media.codecs(), offered.codecs());
            prop_assert_eq!(relayed.direction(relayed_media), sdp.direction(offered));
            for gone in ["candidate", "ice-ufrag", "crypto", "rtcp-mux"] {
                prop_assert_eq!(relayed_media.attribute(gone), None);
            }
        }
        let host = format!(" {}\r\n", sdp.origin.host);
        let leaks = relayed.to_string().contains(&host);
        prop_assert!(!leaks, "the other phone's address is passed on");
    }

    #[test]
    fn relaying_twice_says_the_same_as_relaying_once(sdp in description()) {
        let once = relay(&sdp, 1);
        prop_assert!(relay(&once, 2).says_the_same_as(&once));
    }

    #[test]
    fn an_answer_to_the_relayed_offer_relayed_back_answers_the_offer(
        offer in description(),
        codecs in codecs(),
        host in address(),
    ) {
        let there = relay(&offer, 1);
        let answer = answer(&there, &codecs, host);
        prop_assert_eq!(check_answer(&there, &answer), Ok(()));
        let back = relay(&answer, 2);
        prop_assert_eq!(check_answer(&offer, &back), Ok(()));
        for place in 0..offer.media.len() {
            prop_assert_eq!(offer.agreed_direction(&back, place), there.agreed_direction(&answer, place));
        }
    }

    #[test]
    fn arbitrary_lines_never_panic(text in "(v=0\r\n)?(o=- 1 1 IN IP4 [0-9.]{1,9}\r\n)?([a-z]=[ -~]{0,30}\r\n|m=audio [0-9]{1,5} RTP/AVP [0-9 ]{0,9}\r\n|a=rtpmap:[ -~]{0,12}\r\n){0,12}") {
        if let Ok(sdp) = SessionDescription::parse(&Bytes::from(text)) {
            let relayed = relay(&sdp, 1);
            prop_assert_eq!(SessionDescription::parse(&relayed.to_bytes()), Ok(relayed));
        }
    }
}
