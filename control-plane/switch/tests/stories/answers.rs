//! What anybody may throw at a node.

use carillon_sip::Method;
use expect_test::expect;

use super::office::Office;

fn first_lines(sent: Vec<String>) -> Vec<String> {
    sent.iter()
        .map(|message| message.lines().next().unwrap_or_default().to_owned())
        .collect()
}

fn request(method: &str, extra: &str) -> String {
    format!(
        "{method} sip:102@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.0.1;branch=z9hG4bK{method}{};rport\r\n\
         From: <sip:x@y>;tag=1\r\nTo: <sip:102@pbx.example>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{extra}\r\n",
        extra.len()
    )
}

#[test]
fn each_has_its_refusal() {
    let mut office = Office::new(1);
    let mut answer =
        |text: &str| first_lines(office.throw(1, "10.9.0.1:5060", text.as_bytes())).join(" | ");
    let mut table = String::new();
    for (what, text) in [
        ("options", request("OPTIONS", "")),
        ("no hops left", request("INVITE", "").replace("Max-Forwards: 70", "Max-Forwards: 0")),
        ("options, no hops left", request("OPTIONS", "").replace("Max-Forwards: 70", "Max-Forwards: 0")),
        ("known, not served", request("MESSAGE", "")),
        ("unknown", request("NEWMETHOD", "")),
        ("extension required", request("INVITE", "Require: nothingSupportsThis\r\n")),
        ("bye outside of a dialog", request("BYE", "")),
        ("cancel of nothing", request("CANCEL", "")),
        ("ack of nothing", request("ACK", "")),
        ("subscribe", request("SUBSCRIBE", "Event: presence\r\n")),
        ("unknown scheme", request("OPTIONS", "").replace("sip:102@pbx.example SIP", "soap.beep://x SIP")),
        ("wrong version", request("OPTIONS", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")),
        ("two methods", request("OPTIONS", "").replace("1 OPTIONS", "1 INVITE")),
        ("no call-id", request("OPTIONS", "").replace("Call-ID: c\r\n", "")),
        ("body of another kind", request("INVITE", "Content-Type: text/plain\r\n").replace("\r\n\r\n", "\r\n\r\nhello")),
        ("negative length", request("INVITE", "Content-Length: -1\r\n")),
        ("a response", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n".to_owned()),
        ("keep-alive", "\r\n\r\n".to_owned()),
        ("noise", "hello".to_owned()),
        ("nothing", String::new()),
    ] {
        table.push_str(&format!("{what}: {}\n", answer(&text)));
    }
    expect![[r#"
        options: SIP/2.0 200 OK
        no hops left: SIP/2.0 483 Too Many Hops
        options, no hops left: SIP/2.0 200 OK
        known, not served: SIP/2.0 405 Method Not Allowed
        unknown: SIP/2.0 501 Not Implemented
        extension required: SIP/2.0 420 Bad Extension
        bye outside of a dialog: SIP/2.0 481 Call/Transaction Does Not Exist
        cancel of nothing: SIP/2.0 481 Call/Transaction Does Not Exist
        ack of nothing: 
        subscribe: SIP/2.0 405 Method Not Allowed
        unknown scheme: SIP/2.0 416 Unsupported URI Scheme
        wrong version: SIP/2.0 505 Version Not Supported
        two methods: SIP/2.0 400 Bad Request: CSeq is of another method
        no call-id: SIP/2.0 400 Bad Request: Call-ID is missing
        body of another kind: SIP/2.0 415 Unsupported Media Type
        negative length: SIP/2.0 400 bad Content-Length: no number
        a response: 
        keep-alive: 
        noise: 
        nothing: 
    "#]]
    .assert_eq(&table);
    assert!(office.node(1).counters().malformed > 0);
}

#[test]
fn options_tell_what_is_served() {
    let mut office = Office::new(1);
    let sent = office.throw(1, "10.9.0.1:5060", request("OPTIONS", "").as_bytes());
    let headers: Vec<&str> = sent[0]
        .lines()
        .filter(|line| !line.starts_with("To:"))
        .collect();
    expect![[r#"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 10.9.0.1;branch=z9hG4bKOPTIONS0;rport=5060;received=10.9.0.1
        From: <sip:x@y>;tag=1
        Call-ID: c
        CSeq: 1 OPTIONS
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, PRACK, UPDATE
        Accept: application/sdp
        Accept-Encoding: identity
        Accept-Language: en
        Supported: 100rel, timer, path, outbound
        Server: Carillon/0.1.0
        Content-Length: 0
    "#]]
    .assert_eq(&headers.join("\n"));
}

#[test]
fn a_request_that_we_sent_and_that_comes_back_is_a_loop() {
    let mut office = Office::with_alice_and_bob(2);
    office.call("alice", "102");
    let ours = office.phone("bob").ringing.clone().unwrap();
    office.ladder();
    office.say("bob", ours);
    office.run(50);
    expect![[r#"
        bob -> n2: INVITE bob
        n2 -> bob: 482 INVITE
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_number_that_is_none_is_incomplete() {
    let mut office = Office::with_alice_and_bob(1);
    let mut invite = office.phone("alice").invite("102");
    invite.start = carillon_sip::StartLine::Request {
        method: Method::Invite,
        uri: "sip:pbx.example".parse().unwrap(),
    };
    office.phone("alice").asked = Some(invite.clone());
    office.say("alice", invite);
    office.run(50);
    expect![[r#"
        alice -> n1: INVITE
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE
        n1 -> alice: 484 INVITE
        alice -> n1: ACK
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_telephone_number_is_dialled_without_its_ornaments() {
    let mut office = Office::with_alice_and_bob(1);
    let mut invite = office.phone("alice").invite("102");
    invite.start = carillon_sip::StartLine::Request {
        method: Method::Invite,
        uri: "tel:1-0(2)".parse().unwrap(),
    };
    office.phone("alice").asked = Some(invite.clone());
    office.say("alice", invite);
    office.run(50);
    assert!(office.phone("bob").ringing.is_some());
}

#[test]
fn credentials_that_cannot_be_read_are_bad_requests() {
    let mut office = Office::new(1);
    let digest = "Authorization: Digest username=\"alice\", realm=\"carillon\", nonce=\"n\", uri=\"sip:x\", response=\"0\"";
    let mut answer = |extra: &str| {
        let text = request("REGISTER", &format!("{digest}{extra}\r\n"));
        first_lines(office.throw(1, "10.9.0.1:5060", text.as_bytes())).join(" | ")
    };
    expect!["SIP/2.0 400 Bad Request: unusable credentials"].assert_eq(&answer(""));
    expect!["SIP/2.0 400 Bad Request: unusable credentials"]
        .assert_eq(&answer(", qop=auth-int, nc=00000001, cnonce=\"x\""));
    expect!["SIP/2.0 403 Forbidden"].assert_eq(&answer(", qop=auth, nc=00000001, cnonce=\"x\""));
    let basic = request("REGISTER", "Authorization: Basic YWxpY2U6czNjcmV0\r\n");
    expect!["SIP/2.0 401 Unauthorized"]
        .assert_eq(&first_lines(office.throw(1, "10.9.0.1:5060", basic.as_bytes())).join(" | "));
}

#[test]
fn before_the_cluster_has_its_keys_everything_is_put_off() {
    let listeners = Vec::new();
    let config = carillon_switch::Config::new(carillon_model::NodeId(1), listeners);
    let mut node = carillon_switch::Switch::new(config, [1; 32]);
    let flow = carillon_model::Flow {
        node: carillon_model::NodeId(1),
        transport: carillon_model::Transport::Udp,
        local: "10.1.0.1:5060".parse().unwrap(),
        peer: "10.9.0.1:5060".parse().unwrap(),
        connection: 0,
    };
    let bytes = bytes::Bytes::from(request("REGISTER", ""));
    node.handle_input(1, carillon_switch::Input::Received { flow, bytes });
    let sent = std::iter::from_fn(|| node.poll_output()).find_map(|output| match output {
        carillon_switch::Output::Send { bytes, .. } => {
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    });
    assert!(sent.unwrap().starts_with("SIP/2.0 503"));
}
