use super::*;

const PHONE: &str = "v=0\r\n\
    o=- 8000 8001 IN IP4 192.0.2.10\r\n\
    s=SIP Call\r\n\
    c=IN IP4 192.0.2.10\r\n\
    b=AS:84\r\n\
    t=0 0\r\n\
    a=X-nat:0\r\n\
    m=audio 11780 RTP/AVP 9 8 96 101\r\n\
    c=IN IP4 192.0.2.11\r\n\
    a=rtcp:11785 IN IP4 192.0.2.12\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\n\
    a=ptime:20\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n\
    a=ice-ufrag:x\r\n\
    a=candidate:1 1 UDP 1 192.0.2.10 11780 typ host\r\n\
    a=unheard-of\r\n\
    a=sendonly\r\n\
    m=video 0 RTP/AVP 99\r\n\
    a=rtpmap:99 H264/90000\r\n";

fn sdp(text: &str) -> SessionDescription {
    text.parse()
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn local(version: u64) -> LocalOrigin {
    LocalOrigin {
        session_id: 42,
        version,
        address: "198.51.100.1".parse().unwrap(),
    }
}

fn server(rtp: &str, rtcp: &str) -> Option<MediaAddress> {
    Some(MediaAddress {
        rtp: rtp.parse().unwrap(),
        rtcp: rtcp.parse().unwrap(),
    })
}

#[test]
fn a_description_is_printed_as_it_was_read() {
    assert_eq!(sdp(PHONE).to_string(), PHONE);
}

#[test]
fn the_meaning_of_a_section_is_found_in_it_and_in_the_session() {
    let sdp = sdp(PHONE);
    let (place, audio) = sdp.audio().unwrap();
    assert_eq!(place, 0);
    assert_eq!(
        sdp.rtp_address(audio),
        Some("192.0.2.11:11780".parse().unwrap())
    );
    assert_eq!(
        sdp.rtcp_address(audio),
        Some("192.0.2.12:11785".parse().unwrap())
    );
    assert_eq!(sdp.direction(audio), Direction::SendOnly);
    assert!(sdp.is_hold(audio));
    assert_eq!(audio.ptime_ms(), Some(20));
    assert!(!audio.rtcp_mux());
    let codecs: Vec<_> = audio.codecs().iter().map(Codec::rtpmap).collect();
    assert_eq!(
        codecs,
        [
            "9 G722/8000",
            "8 PCMA/8000",
            "96 opus/48000/2",
            "101 telephone-event/8000"
        ]
    );
    assert_eq!(
        audio.codec(96).unwrap().fmtp.as_deref(),
        Some("useinbandfec=1")
    );
    assert_eq!(sdp.rtp_address(&sdp.media[1]), None);
}

#[test]
fn a_relayed_description_speaks_of_us_only() {
    let relayed = sdp(PHONE).relayed(
        local(3),
        &[server("203.0.113.5:10000", "203.0.113.5:10001")],
    );
    assert_eq!(
        relayed.to_string(),
        "v=0\r\n\
        o=- 42 3 IN IP4 198.51.100.1\r\n\
        s=SIP Call\r\n\
        c=IN IP4 203.0.113.5\r\n\
        b=AS:84\r\n\
        t=0 0\r\n\
        a=X-nat:0\r\n\
        m=audio 10000 RTP/AVP 9 8 96 101\r\n\
        c=IN IP4 203.0.113.5\r\n\
        a=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 useinbandfec=1\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-16\r\n\
        a=ptime:20\r\n\
        a=unheard-of\r\n\
        a=sendonly\r\n\
        m=video 0 RTP/AVP 99\r\n"
    );
}

#[test]
fn rtcp_of_the_media_server_is_said_where_it_is_not_next_to_rtp() {
    let mux = sdp(PHONE).relayed(
        local(1),
        &[server("[2001:db8::1]:10000", "[2001:db8::1]:10000")],
    );
    assert!(mux.media[0].rtcp_mux());
    assert!(mux.to_string().contains("c=IN IP6 2001:db8::1\r\n"));
    let apart = sdp(PHONE).relayed(
        local(1),
        &[server("203.0.113.5:10000", "203.0.113.5:10007")],
    );
    assert!(
        apart
            .to_string()
            .contains("a=rtcp:10007 IN IP4 203.0.113.5\r\n")
    );
}

#[test]
fn the_old_way_to_hold_becomes_a_direction() {
    let hold = sdp(
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
    );
    assert!(hold.is_hold(&hold.media[0]));
    let relayed = hold.relayed(
        local(2),
        &[server("203.0.113.5:10000", "203.0.113.5:10001")],
    );
    assert_eq!(relayed.direction(&relayed.media[0]), Direction::SendOnly);
    assert!(relayed.is_hold(&relayed.media[0]));
}

#[test]
fn a_direction_of_the_session_becomes_one_of_its_sections() {
    let hold = sdp(
        "v=0\r\no=- 1 2 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\na=inactive\r\nm=audio 4000 RTP/AVP 8\r\n",
    );
    let relayed = hold.relayed(
        local(2),
        &[server("203.0.113.5:10000", "203.0.113.5:10001")],
    );
    assert_eq!(relayed.attribute("inactive"), None);
    assert_eq!(relayed.media[0].attribute("inactive"), Some(""));
}

#[test]
fn the_same_session_relayed_again_says_the_same() {
    let addresses = [server("203.0.113.5:10000", "203.0.113.5:10001")];
    let one = sdp(PHONE).relayed(local(1), &addresses);
    let two = sdp(PHONE).relayed(local(2), &addresses);
    assert!(one.says_the_same_as(&two));
    assert!(one.origin.is_same_session(&two.origin));
    let moved = sdp(PHONE).relayed(
        local(2),
        &[server("203.0.113.5:10002", "203.0.113.5:10003")],
    );
    assert!(!one.says_the_same_as(&moved));
}

#[test]
fn an_answer_must_fit_its_offer() {
    let offer = |media: &str| {
        sdp(&format!(
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\n{media}"
        ))
    };
    let two = "m=audio 4000 RTP/AVP 8 0\r\nm=video 0 RTP/AVP 99\r\n";
    for (offered, answered, outcome) in [
        (
            "m=audio 4000 RTP/AVP 8 0\r\n",
            "m=audio 5000 RTP/AVP 0\r\n",
            Ok(()),
        ),
        (
            "m=audio 4000 RTP/AVP 8 0\r\n",
            "m=audio 5000 RTP/AVP 99\r\na=rtpmap:99 PCMA/8000\r\n",
            Ok(()),
        ),
        (
            "m=audio 4000 RTP/AVP 8 0\r\n",
            "m=audio 0 RTP/AVP 8\r\n",
            Ok(()),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
            "m=audio 5000 RTP/AVP 8\r\na=recvonly\r\n",
            Ok(()),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
            "m=audio 5000 RTP/AVP 8\r\n",
            Err(AnswerFault::Direction(0)),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=inactive\r\n",
            "m=audio 5000 RTP/AVP 8\r\na=recvonly\r\n",
            Err(AnswerFault::Direction(0)),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\n",
            "m=audio 5000 RTP/AVP 18\r\n",
            Err(AnswerFault::Formats(0)),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\n",
            "m=audio 5000 RTP/SAVP 8\r\n",
            Err(AnswerFault::Kind(0)),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\n",
            "m=video 5000 RTP/AVP 8\r\n",
            Err(AnswerFault::Kind(0)),
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\n",
            two,
            Err(AnswerFault::Sections),
        ),
        (
            two,
            "m=audio 5000 RTP/AVP 8\r\nm=video 5002 RTP/AVP 99\r\n",
            Err(AnswerFault::NotOffered(1)),
        ),
    ] {
        assert_eq!(
            check_answer(&offer(offered), &offer(answered)),
            outcome,
            "{offered} {answered}"
        );
    }
}

#[test]
fn an_answer_that_takes_too_much_is_cut_down() {
    let base = "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    let offer = sdp(&format!("{base}a=sendonly\r\n"));
    assert_eq!(
        offer.agreed_direction(&sdp(base), 0),
        Some(Direction::SendOnly)
    );
    assert_eq!(
        sdp(base).agreed_direction(&sdp(base), 0),
        Some(Direction::SendRecv)
    );
    assert_eq!(sdp(base).agreed_direction(&sdp(base), 1), None);
}

#[test]
fn common_codecs_are_matched_by_name_and_not_by_number() {
    let one = sdp(
        "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nm=audio 1 RTP/AVP 96 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let two = sdp(
        "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nm=audio 1 RTP/AVP 0 8 107 110\r\na=rtpmap:107 OPUS/48000/2\r\na=rtpmap:110 telephone-event/16000\r\n",
    );
    let numbers: Vec<_> = common_codecs(&one.media[0], &two.media[0])
        .iter()
        .map(|(here, there)| (here.payload, there.payload))
        .collect();
    assert_eq!(numbers, [(96, 107), (8, 8)]);
}

#[test]
fn what_is_no_description_is_refused() {
    let good = "v=0\no=- 1 1 IN IP4 1.1.1.1\n";
    assert!(
        good.parse::<SessionDescription>().is_ok(),
        "LF alone and no s= are taken"
    );
    for (bad, error) in [
        ("", SdpError::Line),
        ("v=1\r\no=- 1 1 IN IP4 1.1.1.1\r\n", SdpError::Version),
        ("v=0\r\ns=-\r\n", SdpError::Origin),
        ("v=0\r\no=- x 1 IN IP4 1.1.1.1\r\n", SdpError::Origin),
        (
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm =audio 1 RTP/AVP 0\r\n",
            SdpError::Line,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio x RTP/AVP 0\r\n",
            SdpError::Media,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 70000 RTP/AVP 0\r\n",
            SdpError::Media,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 1 RTP/AVP\r\n",
            SdpError::Media,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\n\r\ns=-\r\n",
            SdpError::Line,
        ),
    ] {
        assert_eq!(bad.parse::<SessionDescription>(), Err(error), "{bad}");
    }
}

#[test]
fn a_bomb_is_refused() {
    let head = "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\n";
    let bomb =
        |line: &str, count| format!("{head}{}", line.repeat(count)).parse::<SessionDescription>();
    assert_eq!(bomb("m=a 1 R 0\r\n", 5_000), Err(SdpError::TooManyMedia));
    assert_eq!(
        bomb("m=audio 1 RTP/AVP 0\r\n", 10_000),
        Err(SdpError::TooLong)
    );
    assert_eq!(bomb("a=x\r\n", 5_000), Err(SdpError::TooManyLines));
    let formats = format!("{head}m=audio 1 RTP/AVP{}\r\n", " 0".repeat(200));
    assert_eq!(
        formats.parse::<SessionDescription>(),
        Err(SdpError::TooManyFormats)
    );
}

#[test]
fn latin_1_in_a_subject_is_kept() {
    let octets = Bytes::from_static(b"v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=Andr\xe9\r\nt=0 0\r\n");
    assert_eq!(
        SessionDescription::parse(&octets).unwrap().to_bytes(),
        octets
    );
}

#[test]
fn a_description_of_our_own_is_read_back() {
    let mut own = SessionDescription::new(Origin::new(1, 1, "192.0.2.1".parse().unwrap()));
    let opus = Codec {
        payload: 96,
        name: "opus".into(),
        clock_rate: 48000,
        channels: 2,
        fmtp: Some("useinbandfec=1".into()),
    };
    own.media.push(Media::audio(
        4000,
        &[opus.clone(), Codec::assigned(8).unwrap()],
    ));
    let read = sdp(&own.to_string());
    assert_eq!(read, own);
    assert_eq!(read.media[0].codecs(), [opus, Codec::assigned(8).unwrap()]);
    assert_eq!(
        read.rtp_address(&read.media[0]),
        Some("192.0.2.1:4000".parse().unwrap())
    );
}
