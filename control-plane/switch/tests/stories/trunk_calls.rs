//! Calls that leave by a carrier and calls that come in by it.

use carillon_model::{
    CallDirection, ConfigCommand, Context, ContextId, ContextKind, Destination, Extension,
    ExtensionId, Incall, NumberRange, Outcall, OutcallId, OutcallNumber, Resource, ResourceKey,
    SipEndpoint, Trunk, TrunkId, User, UserId,
};
use carillon_sip::{Method, Name};
use expect_test::expect;

use super::office::Office;

const CHALLENGE: &str = r#"Digest realm="carrier", nonce="n1", qop="auth""#;

impl Office {
    /// alice at node 1 and bob at the last node, and a carrier: 0... goes out by it, 0390000102 comes in to bob.
    fn with_carrier(nodes: u64, options: &[(&str, &str)]) -> Self {
        let mut office = Self::with_alice_and_bob(nodes);
        office.place("carrier", 1);
        let address = office.phone("carrier").address;
        let to_extern = office.context("to-extern", ContextKind::Outcall);
        office.context("from-extern", ContextKind::Incall);
        let inside = (**office.state.context_by_name("default").unwrap()).clone();
        office.configure(ConfigCommand::Update(Resource::Context(Context {
            includes: vec![to_extern],
            ..inside
        })));
        let endpoint = SipEndpoint {
            username: "account".to_owned(),
            secret: "s3cret".into(),
            host: address.ip().to_string(),
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..SipEndpoint::default()
        };
        let ResourceKey::Endpoint(endpoint) = office.create(Resource::Endpoint(endpoint)) else {
            panic!("an endpoint");
        };
        office.create(Resource::Trunk(Trunk {
            name: "carrier".to_owned(),
            context: Some("from-extern".to_owned()),
            endpoint_sip: Some(endpoint),
            ..Trunk::default()
        }));
        let pattern = office.number("_0.", "to-extern");
        office.create(Resource::Outcall(Outcall {
            name: "out".to_owned(),
            trunks: vec![TrunkId(1)],
            numbers: vec![OutcallNumber {
                extension: pattern,
                strip_digits: 1,
                external_prefix: Some("+33".to_owned()),
                ..OutcallNumber::default()
            }],
            ..Outcall::default()
        }));
        let did = office.number("0390000102", "from-extern");
        let bob = office.user_of("102");
        office.create(Resource::Incall(Incall {
            destination: Destination::User {
                user: bob,
                ring_seconds: None,
            },
            extensions: vec![did],
            ..Incall::default()
        }));
        office.tell_everybody(Vec::new());
        office.run(10);
        office.ladder();
        office
    }

