//! Calls to and from a carrier that asks for credentials.

use carillon_call::Carrier;
use carillon_model::{IdentityHeader, Party};
use carillon_sip::auth::{Algorithm, Credentials};
use carillon_sip::{Message, Method, Name};

use crate::stage::{BOB, Stage};

const CHALLENGE: &str = r#"Digest realm="carrier", nonce="n1", qop="auth""#;
const SHA256: &str = r#"Digest realm="carrier", nonce="n2", qop="auth", algorithm=SHA-256"#;

fn carrier() -> Carrier {
    Carrier {
        username: "account".to_owned(),
        password: "s3cret".into(),
        domain: "carrier.example".to_owned(),
        caller: Party {
            number: "+33390000101".to_owned(),
            name: Some("Alice".to_owned()),
            ..Party::default()
        },
        ..Carrier::default()
    }
}

fn calls(carrier: Carrier) -> Stage {
    let mut stage = Stage::new(carillon_call::Policy::default(), true);
    let target = &mut stage.targets()[0];
    target.uri = "sip:+33102030405@10.77.3.11:5060".to_owned();
    target.carrier = Some(Box::new(carrier));
    stage.alice_calls();
    stage
}

fn text(message: &Message, name: Name) -> String {
    let value = message.headers.get(name).expect("the header is there");
    String::from_utf8_lossy(value).into_owned()
}

fn asks(stage: &mut Stage, method: &Method, code: u16, challenge: &'static str) {
    let name = if code == 401 {
        Name::WwwAuthenticate
    } else {
        Name::ProxyAuthenticate
    };
    stage.says_with(BOB, method, code, |response| {
        response.headers.push(name, challenge);
    });
}

/// What the proof must be, computed from the password.
fn proof(request: &Message, credentials: &Credentials, algorithm: Algorithm) -> String {
    let ha1 = algorithm.ha1("account", "carrier", "s3cret");
    let method = request.method().unwrap().as_str();
    let uri = request.uri().unwrap().as_str();
    let ha2 = algorithm.hash(&[method.as_bytes(), uri.as_bytes()]);
    let parts = [
        ha1.as_str(),
        &credentials.nonce,
        &credentials.nonce_count,
        &credentials.client_nonce,
        "auth",
        &ha2,
    ];
    algorithm.hash(&[parts.join(":").as_bytes()])
}

#[test]
fn an_invite_is_sent_again_with_credentials_and_the_next_number() {
    for (code, header, challenge, algorithm) in [
        (401, Name::Authorization, CHALLENGE, Algorithm::Md5),
        (407, Name::ProxyAuthorization, SHA256, Algorithm::Sha256),
    ] {
        let mut stage = calls(carrier());
        let first = stage.last_request(BOB, &Method::Invite).clone();
        asks(&mut stage, &Method::Invite, code, challenge);
        let second = stage.last_request(BOB, &Method::Invite).clone();
        assert_eq!(second.call_id(), first.call_id());
        assert_eq!(text(&second, Name::From), text(&first, Name::From));
        assert_eq!(second.cseq().unwrap().number, 2);
        let value = second.headers.get(header).expect("credentials");
        let credentials = Credentials::parse(value).unwrap();
        assert_eq!(credentials.username, "account");
        assert_eq!(
            credentials.response,
            proof(&second, &credentials, algorithm)
        );
        stage.rings(BOB);
        stage.picks_up(BOB);
    }
}

#[test]
fn a_carrier_that_does_not_take_the_answer_is_not_asked_for_ever() {
    let mut stage = calls(carrier());
    asks(&mut stage, &Method::Invite, 401, CHALLENGE);
    asks(&mut stage, &Method::Invite, 401, SHA256);
    assert_eq!(stage.last_response(0).status(), Some(503));
}

#[test]
fn the_carrier_is_told_who_calls_as_it_wants_to_be() {
    let mut told = carrier();
    told.from_user = Some("0390000000".to_owned());
    told.from_domain = Some("office.example".to_owned());
    told.identity = IdentityHeader::Asserted;
    let stage = calls(told.clone());
    let invite = stage.last_request(BOB, &Method::Invite);
    assert!(text(invite, Name::From).starts_with("\"Alice\" <sip:0390000000@office.example>"));
    assert_eq!(text(invite, Name::To), "<sip:+33102030405@carrier.example>");
    assert_eq!(
        text(invite, Name::PAssertedIdentity),
        "\"Alice\" <sip:+33390000101@office.example>"
    );
    told.anonymous = true;
    told.identity = IdentityHeader::RemoteParty;
    let stage = calls(told);
    let invite = stage.last_request(BOB, &Method::Invite);
    assert!(text(invite, Name::From).contains("anonymous.invalid"));
    assert_eq!(text(invite, Name::Privacy), "id");
    let octets = String::from_utf8_lossy(&invite.to_bytes()).into_owned();
    assert!(octets.contains(
        "Remote-Party-ID: \"Alice\" <sip:+33390000101@office.example>;party=calling;privacy=full"
    ));
}

fn talks() -> Stage {
    let mut stage = calls(carrier());
    asks(&mut stage, &Method::Invite, 401, CHALLENGE);
    stage.rings(BOB);
    stage.picks_up(BOB);
    stage.acks(0);
    stage
}

#[test]
fn the_re_invite_of_an_heir_is_sent_again_with_credentials() {
    let mut stage = talks();
    stage.heir();
    let first = stage.last_request(BOB, &Method::Invite).clone();
    assert!(first.to().unwrap().tag().is_some(), "inside of the dialog");
    asks(&mut stage, &Method::Invite, 407, CHALLENGE);
    let second = stage.last_request(BOB, &Method::Invite).clone();
    assert_eq!(
        second.cseq().unwrap().number,
        first.cseq().unwrap().number + 1
    );
    assert_eq!(second.body, first.body);
    let value = second.headers.get(Name::ProxyAuthorization).unwrap();
    let credentials = Credentials::parse(value).unwrap();
    assert_eq!(
        credentials.response,
        proof(&second, &credentials, Algorithm::Md5)
    );
}

#[test]
fn a_bye_is_sent_again_with_credentials_and_the_call_ends() {
    let mut stage = talks();
    stage.requests(0, Method::Bye);
    asks(&mut stage, &Method::Bye, 401, CHALLENGE);
    let bye = stage.last_request(BOB, &Method::Bye);
    assert!(bye.headers.get(Name::Authorization).is_some());
    stage.says(BOB, &Method::Bye, 200);
    assert_eq!(stage.records.len(), 1);
    assert!(stage.call.is_ended());
}

#[test]
fn secrets_of_a_carrier_are_in_no_debug_text() {
    let stage = talks();
    assert!(!format!("{:?}", stage.call).contains("s3cret"));
}
