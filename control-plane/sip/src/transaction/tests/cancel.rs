use expect_test::expect;

use super::*;

#[test]
fn a_cancel_is_answered_and_told_while_the_invite_is_open() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    desk.respond(&phone("INVITE"), 180);
    expect![[r#"
        send 200 OK
        cancelled
    "#]]
    .assert_eq(&desk.receive(&phone("CANCEL")));
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.receive(&phone("CANCEL")));
    expect![[r#"
        send 487 Request Terminated
    "#]]
    .assert_eq(&desk.respond(&phone("INVITE"), 487));
}

#[test]
fn the_answer_to_a_cancel_has_the_tag_of_the_call() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    desk.respond(&phone("INVITE"), 180);
    let cancel = message(&phone("CANCEL"));
    desk.layer.handle_input(
        0,
        Input::Received {
            flow: flow(Transport::Udp),
            message: cancel,
        },
    );
    let Some(Output::Send { bytes, .. }) = desk.layer.poll_output() else {
        panic!()
    };
    assert!(
        String::from_utf8(bytes.to_vec())
            .unwrap()
            .contains("To: <sip:bob@pbx>;tag=ours")
    );
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("INVITE"));
    desk.respond(&phone("INVITE"), 200);
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.receive(&phone("CANCEL")));
}

#[test]
fn a_cancel_of_nothing_is_left_to_the_user() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        request CANCEL
    "#]]
    .assert_eq(&desk.receive(&phone("CANCEL")));
    expect![[r#"
        send 481 Call/Transaction Does Not Exist
    "#]]
    .assert_eq(&desk.respond(&phone("CANCEL"), 481));
}

#[test]
fn our_cancel_waits_for_a_provisional_response() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    expect![""].assert_eq(&desk.request(2, "CANCEL"));
    expect![[r#"
        response 180 to 1
        send CANCEL sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 180)));
    expect![[r#"
        response 200 to 2
    "#]]
    .assert_eq(&desk.receive(&answer(2, "CANCEL", 200)));
    expect![[r#"
        send ACK sip:bob@192.0.2.10
        response 487 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 487)));
}

#[test]
fn our_cancel_by_another_way_does_not_wait_and_ends_the_invite() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    let message = own_request(2, "CANCEL", Transport::Udp);
    let flow = Flow {
        node: NodeId(2),
        ..desk.flow()
    };
    let key = ClientKey(2);
    expect![[r#"
        client 1 ended
        send CANCEL sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.input(Input::Request { key, message, flow }));
    desk.receive(&answer(2, "CANCEL", 481));
    expect![[r#"
        5000 client 2 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
    assert_eq!(desk.layer.load(), Load::default());
}

#[test]
fn our_cancel_is_pointless_after_a_final_response() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    desk.request(2, "CANCEL");
    expect![[r#"
        response 200 to 1
        client 2 ended
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 200)));
}

#[test]
fn our_cancel_ends_with_an_invite_that_nobody_answered() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.request(1, "INVITE");
    desk.request(2, "CANCEL");
    expect![[r#"
         32000 failed 1 Timeout
         32000 client 1 ended
         32000 client 2 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
    assert_eq!(desk.layer.load(), Load::default());
}

#[test]
fn a_cancelled_invite_without_a_final_response_is_given_up_after_32_s() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "INVITE");
    desk.receive(&answer(1, "INVITE", 180));
    expect![[r#"
        send CANCEL sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.request(2, "CANCEL"));
    desk.receive(&answer(2, "CANCEL", 200));
    expect![[r#"
        5000 client 2 ended
        32000 failed 1 Timeout
        32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn an_heir_cancels_with_the_via_of_the_dead_node() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        send CANCEL sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.request(2, "CANCEL"));
    expect![[r#"
        response 200 to 2
    "#]]
    .assert_eq(&desk.receive(&answer(2, "CANCEL", 200)));
}
