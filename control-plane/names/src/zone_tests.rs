use expect_test::{Expect, expect};

use super::*;

fn zone() -> Zone {
    Zone::new("PBX.example.org").unwrap()
}

fn host(name: &str, last: u8, live: bool) -> Host {
    let listener = |transport, port| SipListener {
        transport,
        address: ([192, 0, 2, last], port).into(),
    };
    let sip = vec![
        listener(Transport::Udp, 5060),
        listener(Transport::Tcp, 5060),
        listener(Transport::Tls, 5061),
    ];
    Host {
        name: name.to_owned(),
        sip,
        live,
    }
}

fn three() -> [Host; 3] {
    [
        host("control1", 1, true),
        host("Control 2", 2, true),
        host("control3", 3, false),
    ]
}

fn told(name: &str, kind: RecordType, turn: usize, expected: Expect) {
    let name = Name::from_ascii(name).unwrap();
    let said = match zone().answer(&name, kind, &three(), turn) {
        Answer::Records(records) => records
            .iter()
            .map(|record| format!("{record}\n"))
            .collect::<String>(),
        other => format!("{other:?}\n"),
    };
    expected.assert_eq(&said);
}

#[test]
fn a_phone_learns_the_transports_then_the_nodes_then_their_addresses() {
    told(
        "pbx.example.org.",
        RecordType::NAPTR,
        0,
        expect![[r#"
        pbx.example.org. 5 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.pbx.example.org.
        pbx.example.org. 5 IN NAPTR 20 10 "s" "SIP+D2T" "" _sip._tcp.pbx.example.org.
        pbx.example.org. 5 IN NAPTR 30 10 "s" "SIPS+D2T" "" _sips._tcp.pbx.example.org.
    "#]],
    );
    told(
        "_sip._udp.pbx.example.org.",
        RecordType::SRV,
        0,
        expect![[r#"
            _sip._udp.pbx.example.org. 5 IN SRV 10 10 5060 control1.pbx.example.org.
            _sip._udp.pbx.example.org. 5 IN SRV 10 10 5060 control-2.pbx.example.org.
        "#]],
    );
    told(
        "_sips._tcp.pbx.example.org.",
        RecordType::SRV,
        0,
        expect![[r#"
            _sips._tcp.pbx.example.org. 5 IN SRV 10 10 5061 control1.pbx.example.org.
            _sips._tcp.pbx.example.org. 5 IN SRV 10 10 5061 control-2.pbx.example.org.
        "#]],
    );
    told(
        "control-2.pbx.example.org.",
        RecordType::A,
        0,
        expect![[r#"
            control-2.pbx.example.org. 5 IN A 192.0.2.2
        "#]],
    );
}

#[test]
fn who_asks_for_addresses_alone_gets_those_of_the_live_nodes_in_turn() {
    told(
        "pbx.example.org.",
        RecordType::A,
        0,
        expect![[r#"
        pbx.example.org. 5 IN A 192.0.2.1
        pbx.example.org. 5 IN A 192.0.2.2
    "#]],
    );
    told(
        "pbx.example.org.",
        RecordType::A,
        1,
        expect![[r#"
        pbx.example.org. 5 IN A 192.0.2.2
        pbx.example.org. 5 IN A 192.0.2.1
    "#]],
    );
    told("pbx.example.org.", RecordType::AAAA, 0, expect![[""]]);
}

#[test]
fn a_name_that_an_answer_of_five_seconds_ago_held_still_has_its_address() {
    told(
        "control3.pbx.example.org.",
        RecordType::A,
        0,
        expect![[r#"
        control3.pbx.example.org. 5 IN A 192.0.2.3
    "#]],
    );
}

#[test]
fn what_is_not_there_and_what_is_not_ours() {
    told(
        "control4.pbx.example.org.",
        RecordType::A,
        0,
        expect![[r#"
        NoSuchName
    "#]],
    );
    told(
        "_sip._udp.pbx.example.org.",
        RecordType::A,
        0,
        expect![[""]],
    );
    told(
        "www.example.org.",
        RecordType::A,
        0,
        expect![[r#"
        Refused
    "#]],
    );
    told(
        "pbx.example.com.",
        RecordType::A,
        0,
        expect![[r#"
        Refused
    "#]],
    );
}

#[test]
fn letters_may_be_great_or_small() {
    told(
        "_SIP._udp.PBX.Example.ORG.",
        RecordType::SRV,
        1,
        expect![[r#"
            _sip._udp.pbx.example.org. 5 IN SRV 10 10 5060 control-2.pbx.example.org.
            _sip._udp.pbx.example.org. 5 IN SRV 10 10 5060 control1.pbx.example.org.
        "#]],
    );
}

#[test]
fn nobody_answers_for_the_root_or_for_nonsense() {
    for domain in ["", ".", "a..b", &"x".repeat(300)] {
        assert!(Zone::new(domain).is_err(), "{domain}");
    }
}
