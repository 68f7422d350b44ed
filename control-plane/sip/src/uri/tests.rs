use super::*;

fn uri(text: &str) -> Uri {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_of_a_full_uri_are_found() {
    let uri =
        uri("sips:alice:secret@[2001:db8::10]:5061;transport=tcp;lr?Subject=x&Priority=urgent");
    assert_eq!(uri.scheme(), Scheme::Sips);
    assert_eq!(uri.user(), Some("alice"));
    assert_eq!(uri.password(), Some("secret"));
    assert_eq!(uri.host(), Some(Host::V6("2001:db8::10".parse().unwrap())));
    assert_eq!(uri.port(), Some(5061));
    assert_eq!(uri.param("Transport"), Some("tcp"));
    assert_eq!(uri.param("lr"), Some(""));
    assert_eq!(uri.headers(), Some("Subject=x&Priority=urgent"));
    assert_eq!(
        uri.without_headers().as_str().len(),
        uri.as_str().len() - 26
    );
}

#[test]
fn a_user_part_may_hold_what_looks_like_parameters() {
    let uri = uri("sip:user;par=u%40example.net@example.com");
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert_eq!(
        uri.user_unescaped().as_deref(),
        Some(&b"user;par=u@example.net"[..])
    );
    assert_eq!(uri.host(), Some(Host::Name("example.com")));
    assert_eq!(uri.params().count(), 0);
}

#[test]
fn telephone_numbers_and_unknown_schemes_are_uris() {
    let tel = uri("tel:+33-1-23;phone-context=example.com");
    assert_eq!((tel.scheme(), tel.user()), (Scheme::Tel, Some("+33-1-23")));
    assert_eq!(tel.param("phone-context"), Some("example.com"));
    assert_eq!(tel.host(), None);
    assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme(), Scheme::Other);
}

#[test]
fn what_is_no_uri_is_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:host:x",
        "sip:host:99999",
        "sip:a b@host",
        "<sip:a@host>",
        "sip:[::1",
        "sip:[zz]",
        "sip:2001:db8::10",
        "tel:",
        "tel:x y",
        "sip:host;=x",
        "sip:host;a=1;b;A=2",
        "sip:host;lr;%6c%72",
        "sip:ho$t",
        ":a@host",
        "1sip:host",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

/// The examples of RFC 3261 §19.1.4.
#[test]
fn equality_is_that_of_the_rfc() {
    for (one, two) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtlanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;newparam=5",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
        ("tel:+33(0)1-23", "tel:+33.01.23"),
    ] {
        assert!(uri(one).matches(&uri(two)), "{one} {two}");
        assert!(uri(two).matches(&uri(one)), "{two} {one}");
    }
    for (one, two) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:a@host", "sips:a@host"),
    ] {
        assert!(!uri(one).matches(&uri(two)), "{one} {two}");
        assert!(!uri(two).matches(&uri(one)), "{two} {one}");
    }
}

#[test]
fn built_uris_escape_what_they_must() {
    let address = "192.0.2.1:5060".parse().unwrap();
    assert_eq!(
        Uri::sip("al ice@x", address).as_str(),
        "sip:al%20ice%40x@192.0.2.1:5060"
    );
    assert_eq!(
        Uri::sip("", "[::1]:5070".parse().unwrap()).as_str(),
        "sip:[::1]:5070"
    );
    let uri = Uri::sip("a", address)
        .with_param("ob", None)
        .with_param("x", Some("1;2"));
    assert_eq!(uri.as_str(), "sip:a@192.0.2.1:5060;ob;x=1%3B2");
    assert_eq!(
        uri.without_param("ob").with_param("X", Some("3")).as_str(),
        "sip:a@192.0.2.1:5060;X=3"
    );
    assert!(Uri::build(Scheme::Sip, Some("a"), Host::Name("host;evil=1"), None).is_err());
    assert!(Uri::build(Scheme::Sip, Some("a"), Host::Name("host:5"), None).is_err());
}

#[test]
fn a_uri_survives_serialisation() {
    let uri = uri("sip:+33123@host;user=phone");
    let text = serde_json::to_string(&uri).unwrap();
    assert_eq!(serde_json::from_str::<Uri>(&text).unwrap(), uri);
}
