use expect_test::expect;

use super::*;

#[test]
fn an_invite_is_repeated_until_timer_b() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        send INVITE sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.request(1, "INVITE"));
    expect![[r#"
        500 send INVITE sip:bob@192.0.2.10
        1500 send INVITE sip:bob@192.0.2.10
        3500 send INVITE sip:bob@192.0.2.10
        7500 send INVITE sip:bob@192.0.2.10
        15500 send INVITE sip:bob@192.0.2.10
        31500 send INVITE sip:bob@192.0.2.10
        32000 failed 1 Timeout
        32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn over_a_stream_nothing_is_repeated() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.request(1, "INVITE");
    expect![[r#"
         32000 failed 1 Timeout
         32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn a_provisional_response_stops_the_repeating_for_long() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    expect![[r#"
        response 100 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 100)));
    expect![[r#"
        response 180 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 180)));
    expect![""].assert_eq(&desk.wait(PROCEEDING_LIMIT_MS - 1));
    expect![[r#"
        1200000 failed 1 Timeout
        1200000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(1));
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_comes() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    expect![[r#"
        send ACK sip:bob@192.0.2.10
        response 486 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 486)));
    expect![[r#"
        send ACK sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 486)));
    expect![""].assert_eq(&desk.receive(&answer(1, "INVITE", 200)));
    expect![[r#"
         32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
    expect![[r#"
        stray 486
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 486)));
}

#[test]
fn the_ack_of_a_refusal_repeats_the_invite_and_names_the_callee() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    let refusal = message(&answer(1, "INVITE", 486));
    desk.layer.handle_input(
        0,
        Input::Received {
            flow: flow(Transport::Udp),
            message: refusal,
        },
    );
    let ack = std::iter::from_fn(|| desk.layer.poll_output()).find_map(|output| match output {
        Output::Send { bytes, .. } if bytes.starts_with(b"ACK") => Some(bytes),
        _ => None,
    });
    expect![[r#"
        ACK sip:bob@192.0.2.10 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1.0000000000000001;rport
        Max-Forwards: 70
        From: <sip:alice@pbx>;tag=ours
        To: <sip:bob@pbx>;tag=theirs
        Call-ID: c2
        CSeq: 7 ACK
        Route: <sip:edge;lr>
        Content-Length: 0

    "#]]
    .assert_eq(
        &String::from_utf8(ack.unwrap().to_vec())
            .unwrap()
            .replace('\r', ""),
    );
}

#[test]
fn over_a_stream_a_refusal_ends_it() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.request(1, "INVITE");
    expect![[r#"
        send ACK sip:bob@192.0.2.10
        response 486 to 1
        client 1 ended
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 486)));
}

#[test]
fn each_2xx_reaches_the_user_until_timer_m() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    expect![[r#"
        response 200 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 200)));
    expect![[r#"
        response 200 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 200).replace("theirs", "other-fork")));
    expect![""].assert_eq(&desk.receive(&answer(1, "INVITE", 486)));
    expect![[r#"
         32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn an_unreachable_peer_fails_the_invite_unless_it_was_heard_before() {
    let mut desk = Desk::new(Transport::Udp);
    let flow = desk.flow();
    desk.request(1, "INVITE");
    desk.request(2, "INVITE");
    desk.receive(&answer(2, "INVITE", 180));
    expect![[r#"
        failed 1 Transport
        client 1 ended
    "#]]
    .assert_eq(&desk.input(Input::SendFailed { flow }));
    let mut desk = Desk::new(Transport::Tcp);
    let flow = desk.flow();
    desk.request(2, "INVITE");
    desk.receive(&answer(2, "INVITE", 180));
    expect![[r#"
        failed 2 Transport
        client 2 ended
    "#]]
    .assert_eq(&desk.input(Input::SendFailed { flow }));
}

#[test]
fn another_node_takes_up_an_invite_that_was_sent() {
    let mut desk = Desk::new(Transport::Udp);
    let message = own_request(1, "INVITE", Transport::Udp);
    let flow = desk.flow();
    expect![""].assert_eq(&desk.input(Input::AdoptClient {
        key: ClientKey(1),
        message,
        flow,
    }));
    expect![[r#"
        response 200 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 200)));
}
