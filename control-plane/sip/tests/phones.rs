//! Messages as phones, PBXs and carriers write them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use bytes::Bytes;
use carillon_sip::sdp::{Direction, SessionDescription};
use carillon_sip::{
    Contacts, Framing, Host, Message, Method, Name, Scheme, ViaTransport, validate,
};

const ALL: [&str; 14] = [
    "asterisk-200",
    "asterisk-invite",
    "baresip-200",
    "baresip-invite",
    "carrier-bye",
    "carrier-invite",
    "gateway-latin1-invite",
    "linphone-invite",
    "linphone-register",
    "snom-invite",
    "snom-register",
    "yealink-bye",
    "yealink-invite",
    "yealink-register",
];

fn octets(name: &str) -> Bytes {
    let path = format!(
        "{}/tests/data/phones/{name}.sip",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .into()
}

fn message(name: &str) -> Message {
    Message::parse(&octets(name), Framing::Datagram).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn sdp(message: &Message) -> SessionDescription {
    assert!(message.has_sdp());
    SessionDescription::parse(&message.body).unwrap()
}

#[test]
fn all_are_valid_and_survive_being_written() {
    for name in ALL {
        let message = message(name);
        assert_eq!(validate(&message), Ok(()), "{name}");
        let written = message.to_bytes();
        assert_eq!(
            Message::parse(&written, Framing::Stream).as_ref(),
            Ok(&message),
            "{name}"
        );
        if message.has_sdp() {
            assert_eq!(sdp(&message).to_bytes(), message.body, "{name}");
        }
    }
}

#[test]
fn yealink_registers_with_credentials() {
    let register = message("yealink-register");
    assert_eq!(register.method(), Some(&Method::Register));
    assert_eq!(register.expires(), Some(120));
    let contacts = register.contacts().unwrap();
    assert_eq!(contacts.single().unwrap().expires(), None);
    let authorization = register.headers.text(Name::Authorization).unwrap();
    assert!(authorization.starts_with("Digest username=\"1001\""));
    assert_eq!(register.via().unwrap().rport(), None);
    assert_eq!(
        register.headers.text(Name::extension("mac")),
        Some("80:5e:c0:11:22:33")
    );
}

#[test]
fn yealink_calls_under_a_name_with_quotes_in_it() {
    let invite = message("yealink-invite");
    assert_eq!(
        invite.from().unwrap().display_text().as_deref(),
        Some("Renée, \"Accueil\"")
    );
    assert_eq!(invite.from().unwrap().tag(), Some("1122334455"));
    assert!(invite.supports("100rel") && invite.supports("timer"));
    let sdp = sdp(&invite);
    let (_, audio) = sdp.audio().unwrap();
    let names: Vec<_> = audio
        .codecs()
        .iter()
        .map(|codec| codec.name.to_string())
        .collect();
    assert_eq!(names, ["G722", "PCMU", "PCMA", "G729", "telephone-event"]);
    assert_eq!(
        sdp.rtcp_address(audio),
        Some("192.168.1.45:11781".parse().unwrap())
    );
}

#[test]
fn yealink_hangs_up_inside_the_dialog() {
    let bye = message("yealink-bye");
    assert_eq!(bye.to().unwrap().tag(), Some("n1.k3v5yq"));
    assert_eq!(bye.uri().unwrap().param("transport"), Some("udp"));
    assert_eq!(bye.cseq().unwrap().number, 3);
}

#[test]
fn snom_registers_over_tls_with_an_instance() {
    let register = message("snom-register");
    assert_eq!(register.via().unwrap().transport, ViaTransport::Tls);
    assert_eq!(register.via().unwrap().rport(), Some(None));
    let contacts = register.contacts().unwrap();
    let contact = contacts.single().unwrap();
    assert_eq!(
        contact.instance().as_deref(),
        Some("<urn:uuid:0f3c9a55-93e0-4cf4-9e6d-000413aabbcc>")
    );
    assert_eq!((contact.reg_id(), contact.q()), (Some(1), 1000));
    assert_eq!(contact.address.uri.param("line"), Some("k2v9sxr4"));
    assert!(contact.address.params.contains("audio"));
    assert!(register.supports("outbound") && register.supports("path"));
}

#[test]
fn snom_calls_by_sips_with_keys_in_its_description() {
    let invite = message("snom-invite");
    assert_eq!(invite.uri().unwrap().scheme(), Scheme::Sips);
    let sdp = sdp(&invite);
    let (_, audio) = sdp.audio().unwrap();
    assert!(audio.is_plain_rtp());
    assert!(audio.attribute("crypto").is_some());
}

#[test]
fn linphone_registers_over_tcp() {
    let register = message("linphone-register");
    let via = register.via().unwrap();
    assert_eq!(via.branch(), Some("z9hG4bK.6~tPKDwZQ"));
    assert!(via.params.contains("alias"));
    let contacts = register.contacts().unwrap();
    let contact = contacts.single().unwrap();
    assert_eq!(contact.address.uri.param("pn-prid"), Some(""));
    assert_eq!(
        contact.address.params.number("message-expires"),
        Some(604_800)
    );
    assert_eq!(register.headers.get_all(Name::Accept).count(), 3);
}

#[test]
fn linphone_offers_more_than_is_relayed() {
    let invite = message("linphone-invite");
    assert_eq!(
        invite.from().unwrap().display_text().as_deref(),
        Some("André Lefèvre")
    );
    let sdp = sdp(&invite);
    assert_eq!(sdp.media.len(), 2);
    let (_, audio) = sdp.audio().unwrap();
    assert!(audio.rtcp_mux());
    assert_eq!(
        sdp.rtp_address(audio),
        Some("203.0.113.77:7078".parse().unwrap())
    );
    assert_eq!(
        sdp.rtcp_address(audio),
        Some("203.0.113.77:60812".parse().unwrap())
    );
    assert_eq!(audio.codec(101).unwrap().clock_rate, 48000);
}

#[test]
fn baresip_calls_and_answers() {
    let invite = message("baresip-invite");
    let uri = &invite
        .contacts()
        .unwrap()
        .single()
        .unwrap()
        .address
        .uri
        .clone();
    assert_eq!(uri.user(), Some("1001-0x55d1a3c6a1f0"));
    assert_eq!(invite.allow().count(), 11);
    let offer = sdp(&invite);
    let opus = offer.audio().unwrap().1.codec(96).unwrap();
    assert_eq!((opus.clock_rate, opus.channels), (48000, 2));

    let answer = message("baresip-200");
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.to().unwrap().tag(), Some("ac2bb0a96ebd46ab"));
    assert_eq!(answer.via().unwrap().branch(), Some("z9hG4bK1.q5m2vdk3xw"));
    let answer = sdp(&answer);
    assert_eq!(
        answer.direction(answer.audio().unwrap().1),
        Direction::SendRecv
    );
    assert_eq!(carillon_sip::sdp::check_answer(&offer, &answer), Ok(()));
}

#[test]
fn asterisk_calls_and_answers() {
    let invite = message("asterisk-invite");
    assert_eq!(invite.uri().unwrap().user(), Some("+33140000000"));
    assert_eq!(invite.headers.text(Name::SessionExpires), Some("1800"));
    let identity = invite.addresses(Name::PAssertedIdentity).unwrap();
    assert_eq!(identity[0].uri.user(), Some("+33155550100"));
    let answer = message("asterisk-200");
    assert_eq!(
        answer.record_routes().unwrap()[0].uri.param("ftag"),
        Some("n1.7x2kq9")
    );
    assert_eq!(answer.require().collect::<Vec<_>>(), ["timer"]);
    let contacts = answer.contacts().unwrap();
    assert_eq!(contacts.single().unwrap().address.uri.user(), None);
}

#[test]
fn a_carrier_writes_compact_headers_through_its_proxies() {
    let invite = message("carrier-invite");
    let vias: Vec<_> = invite
        .vias()
        .map(|via| via.unwrap().sent_by().to_owned())
        .collect();
    assert_eq!(vias, ["203.0.113.10", "10.20.0.4", "10.20.0.9"]);
    let routes = invite.record_routes().unwrap();
    let hosts: Vec<_> = routes
        .iter()
        .map(|route| route.uri.host().unwrap().to_string())
        .collect();
    assert_eq!(hosts, ["203.0.113.10", "10.20.0.4", "10.20.0.9"]);
    assert_eq!(invite.from().unwrap().tag(), Some("sbc-38af02"));
    assert_eq!(
        invite.call_id(),
        Some("7d2f55a1c0b34e-1795132800@10.20.0.9")
    );
    assert!(invite.supports("timer") && invite.supports("100rel"));
    assert_eq!(
        invite.headers.text(Name::SessionExpires),
        Some("1800;refresher=uac")
    );
    let identities = invite.addresses(Name::PAssertedIdentity).unwrap();
    let schemes: Vec<_> = identities
        .iter()
        .map(|identity| identity.uri.scheme())
        .collect();
    assert_eq!(schemes, [Scheme::Sip, Scheme::Tel]);
    let diversion = &invite.addresses(Name::Diversion).unwrap()[0];
    assert_eq!(diversion.params.text("reason"), Some("unconditional"));
    let history = invite.addresses(Name::HistoryInfo).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].uri.headers(), Some("Reason=SIP%3Bcause%3D302"));
    assert!(invite.has_sdp());

    let bye = message("carrier-bye");
    assert_eq!(
        bye.headers.text(Name::Reason),
        Some("Q.850;cause=16;text=\"Normal call clearing\"")
    );
}

#[test]
fn a_gateway_writes_latin_1_and_no_content_length() {
    let invite = message("gateway-latin1-invite");
    let from = invite.from().unwrap();
    assert_eq!(
        from.display.as_deref(),
        Some(&b"H\xf4tel de la Gar\xe7onni\xe8re"[..])
    );
    assert_eq!(
        from.display_text().as_deref(),
        Some("Hôtel de la Garçonnière")
    );
    assert_eq!(from.tag(), Some("25a1"));
    let Ok(Contacts::List(contacts)) = invite.contacts() else {
        panic!("no list")
    };
    assert_eq!(
        contacts[0].address.uri.host(),
        Some(Host::V4([192, 168, 5, 9].into()))
    );
    assert_eq!(sdp(&invite).media.len(), 1);
    let octets = octets("gateway-latin1-invite");
    assert!(octets.ends_with(&invite.body));
}
