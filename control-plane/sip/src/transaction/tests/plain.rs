use expect_test::expect;

use super::*;

#[test]
fn a_request_is_handed_up_once_and_answered_each_time() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        request OPTIONS
    "#]]
    .assert_eq(&desk.receive(&phone("OPTIONS")));
    expect![""].assert_eq(&desk.receive(&phone("OPTIONS")));
    expect![[r#"
        send 100 Trying
    "#]]
    .assert_eq(&desk.respond(&phone("OPTIONS"), 100));
    expect![[r#"
        send 100 Trying
    "#]]
    .assert_eq(&desk.receive(&phone("OPTIONS")));
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.respond(&phone("OPTIONS"), 200));
    expect![""].assert_eq(&desk.respond(&phone("OPTIONS"), 500));
    expect![[r#"
        send 200 OK
    "#]]
    .assert_eq(&desk.receive(&phone("OPTIONS")));
    expect![[r#"
         32000 server ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn over_a_stream_an_answer_ends_it() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.receive(&phone("BYE"));
    expect![[r#"
        send 200 OK
        server ended
    "#]]
    .assert_eq(&desk.respond(&phone("BYE"), 200));
}

#[test]
fn a_request_that_is_never_answered_is_forgotten() {
    let mut desk = Desk::new(Transport::Udp);
    desk.receive(&phone("OPTIONS"));
    expect![[r#"
         32000 server timeout
         32000 server ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn a_request_of_ours_is_repeated_up_to_every_4_s_until_timer_f() {
    let mut desk = Desk::new(Transport::Udp);
    expect![[r#"
        send BYE sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.request(1, "BYE"));
    expect![[r#"
        500 send BYE sip:bob@192.0.2.10
        1500 send BYE sip:bob@192.0.2.10
        3500 send BYE sip:bob@192.0.2.10
        7500 send BYE sip:bob@192.0.2.10
        11500 send BYE sip:bob@192.0.2.10
        15500 send BYE sip:bob@192.0.2.10
        19500 send BYE sip:bob@192.0.2.10
        23500 send BYE sip:bob@192.0.2.10
        27500 send BYE sip:bob@192.0.2.10
        31500 send BYE sip:bob@192.0.2.10
        32000 failed 1 Timeout
        32000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
}

#[test]
fn after_a_provisional_response_it_is_repeated_every_4_s() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "OPTIONS");
    desk.receive(&answer(1, "OPTIONS", 100));
    expect![[r#"
        500 send OPTIONS sip:bob@192.0.2.10
        4500 send OPTIONS sip:bob@192.0.2.10
    "#]]
    .assert_eq(&desk.wait(5000));
}

#[test]
fn a_final_response_is_handed_up_once() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "BYE");
    expect![[r#"
        response 200 to 1
    "#]]
    .assert_eq(&desk.receive(&answer(1, "BYE", 200)));
    expect![""].assert_eq(&desk.receive(&answer(1, "BYE", 200)));
    expect![[r#"
          5000 client 1 ended
    "#]]
    .assert_eq(&desk.wait(40_000));
    let mut desk = Desk::new(Transport::Tcp);
    desk.request(1, "BYE");
    expect![[r#"
        response 481 to 1
        client 1 ended
    "#]]
    .assert_eq(&desk.receive(&answer(1, "BYE", 481)));
}

#[test]
fn a_response_of_another_method_is_a_stray() {
    let mut desk = Desk::new(Transport::Udp);
    desk.request(1, "BYE");
    expect![[r#"
        stray 200
    "#]]
    .assert_eq(&desk.receive(&answer(1, "INVITE", 200)));
}

#[test]
fn a_lost_connection_fails_what_waits_on_it() {
    let mut desk = Desk::new(Transport::Tcp);
    desk.request(1, "BYE");
    let flow = desk.flow();
    let other = Flow {
        connection: 2,
        ..flow
    };
    expect![""].assert_eq(&desk.input(Input::SendFailed { flow: other }));
    expect![[r#"
        failed 1 Transport
        client 1 ended
    "#]]
    .assert_eq(&desk.input(Input::SendFailed { flow }));
}
