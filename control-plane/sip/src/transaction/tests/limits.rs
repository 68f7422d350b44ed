use expect_test::expect;

use super::*;

fn full() -> Desk {
    let mut desk = Desk::with(
        Transport::Udp,
        Config {
            transactions: 8,
            ..Config::default()
        },
    );
    for number in 0..8 {
        desk.receive(&phone("OPTIONS").replace("z9hG4bKphone", &format!("z9hG4bK{number}")));
    }
    desk
}

#[test]
fn with_no_room_an_invite_is_refused_for_a_while() {
    let mut desk = full();
    let flow = desk.flow();
    let invite = message(&phone("INVITE"));
    desk.layer.handle_input(
        0,
        Input::Received {
            flow,
            message: invite,
        },
    );
    let Some(Output::Send { bytes, .. }) = desk.layer.poll_output() else {
        panic!()
    };
    expect![[r#"
        SIP/2.0 503 Service Unavailable
        Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKphone;rport=5060;received=192.0.2.10
        From: <sip:alice@pbx>;tag=a
        To: <sip:bob@pbx>;tag=4cafbae1c6cfb87b
        Call-ID: c1
        CSeq: 1 INVITE
        Retry-After: 5
        Content-Length: 0

    "#]]
    .assert_eq(&String::from_utf8(bytes.to_vec()).unwrap().replace('\r', ""));
    assert_eq!(desk.layer.load().servers, 8);
    assert_eq!(
        desk.receive(&phone("ACK")),
        "ack\n",
        "its ACK finds nothing to end"
    );
}

#[test]
fn calls_can_end_when_no_call_can_begin() {
    let mut desk = full();
    assert_eq!(desk.receive(&phone("BYE")), "request BYE\n");
    let second = phone("BYE").replace("z9hG4bKphone", "z9hG4bKsecond");
    assert_eq!(desk.receive(&second), "", "the phone will ask again");
    assert_eq!(
        desk.request(1, "OPTIONS"),
        "failed 1 Overload\nclient 1 ended\n"
    );
}

#[test]
fn repeated_requests_take_no_room() {
    let mut desk = full();
    let known = phone("OPTIONS").replace("z9hG4bKphone", "z9hG4bK3");
    assert!(desk.layer.knows(&message(&known)));
    assert!(!desk.layer.knows(&message(&phone("OPTIONS"))));
    assert_eq!(desk.receive(&known), "");
}