    fn context(&mut self, name: &str, kind: ContextKind) -> ContextId {
        let context = Context {
            name: name.to_owned(),
            kind,
            incall_ranges: vec![NumberRange {
                start: "0390000000".to_owned(),
                end: "0390000999".to_owned(),
                did_length: 0,
            }],
            ..Context::default()
        };
        match self.create(Resource::Context(context)) {
            ResourceKey::Context(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn number(&mut self, exten: &str, context: &str) -> ExtensionId {
        let extension = Extension {
            exten: exten.to_owned(),
            context: context.to_owned(),
            ..Extension::default()
        };
        match self.create(Resource::Extension(extension)) {
            ResourceKey::Extension(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn user_of(&self, number: &str) -> UserId {
        let extension = self.state.extension("default", number).unwrap();
        self.state.user_of_line(extension.line.unwrap()).unwrap().id
    }

    /// The carrier asks for credentials and does not ring yet.
    fn challenge(&mut self) {
        let phone = self.phone("carrier");
        let invite = phone.ringing.take().expect("it is called");
        let mut response = phone.response(&invite, 401);
        response.headers.push(Name::WwwAuthenticate, CHALLENGE);
        let by = phone.ringing_by;
        self.say_to("carrier", by, response);
        self.run(50);
    }
}

#[test]
fn a_number_goes_out_rewritten_and_the_carrier_gets_credentials() {
    let mut office = Office::with_carrier(2, &[("sendrpid", "pai"), ("fromuser", "0390000000")]);
    office.call("alice", "0102030405");
    office.challenge();
    let invite = office
        .phone("carrier")
        .ringing
        .clone()
        .expect("called again");
    assert!(invite.headers.get(Name::Authorization).is_some());
    let uri = invite.uri().unwrap().as_str().to_owned();
    assert!(uri.starts_with("sip:+33102030405@"), "{uri}");
    assert_eq!(invite.from().unwrap().uri.user(), Some("0390000000"));
    assert!(invite.headers.get(Name::PAssertedIdentity).is_some());
    office.answer("carrier", 180);
    office.answer("carrier", 200);
    let call = office.state.calls().values().next().unwrap().clone();
    assert_eq!(call.summary.callee.trunk, Some(TrunkId(1)));
    assert_eq!(office.state.calls_of_trunk(TrunkId(1)).count(), 1);
    office.run(3_000);
    office.hang_up("alice");
    expect!["101 -> 0102030405: Answered 200/16, 3050 ms"].assert_eq(&office.record());
    assert_eq!(office.records[0].direction, CallDirection::Outbound);
    office.assert_quiet();
}

#[test]
fn a_number_called_from_outside_rings_its_user_without_credentials() {
    let mut office = Office::with_carrier(2, &[]);
    office.call("carrier", "0390000102");
    office.answer("bob", 180);
    office.answer("bob", 200);
    office.run(3_000);
    office.hang_up("bob");
    expect!["carrier -> 0390000102: Answered 200/16, 3050 ms"].assert_eq(&office.record());
    let record = &office.records[0];
    assert_eq!(record.direction, CallDirection::Inbound);
    assert_eq!(record.caller.trunk, Some(TrunkId(1)));
    assert!(record.callee.user.is_some());
    office.assert_quiet();
}

#[test]
fn a_number_that_nobody_has_is_not_found_and_inside_numbers_are_not_called_from_outside() {
    for number in ["0390000999", "102", "0102030405"] {
        let mut office = Office::with_carrier(1, &[]);
        office.call("carrier", number);
        let ladder = office.ladder();
        assert!(ladder.contains("404 INVITE"), "{number}: {ladder}");
    }
}

#[test]
fn a_call_above_the_limit_of_a_trunk_is_refused_here() {
    let mut office = Office::with_carrier(1, &[("call-limit", "1")]);
    office.call("alice", "0102030405");
    office.answer("carrier", 200);
    office.ladder();
    office.call("bob", "0102030405");
    assert!(office.ladder().contains("503 INVITE"));
    office.call("carrier", "0390000102");
    assert!(office.ladder().contains("486 INVITE"));
}

#[test]
fn what_the_carrier_says_of_a_number_is_what_the_caller_hears() {
    let mut office = Office::with_carrier(1, &[]);
    office.call("alice", "0102030405");
    office.answer("carrier", 404);
    assert!(office.ladder().contains("n1 -> alice: 404 INVITE"));
}

#[test]
fn a_call_through_a_trunk_goes_on_when_its_node_dies_and_an_heir_answers_the_carrier() {
    let mut office = Office::with_carrier(3, &[]);
    office.call("alice", "0102030405");
    office.challenge();
    office.answer("carrier", 200);
    office.run(5_000);
    office.ladder();
    office.kill(1);
    office.run(1_500);
    let carrier = office.phone("carrier");
    let asked = carrier
        .received
        .iter()
        .filter(|message| message.method() == Some(&Method::Invite))
        .filter(|message| message.to().is_ok_and(|to| to.tag().is_some()));
    let asked: Vec<_> = asked.cloned().collect();
    assert!(!asked.is_empty(), "the heir calls the carrier back");
    let call = office.state.calls().values().next();
    let call = call.expect("the call is up").clone();
    assert_ne!(call.owner.0, 1);
    office.hang_up("alice");
    office.run(2_000);
    assert_eq!(office.records.len(), 1);
    assert_eq!(office.records[0].direction, CallDirection::Outbound);
}

#[test]
fn a_disabled_way_out_is_no_way() {
    let mut office = Office::with_carrier(1, &[]);
    let outcall = (**office.state.outcalls().get(&OutcallId(1)).unwrap()).clone();
    office.configure(ConfigCommand::Update(Resource::Outcall(Outcall {
        enabled: false,
        ..outcall
    })));
    office.tell_everybody(Vec::new());
    office.call("alice", "0102030405");
    assert!(office.ladder().contains("404 INVITE"));
}

#[test]
fn a_carrier_that_does_not_answer_is_passed_over_until_it_does() {
    let mut office = Office::with_carrier(1, &[("qualify", "yes"), ("qualifyfreq", "10")]);
    office.run(1_000);
    assert_eq!(office.node(1).is_trunk_reachable(TrunkId(1)), Some(true));
    office.phone("carrier").alive = false;
    office.run(20_000);
    assert_eq!(office.node(1).is_trunk_reachable(TrunkId(1)), Some(false));
    office.ladder();
    office.call("alice", "0102030405");
    assert!(office.ladder().contains("503 INVITE"));
    office.phone("carrier").alive = true;
    office.run(12_000);
    office.call("alice", "0102030405");
    assert!(office.phone("carrier").ringing.is_some());
}

#[test]
fn the_number_of_a_caller_is_written_as_the_carrier_wants_it() {
    for (format, written) in [
        ("+E164", "+33390000101"),
        ("E164", "33390000101"),
        ("national", "0390000101"),
    ] {
        let options = [("country_code", "33"), ("sendrpid", "pai")];
        let mut office = Office::with_carrier(1, &options);
        let alice = office.user_of("101");
        let alice = (**office.state.users().get(&alice).unwrap()).clone();
        office.configure(ConfigCommand::Update(Resource::User(User {
            outgoing_caller_id: Some("\"Head Office\" <0390000101>".to_owned()),
            ..alice
        })));
        let trunk = (**office.state.trunks().get(&TrunkId(1)).unwrap()).clone();
        office.configure(ConfigCommand::Update(Resource::Trunk(Trunk {
            outgoing_caller_id_format: format.to_owned(),
            ..trunk
        })));
        office.tell_everybody(Vec::new());
        office.call("alice", "0102030405");
        let invite = office.phone("carrier").ringing.clone().expect("it rings");
        assert_eq!(invite.from().unwrap().uri.user(), Some(written), "{format}");
        let told = invite.headers.get(Name::PAssertedIdentity).unwrap();
        let told = String::from_utf8_lossy(told).into_owned();
        assert!(told.contains(&format!("sip:{written}@")), "{told}");
    }
}

#[test]
fn a_carrier_calls_from_where_it_may_and_by_what_it_may_and_is_a_stranger_elsewhere() {
    for (options, accepted) in [
        (&[("deny", "0.0.0.0/0.0.0.0")][..], false),
        (
            &[("deny", "0.0.0.0/0.0.0.0"), ("permit", "10.0.0.0/8")],
            true,
        ),
        (&[("transport", "tcp,tls")], false),
        (&[("transport", "tcp,udp")], true),
    ] {
        let mut office = Office::with_carrier(1, options);
        office.call("carrier", "0390000102");
        let ladder = office.ladder();
        let asked = ladder.contains("n1 -> carrier: 401 INVITE");
        assert_eq!(asked, !accepted, "{options:?}: {ladder}");
        assert_eq!(
            office.phone("bob").ringing.is_some(),
            accepted,
            "{options:?}"
        );
    }
}

#[test]
fn a_carrier_hears_that_we_are_busy_from_its_level_on_and_we_may_still_call() {
    let mut office = Office::with_carrier(1, &[("busylevel", "1")]);
    office.call("alice", "0102030405");
    office.answer("carrier", 200);
    office.ladder();
    office.call("carrier", "0390000102");
    assert!(office.ladder().contains("486 INVITE"));
}

#[test]
fn all_calls_of_a_carrier_may_be_for_one_number() {
    let mut office = Office::with_carrier(1, &[("callbackextension", "0390000102")]);
    office.call("carrier", "0777777777");
    assert!(office.phone("bob").ringing.is_some());
}

#[test]
fn a_carrier_is_offered_the_codecs_of_its_trunk_and_its_record_says_who_pays() {
    let options = [
        ("disallow", "all"),
        ("allow", "alaw"),
        ("session-timers", "refuse"),
        ("accountcode", "head-office"),
    ];
    let mut office = Office::with_carrier(1, &options);
    office.call("alice", "0102030405");
    let invite = office.phone("carrier").ringing.clone().expect("it rings");
    assert!(invite.headers.get(Name::SessionExpires).is_none());
    let body = String::from_utf8_lossy(&invite.body).into_owned();
    assert!(body.contains("RTP/AVP 8"), "{body}");
    office.answer("carrier", 200);
    office.run(1_000);
    office.hang_up("alice");
    let billing = &office.records[0].billing;
    assert_eq!(billing.account_code.as_deref(), Some("head-office"));
}
