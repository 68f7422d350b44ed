use expect_test::{Expect, expect};

use super::*;
use crate::{Framing, Method};

fn message(lines: &[&str]) -> Message {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    Message::parse(&Bytes::from(text), Framing::Datagram).unwrap()
}

fn via() -> Bytes {
    Bytes::from_static(b"SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.x;rport")
}

fn contact() -> Bytes {
    Bytes::from_static(b"<sip:10.77.1.1:5060>")
}

fn check(message: &Message, expected: &Expect) {
    expected.assert_eq(&String::from_utf8_lossy(&message.to_bytes()).replace("\r\n", "\n"));
}

/// Alice calls us by way of two proxies.
fn invite() -> Message {
    message(&[
        "INVITE sip:bob@pbx.example SIP/2.0",
        "Via: SIP/2.0/UDP p2.example;branch=z9hG4bK77ef.1, SIP/2.0/UDP p1.example;branch=z9hG4bK2d00.1",
        "Via: SIP/2.0/UDP 10.77.3.1;branch=z9hG4bKnashds8",
        "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>",
        "Max-Forwards: 68",
        "To: Bob <sip:bob@pbx.example>",
        "From: \"Alice; tag=no\" <sip:alice@pbx.example>;tag=1928301774",
        "Call-ID: a84b4c76e66710",
        "CSeq: 314159 INVITE",
        "Contact: <sip:alice@10.77.3.1>",
    ])
}

fn answer(code: u16, tag: &str, more: &[&str]) -> Message {
    let status = format!("SIP/2.0 {code} X");
    let to = format!("To: <sip:bob@pbx.example>;tag={tag}");
    let mut lines = vec![
        &status[..],
        "Via: SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.i;rport",
        "From: <sip:alice@pbx.example>;tag=cn1.a",
        &to,
        "Call-ID: ours",
        "CSeq: 1 INVITE",
    ];
    lines.extend(more);
    message(&lines)
}

fn to() -> Uri {
    "sip:bob@10.77.3.2:5060".parse().unwrap()
}

