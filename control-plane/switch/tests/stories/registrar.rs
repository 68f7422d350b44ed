use carillon_model::{Flow, MAX_BINDINGS, NodeId, Transport};
use carillon_sip::{Message, Name};
use carillon_switch::{BATCH_INTERVAL_MS, Input, ProposalFailure};
use expect_test::expect;

use super::office::Office;

/// The contacts that a phone was told last.
fn contacts(office: &mut Office, name: &str) -> Vec<String> {
    let last = office.phone(name).received.last().unwrap();
    let lines = last.headers.get_all(Name::Contact);
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

/// A REGISTER with these headers changed, credentials included, and its answer.
fn register_with(office: &mut Office, name: &str, change: impl Fn(&mut Message)) -> u16 {
    let mut message = office.phone(name).register();
    change(&mut message);
    office.phone(name).asked = Some(message.clone());
    office.say(name, message);
    office.run(50);
    office
        .phone(name)
        .received
        .last()
        .unwrap()
        .status()
        .unwrap()
}

fn stored(office: &Office, name: &str) -> usize {
    let endpoint = office.state.endpoint_by_username(name).unwrap().id;
    office.state.live_bindings(endpoint, office.now_ms).count()
}

#[test]
fn a_phone_registers_and_every_node_knows_where_it_is() {
    let mut office = Office::new(3);
    office.place("alice", 2);
    office.register("alice");
    expect![[r#"
        alice -> n2: REGISTER
        n2 -> alice: 401 REGISTER
        alice -> n2: REGISTER
        n2 -> alice: 200 REGISTER
    "#]]
    .assert_eq(&office.ladder());
    expect![[r#"
        [
            "<sip:alice@10.3.0.10:5060>;expires=120",
        ]
    "#]]
    .assert_debug_eq(&contacts(&mut office, "alice"));
    let endpoint = office.state.endpoint_by_username("alice").unwrap().id;
    let binding = &office.state.bindings(endpoint)[0];
    assert_eq!(binding.flow, office.phones["alice"].flow());
    assert_eq!(office.node(2).counters().registrations, 1);
}

#[test]
fn the_200_waits_for_the_commit() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.silent_quorum = true;
    office.register("alice");
    assert_eq!(office.proposed, 1);
    assert_eq!(
        office.phone("alice").received.len(),
        1,
        "the challenge and nothing more"
    );
}

#[test]
fn without_a_quorum_a_phone_is_asked_to_come_again() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.failing = Some(ProposalFailure::NoQuorum);
    office.register("alice");
    let last = office.phone("alice").received.last().unwrap().clone();
    assert_eq!(last.status(), Some(503));
    assert!((5..=10).contains(&last.retry_after().unwrap()));
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.phone("alice").password = "guess".to_owned();
    office.register("alice");
    let wrong = office.ladder();
    office.place("mallory", 1);
    office.register("mallory");
    assert_eq!(office.ladder().replace("mallory", "alice"), wrong);
    expect![[r#"
        alice -> n1: REGISTER
        n1 -> alice: 401 REGISTER
        alice -> n1: REGISTER
        n1 -> alice: 403 REGISTER
    "#]]
    .assert_eq(&wrong);
    assert_eq!(stored(&office, "alice"), 0);
    assert_eq!(office.node(1).counters().distrusted, 2);
}

#[test]
fn who_guesses_is_not_listened_to_but_a_registered_phone_of_the_same_address_is() {
    let mut office = Office::with_alice_and_bob(1);
    office.place("carol", 1);
    let alice = office.phone("alice").address;
    office.phone("carol").address = std::net::SocketAddr::new(alice.ip(), 7777);
    office.phone("carol").password = "guess".to_owned();
    for _ in 0..50 {
        office.register("carol");
    }
    let codes: Vec<u16> = office
        .phone("carol")
        .received
        .iter()
        .map(|m| m.status().unwrap())
        .collect();
    assert_eq!(codes.iter().filter(|code| **code == 403).count(), 20);
    assert_eq!(
        codes.len(),
        40,
        "each guess was asked for and judged, until nobody listened"
    );
    office.ladder();
    office.register("alice");
    expect![[r#"
        alice -> n1: REGISTER
        n1 -> alice: 401 REGISTER
        alice -> n1: REGISTER
        n1 -> alice: 200 REGISTER
    "#]]
    .assert_eq(&office.ladder());
    office.run(60_000);
    office.phone("carol").password = "s3cret".to_owned();
    office.register("carol");
    assert_eq!(
        stored(&office, "carol"),
        1,
        "after a while it may try again"
    );
}

#[test]
fn a_phone_registers_itself_and_nobody_else() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(Name::To, "<sip:bob@pbx.example>");
    });
    assert_eq!(code, 403);
}

#[test]
fn lifetimes_have_a_least_a_most_and_a_usual_value() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    let mut lifetime = |expires: Option<&str>| {
        let code = register_with(&mut office, "alice", |message| match expires {
            Some(expires) => message.headers.set(Name::Expires, expires.to_owned()),
            None => _ = message.headers.remove(Name::Expires),
        });
        let last = office.phone("alice").received.last().unwrap().clone();
        format!(
            "{code} {:?} {:?}",
            last.min_expires(),
            contacts(&mut office, "alice")
        )
    };
    expect![[r#"200 None ["<sip:alice@10.3.0.10:5060>;expires=120"]"#]].assert_eq(&lifetime(None));
    expect!["423 Some(60) []"].assert_eq(&lifetime(Some("59")));
    expect![[r#"200 None ["<sip:alice@10.3.0.10:5060>;expires=60"]"#]]
        .assert_eq(&lifetime(Some("60")));
    expect![[r#"200 None ["<sip:alice@10.3.0.10:5060>;expires=3600"]"#]]
        .assert_eq(&lifetime(Some("999999999999")));
    expect!["200 None []"].assert_eq(&lifetime(Some("0")));
}

#[test]
fn a_binding_ends_with_its_time() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.register("alice");
    assert_eq!(stored(&office, "alice"), 1);
    office.run(120_000);
    assert_eq!(stored(&office, "alice"), 0);
}

#[test]
fn several_phones_of_a_line_are_listed_and_a_star_takes_all_away() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.register("alice");
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(
            Name::Contact,
            "<sip:alice@10.9.9.9:5066>;q=0.5;expires=300;+sip.instance=\"<urn:uuid:1>\", \"Alice\" <sip:alice@10.9.9.8>",
        );
        message.headers.set(Name::CallId, "another");
    });
    assert_eq!(code, 200);
    expect![[r#"
        [
            "<sip:alice@10.3.0.10:5060>;expires=120",
            "<sip:alice@10.9.9.9:5066>;expires=300;q=0.500;+sip.instance=\"<urn:uuid:1>\"",
            "<sip:alice@10.9.9.8>;expires=120",
        ]
    "#]]
    .assert_debug_eq(&contacts(&mut office, "alice"));
    let code = register_with(&mut office, "alice", |message| {
        message.headers.remove(Name::Contact);
        message.headers.remove(Name::Expires);
    });
    assert_eq!(
        (code, contacts(&mut office, "alice").len()),
        (200, 3),
        "a question changes nothing"
    );
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(Name::Contact, "*")
    });
    assert_eq!(code, 400, "a star needs Expires: 0");
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(Name::Contact, "*");
        message.headers.set(Name::Expires, "0");
    });
    assert_eq!(
        (
            code,
            contacts(&mut office, "alice").len(),
            stored(&office, "alice")
        ),
        (200, 0, 0)
    );
}

#[test]
fn a_contact_is_known_whatever_its_spelling() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    register_with(&mut office, "alice", |message| {
        message
            .headers
            .set(Name::Contact, "<sip:alice@Phone.Example;transport=udp>");
    });
    register_with(&mut office, "alice", |message| {
        message
            .headers
            .set(Name::Contact, "<sip:%61lice@phone.example;transport=UDP>");
    });
    expect![[r#"
        [
            "<sip:alice@Phone.Example;transport=udp>;expires=120",
        ]
    "#]]
    .assert_debug_eq(&contacts(&mut office, "alice"));
}

#[test]
fn an_older_register_of_the_same_call_changes_nothing() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.register("alice");
    let later = office.phone("alice").cseq;
    office.phone("alice").cseq = 0;
    let code = register_with(&mut office, "alice", |_| {});
    assert_eq!(code, 500);
    office.phone("alice").cseq = later;
    assert_eq!(register_with(&mut office, "alice", |_| {}), 200);
}

#[test]
fn registers_that_race_over_two_nodes_leave_the_later_one() {
    let mut office = Office::new(2);
    office.place("alice", 1);
    office.register("alice");
    let challenge = office.phone("alice").received[0].clone();
    let first = office.phone("alice").register();
    let mut first = office.phone("alice").with_credentials(first, &challenge);
    let second = office.phone("alice").register();
    let mut second = office.phone("alice").with_credentials(second, &challenge);
    first.headers.set(Name::Expires, "100");
    second.headers.set(Name::Expires, "200");
    office.say_to("alice", NodeId(2), second);
    office.say_to("alice", NodeId(1), first);
    office.run(100);
    let codes: Vec<u16> = office
        .phone("alice")
        .received
        .iter()
        .skip(2)
        .map(|m| m.status().unwrap())
        .collect();
    assert_eq!(codes.len(), 2);
    let endpoint = office.state.endpoint_by_username("alice").unwrap().id;
    let binding = &office.state.bindings(endpoint)[0];
    assert_eq!(
        binding.flow.node,
        NodeId(2),
        "the higher CSeq stays: {codes:?}"
    );
}

#[test]
fn a_line_has_only_so_many_contacts() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    for number in 0..MAX_BINDINGS {
        let code = register_with(&mut office, "alice", |message| {
            message
                .headers
                .set(Name::Contact, format!("<sip:alice@10.9.9.{number}>"));
        });
        assert_eq!(code, 200);
    }
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(Name::Contact, "<sip:alice@10.9.8.1>");
    });
    assert_eq!(code, 403);
    let code = register_with(&mut office, "alice", |message| {
        message.headers.set(
            Name::Contact,
            "<sip:alice@10.9.9.0>;expires=0, <sip:alice@10.9.8.1>",
        );
    });
    assert_eq!(code, 200, "one goes, one comes");
}

