use expect_test::expect;

use super::*;

#[test]
fn an_invite_gets_100_at_once_and_repeats_are_absorbed() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        request INVITE
    "#]]
    .assert_eq(&desk.receive(&phone("INVITE")));
    expect![[r#"
             0 send 100 Trying
    "#]]
    .assert_eq(&desk.wait(10));
    expect![[r#"
        send 100 Trying
    "#]]
    .assert_eq(&desk.receive(&phone("INVITE")));
    expect![[r#"
        send 180 Ringing
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 180));
    expect![[r#"
        send 180 Ringing
    "#]]
    .assert_eq(&desk.receive(&phone("INVITE")));
}

#[test]
fn a_refusal_on_the_spot_goes_without_100() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    expect![[r#"
        send 401 Unauthorized
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 401));
    expect![""].assert_eq(&desk.wait(499));
}

#[test]
fn a_refusal_is_repeated_until_its_ack() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    desk.respond(&phone("INVITE"), 486);
    expect![[r#"
        500 send 486 Busy Here
        1500 send 486 Busy Here
        3500 send 486 Busy Here
        7500 send 486 Busy Here
        11500 send 486 Busy Here
    "#]]
    .assert_eq(&desk.wait(12_000));
    expect![[r#"
        send 486 Busy Here
    "#]]
    .assert_eq(&desk.receive(&phone("INVITE")));
    expect![""].assert_eq(&desk.receive(&phone("ACK")));
    expect![""].assert_eq(&desk.receive(&phone("INVITE")));
    expect![[r#"
         17000 server ended
    "#]]
    .assert_eq(&desk.wait(60_000));
}

#[test]
fn a_refusal_that_nobody_acknowledges_is_given_up_after_32_s() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.receive(&phone("INVITE"));
    expect![[r#"
        send 603 Decline
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 603));
    expect![[r#"
         32000 server timeout
         32000 server ended
    "#]]
    .assert_eq(&desk.wait(60_000));
}

#[test]
fn over_a_stream_the_ack_of_a_refusal_ends_it() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.receive(&phone("INVITE"));
    desk.respond(&phone("INVITE"), 486);
    expect![[r#"
        server ended
    "#]]
    .assert_eq(&desk.receive(&phone("ACK")));
}

#[test]
fn accepted_absorbs_the_invite_passes_2xx_and_the_ack_and_ends_by_timer_l() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 200));
    expect![""].assert_eq(&desk.receive(&phone("INVITE")));
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 200));
    expect![""].assert_eq(&desk.respond(&phone("INVITE"), 486));
    expect![[r#"
        ack
    "#]]
    .assert_eq(&desk.receive(&phone("ACK")));
    expect![[r#"
        ack
    "#]]
    .assert_eq(&desk.receive(&phone("ACK").replace("z9hG4bKphone", "z9hG4bKother")));
    expect![[r#"
         32000 server ended
    "#]]
    .assert_eq(&desk.wait(60_000));
}

#[test]
fn another_node_takes_up_an_invite_by_its_stored_via() {
    let mut desk = Desk::new(Transport::Udp);
    let key = ServerKey::of(&message(&phone("INVITE"))).unwrap();
    let flow = desk.flow();
    desk.input(Input::AdoptServer { key, flow });
    expect![""].assert_eq(&desk.receive(&phone("INVITE")));
    expect![[r#"
        send 200 OK
        cancelled
    "#]]
    .assert_eq(&desk.receive(&phone("CANCEL")));
    expect![[r#"
        send 487 Request Terminated
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 487));
    expect![""].assert_eq(&desk.receive(&phone("ACK")));
}

#[test]
fn an_invite_that_its_user_forgets_is_forgotten_too() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    expect![[r#"
        0 send 100 Trying
        1200000 server timeout
        1200000 server ended
    "#]]
    .assert_eq(&desk.wait(PROCEEDING_LIMIT_MS));
}

#[test]
fn responses_go_where_the_request_came_from() {
    let peer = |via: &str, transport| {
        let mut desk = Desk::new(transport);
        let mut flow = desk.flow();
        flow.peer = "198.51.100.7:40000".parse().unwrap();
        let request = phone("OPTIONS").replace("192.0.2.10;branch=z9hG4bKphone;rport", via);
        desk.layer.handle_input(
            0,
            Input::Received {
                flow,
                message: message(&request),
            },
        );
        let Some(Output::Request { key, message, .. }) = desk.layer.poll_output() else {
            panic!()
        };
        let response = Message::response_to(&message, 200, "");
        desk.layer.handle_input(
            0,
            Input::Respond {
                key,
                message: response,
            },
        );
        let Some(Output::Send { flow, bytes }) = desk.layer.poll_output() else {
            panic!()
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        format!("{} {}", flow.peer, text.lines().nth(1).unwrap())
    };
    expect!["198.51.100.7:40000 Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;rport=40000;received=198.51.100.7"]
        .assert_eq(&peer("10.0.0.1;branch=z9hG4bKx;rport", Transport::Udp));
    expect![
        "198.51.100.7:5070 Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx;received=198.51.100.7"
    ]
    .assert_eq(&peer("10.0.0.1:5070;branch=z9hG4bKx", Transport::Udp));
    expect!["198.51.100.7:5060 Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx;maddr=203.0.113.9"]
        .assert_eq(&peer(
            "198.51.100.7;branch=z9hG4bKx;maddr=203.0.113.9",
            Transport::Udp,
        ));
    expect!["198.51.100.7:40000 Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;received=198.51.100.7"]
        .assert_eq(&peer("10.0.0.1;branch=z9hG4bKx", Transport::Tcp));
}