#[test]
fn the_called_side_sends_by_the_proxies_in_the_order_of_record_route() {
    let mut dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    check(
        &dialog.request(Method::Bye, via()),
        &expect![[r#"
            BYE sip:alice@10.77.3.1 SIP/2.0
            Via: SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.x;rport
            Route: <sip:p2.example;lr>
            Route: <sip:p1.example;lr>
            Max-Forwards: 70
            From: Bob <sip:bob@pbx.example>;tag=cn1.t
            To: "Alice; tag=no" <sip:alice@pbx.example>;tag=1928301774
            Call-ID: a84b4c76e66710
            CSeq: 1 BYE
            Content-Length: 0

        "#]],
    );
}

#[test]
fn the_calling_side_sends_by_the_proxies_in_reverse_order() {
    let routes = [
        "Record-Route: <sip:p2.example;lr>",
        "Record-Route: <sip:p1.example;lr>",
    ];
    let more = [
        routes[0],
        routes[1],
        "Contact: <sip:bob@10.77.3.2;transport=tcp?Subject=x>",
    ];
    let dialog = Dialog::new_uac(&answer(200, "b1", &more), contact(), &to()).unwrap();
    assert_eq!(dialog.state, DialogState::Confirmed);
    check(
        &dialog.ack(1, via()),
        &expect![[r#"
            ACK sip:bob@10.77.3.2;transport=tcp SIP/2.0
            Via: SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.x;rport
            Route: <sip:p1.example;lr>
            Route: <sip:p2.example;lr>
            Max-Forwards: 70
            From: <sip:alice@pbx.example>;tag=cn1.a
            To: <sip:bob@pbx.example>;tag=b1
            Call-ID: ours
            CSeq: 1 ACK
            Content-Length: 0

        "#]],
    );
}

#[test]
fn a_strict_router_becomes_the_request_uri() {
    let more = [
        "Record-Route: <sip:loose.example;lr>, <sip:strict.example>",
        "Contact: <sip:bob@10.77.3.2>",
    ];
    let mut dialog = Dialog::new_uac(&answer(200, "b1", &more), contact(), &to()).unwrap();
    check(
        &dialog.request(Method::Invite, via()),
        &expect![[r#"
            INVITE sip:strict.example SIP/2.0
            Via: SIP/2.0/UDP 10.77.1.1:5060;branch=z9hG4bK1.x;rport
            Route: <sip:loose.example;lr>
            Route: <sip:bob@10.77.3.2>
            Max-Forwards: 70
            From: <sip:alice@pbx.example>;tag=cn1.a
            To: <sip:bob@pbx.example>;tag=b1
            Call-ID: ours
            CSeq: 2 INVITE
            Contact: <sip:10.77.1.1:5060>
            Content-Length: 0

        "#]],
    );
}

#[test]
fn one_invite_makes_an_early_dialog_for_each_phone_behind_a_proxy() {
    let mut early = EarlyDialogs::default();
    let ringing = |tag| {
        answer(
            180,
            tag,
            &[
                "Record-Route: <sip:p1.example;lr>",
                "Contact: <sip:bob@10.77.3.2>",
            ],
        )
    };
    for tag in ["desk", "mobile", "desk"] {
        let dialog = early
            .provisional(&ringing(tag), &contact(), &to())
            .unwrap()
            .unwrap();
        assert_eq!(dialog.state, DialogState::Early);
    }
    assert_eq!(early.iter().count(), 2);
    let prack = early
        .with_remote_tag("desk")
        .unwrap()
        .request(Method::Prack, via());
    assert_eq!(
        prack.cseq().unwrap().number,
        2,
        "each early dialog counts for itself"
    );

    let more = [
        "Record-Route: <sip:p9.example;lr>",
        "Contact: <sip:bob@10.77.3.9>",
    ];
    let mut answered = early
        .confirm(&answer(200, "desk", &more), &contact(), &to())
        .unwrap();
    assert_eq!(answered.state, DialogState::Confirmed);
    let routes: Vec<_> = answered
        .route_set()
        .iter()
        .map(|route| route.uri.as_str())
        .collect();
    assert_eq!(
        routes,
        ["sip:p9.example;lr"],
        "the 2xx has the last word on the route"
    );
    assert_eq!(answered.remote_target().as_str(), "sip:bob@10.77.3.9");
    assert_eq!(
        answered.request(Method::Bye, via()).cseq().unwrap().number,
        3
    );

    let late = early
        .confirm(&answer(200, "mobile", &more), &contact(), &to())
        .unwrap();
    let unheard = early
        .confirm(&answer(200, "softphone", &more), &contact(), &to())
        .unwrap();
    assert_eq!(
        (&*late.remote_tag, &*unheard.remote_tag),
        ("mobile", "softphone")
    );
    assert_eq!(early.iter().count(), 0);
}

#[test]
fn a_proxy_cannot_fork_without_end() {
    let mut early = EarlyDialogs::default();
    for number in 0..100 {
        let ringing = answer(
            180,
            &format!("t{number}"),
            &["Contact: <sip:bob@10.77.3.2>"],
        );
        let known = early
            .provisional(&ringing, &contact(), &to())
            .unwrap()
            .is_some();
        assert_eq!(known, number < MAX_EARLY_DIALOGS);
    }
}

#[test]
fn a_response_without_contact_leaves_the_target_of_the_invite() {
    for code in [180, 200] {
        let dialog = Dialog::new_uac(&answer(code, "b1", &[]), contact(), &to()).unwrap();
        assert_eq!(dialog.remote_target(), &to());
    }
}

#[test]
fn a_target_refresh_moves_the_target_and_a_bad_contact_does_not() {
    let mut dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    let mut update = invite();
    update
        .headers
        .set(Name::Contact, "<sip:alice@10.77.3.77:5080>");
    dialog.refresh_target(&update);
    assert_eq!(dialog.remote_target().as_str(), "sip:alice@10.77.3.77:5080");
    for bad in ["*", "<sip:a@h>, <sip:b@h>", "<no uri>"] {
        update.headers.set(Name::Contact, bad);
        dialog.refresh_target(&update);
    }
    assert_eq!(dialog.remote_target().as_str(), "sip:alice@10.77.3.77:5080");
}

#[test]
fn a_lower_number_of_the_peer_is_out_of_order_and_the_same_is_a_repetition() {
    let mut dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    let mut request = |cseq: &'static str| {
        let mut info = invite();
        info.headers.set(Name::CSeq, cseq);
        dialog.accept(&info)
    };
    assert_eq!(request("314160 INFO"), Ok(()));
    assert_eq!(request("314160 INFO"), Ok(()));
    assert_eq!(request("314159 INFO"), Err(OutOfOrder));
    assert_eq!(request("314170 INFO"), Ok(()));
    assert_eq!(request("nonsense"), Err(OutOfOrder));
}

#[test]
fn only_both_tags_and_the_call_id_are_the_dialog() {
    let dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    let mut bye = invite();
    assert!(!dialog.is_of(&bye), "without our tag");
    bye.headers.set(Name::To, "<sip:bob@pbx.example>;tag=cn1.t");
    assert!(dialog.is_of(&bye));
    bye.headers
        .set(Name::From, "<sip:alice@pbx.example>;tag=no");
    assert!(!dialog.is_of(&bye), "the tag in the display name is none");
}

#[test]
fn an_heir_goes_on_above_all_numbers_that_were_set_aside() {
    let mut owner = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    let mut stored = rmp_serde::to_vec_named(&owner).unwrap();
    let mut highest = 0;
    for _ in 0..40 {
        highest = owner.request(Method::Info, via()).cseq().unwrap().number;
        let mut heir: Dialog = rmp_serde::from_slice(&stored).unwrap();
        heir.take_over(Bytes::from_static(b"<sip:10.77.1.2:5060>"));
        let next = heir.request(Method::Invite, via());
        assert!(
            next.cseq().unwrap().number > highest,
            "numbers never go back"
        );
        assert_eq!(
            next.headers.text(Name::Contact),
            Some("<sip:10.77.1.2:5060>")
        );
        if owner.reserve_ahead() {
            stored = rmp_serde::to_vec_named(&owner).unwrap();
        }
    }
    assert_eq!(highest, 40);
}

#[test]
fn a_stored_dialog_reads_back_as_it_was() {
    let dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    let stored = rmp_serde::to_vec_named(&dialog).unwrap();
    assert_eq!(rmp_serde::from_slice::<Dialog>(&stored).unwrap(), dialog);
}

#[test]
fn another_tag_for_the_same_request_is_another_dialog() {
    let mut dialog = Dialog::new_uas(&invite(), "cn1.t", contact()).unwrap();
    dialog.request(Method::Info, via());
    let mut forked = dialog.forked(invite().headers.get(Name::To).unwrap(), "cn1.u");
    assert_eq!(&forked.local()[..], b"Bob <sip:bob@pbx.example>;tag=cn1.u");
    assert_eq!(forked.request(Method::Bye, via()).cseq().unwrap().number, 1);
}

#[test]
fn what_makes_no_dialog_is_an_error() {
    let mut request = invite();
    request.headers.remove(Name::Contact);
    assert_eq!(
        Dialog::new_uas(&request, "t", contact()),
        Err(DialogError::Contact)
    );
    request = invite();
    request.headers.remove(Name::CallId);
    assert!(matches!(
        Dialog::new_uas(&request, "t", contact()),
        Err(DialogError::Field(_))
    ));
    let mut response = answer(200, "b1", &["Contact: <sip:bob@10.77.3.2>"]);
    response.headers.set(Name::To, "<sip:bob@pbx.example>");
    assert_eq!(
        Dialog::new_uac(&response, contact(), &to()),
        Err(DialogError::Tag)
    );
}