#[test]
fn contacts_that_cannot_be_called_are_refused() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    for contact in [
        "<tel:+4912345>",
        "<mailto:a@b>",
        "<sip:alice@10.1.0.1:5060>",
        "<sip:alice@10.1.0.1>",
    ] {
        let code = register_with(&mut office, "alice", |message| {
            message.headers.set(Name::Contact, contact.to_owned());
        });
        assert_eq!(code, 400, "{contact}");
    }
    assert_eq!(stored(&office, "alice"), 0);
}

#[test]
fn a_flow_of_rfc_5626_keeps_its_number_and_its_connection() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.phone("alice").transport = Transport::Tcp;
    office.phone("alice").connection = 9;
    let outbound = |uri: &'static str| {
        move |message: &mut Message| {
            let contact = format!("<{uri}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
            message.headers.set(Name::Contact, contact);
            message.headers.push(Name::Supported, "outbound, path");
            message.headers.push(Name::Path, "<sip:edge.example;lr;ob>");
        }
    };
    register_with(
        &mut office,
        "alice",
        outbound("sip:alice@10.9.9.9:1111;transport=tcp"),
    );
    register_with(
        &mut office,
        "alice",
        outbound("sip:alice@10.9.9.9:2222;transport=tcp"),
    );
    let last = office.phone("alice").received.last().unwrap().clone();
    expect![[r#"
        [
            "<sip:alice@10.9.9.9:2222;transport=tcp>;expires=120;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
        ]
    "#]].assert_debug_eq(&contacts(&mut office, "alice"));
    assert_eq!(last.require().collect::<Vec<_>>(), ["outbound"]);
    assert_eq!(
        last.headers.text(Name::Path),
        Some("<sip:edge.example;lr;ob>")
    );
    let flow = office.phones["alice"].flow();
    office.input(
        NodeId(1),
        Input::FlowClosed {
            flow: Flow {
                connection: 8,
                ..flow
            },
        },
    );
    office.run(50);
    assert_eq!(stored(&office, "alice"), 1, "another connection was closed");
    office.input(NodeId(1), Input::FlowClosed { flow });
    office.run(50);
    assert_eq!(stored(&office, "alice"), 0);
}

#[test]
fn registers_that_come_together_share_a_commit() {
    let mut office = Office::new(1);
    let names: Vec<String> = (0..40).map(|number| format!("phone{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        office.hire(name, &format!("1{}", 40 + number));
        office.place(name, 1);
    }
    office.configure(carillon_model::ConfigCommand::Create(
        carillon_model::Resource::Context(carillon_model::Context {
            name: "other".to_owned(),
            ..Default::default()
        }),
    ));
    for name in &names {
        let message = office.phone(name).register();
        office.phone(name).asked = Some(message.clone());
        office.say(name, message);
    }
    office.run(BATCH_INTERVAL_MS + 20);
    assert!(office.proposed <= 2, "{} commits", office.proposed);
    assert!(names.iter().all(|name| stored(&office, name) == 1));
}

#[test]
fn a_stale_nonce_is_renewed_without_asking_the_user() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    office.register("alice");
    let challenge = office.phone("alice").received[0].clone();
    office.run(400_000);
    let request = office.phone("alice").register();
    let request = office.phone("alice").with_credentials(request, &challenge);
    office.phone("alice").asked = Some(request.clone());
    office.say("alice", request);
    office.run(50);
    let codes: Vec<String> = office.phone("alice").received[2..]
        .iter()
        .map(|message| {
            let stale = message
                .headers
                .text(Name::WwwAuthenticate)
                .is_some_and(|value| value.contains("stale=true"));
            format!("{} {stale}", message.status().unwrap())
        })
        .collect();
    assert_eq!(codes, ["401 true", "200 false"]);
}

#[test]
fn what_is_not_served_is_refused_before_anybody_is_asked_who_he_is() {
    let mut office = Office::new(1);
    office.place("alice", 1);
    let code = register_with(&mut office, "alice", |message| {
        message.headers.push(Name::Require, "gruu");
    });
    let last = office.phone("alice").received.last().unwrap();
    assert_eq!(
        (code, last.headers.text(Name::Unsupported)),
        (420, Some("gruu"))
    );
}

#[test]
fn a_contact_that_is_no_flow_outlives_its_connection_and_is_dialled() {
    let mut office = Office::with_alice_and_bob(1);
    office.place("carol", 1);
    let carol = office.phone("carol");
    carol.transport = Transport::Tcp;
    carol.connection = 9;
    let listening = carol.address;
    // Its connection comes from another port than the one that it listens at.
    let message = {
        carol.address.set_port(40_000);
        let mut message = carol.register();
        message.headers.set(
            Name::Contact,
            format!("<sip:carol@{listening};transport=tcp>"),
        );
        message
    };
    office.phone("carol").asked = Some(message.clone());
    office.say("carol", message);
    office.run(50);
    let flow = office.phones["carol"].flow();
    office.input(NodeId(1), Input::FlowClosed { flow });
    office.run(50);
    assert_eq!(stored(&office, "carol"), 1);
    office.phone("carol").address = listening;
    office.ladder();
    office.call("alice", "103");
    assert_eq!(
        office.phone("carol").ringing,
        None,
        "nobody is there where she was"
    );
    office.input(NodeId(1), Input::SendFailed { flow });
    office.run(50);
    expect![[r#"
        alice -> n1: INVITE 103
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 103
        alice -> n1: INVITE 103
        n1 -> alice: 100 INVITE
        n1 -> carol: INVITE carol
    "#]]
    .assert_eq(&office.ladder());
}
