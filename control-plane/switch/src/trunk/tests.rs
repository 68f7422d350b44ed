//! Stories of a registration: one client, and a carrier that answers as it is told.

use carillon_model::{Epoch, Register, Transport, TrunkId};
use carillon_sip::auth::Credentials;
use carillon_sip::transaction::{ClientKey, branch};
use carillon_sip::{Message, Name, Via, ViaTransport};

use super::client::{Account, Client, PATIENCE_MS, RETRY_MS, Verdict, Way};

const CONTACT: &str = "sip:0390000000@192.0.2.1:5060";
const NOW: u64 = 1_000_000;

struct Story {
    now_ms: u64,
    client: Client,
    servers: usize,
    keys: u64,
}

impl Story {
    fn of(change: impl FnOnce(&mut Register), stale: &[&str]) -> Self {
        let mut register = Register {
            sip_username: "0390000000".to_owned(),
            auth_username: Some("account".to_owned()),
            auth_password: "s3cret".into(),
            remote_host: "carrier.example".to_owned(),
            ..Register::default()
        };
        change(&mut register);
        let account = Account::of(&register);
        let stale = stale.iter().map(|contact| (*contact).to_owned()).collect();
        let salt = ("salt".to_owned(), "tag".to_owned());
        Self {
            now_ms: NOW,
            client: Client::new(account, (TrunkId(7), Epoch(3)), salt, stale),
            servers: 1,
            keys: 0,
        }
    }

    fn new() -> Self {
        Self::of(|_| (), &[])
    }

    fn ask(&mut self) -> Message {
        assert!(self.client.is_due(self.now_ms), "nothing is to be asked");
        self.keys += 1;
        let key = ClientKey(self.keys);
        let local = "192.0.2.1:5060".parse().unwrap();
        let via = Via::new(
            ViaTransport::Udp,
            local,
            &branch(carillon_model::NodeId(1), key),
        );
        let way = Way {
            key,
            via,
            client_nonce: "mine".to_owned(),
        };
        self.client.request(self.now_ms, CONTACT, way).unwrap()
    }

    fn answer(&mut self, request: &Message, code: u16, headers: &[(Name, &str)]) -> Verdict {
        let mut response = Message::response_to(request, code, "");
        for (name, value) in headers {
            response.headers.push(name.clone(), (*value).to_owned());
        }
        let key = ClientKey(self.keys);
        self.client
            .answered(self.now_ms, key, &response, CONTACT, self.servers)
    }

    fn challenge(&mut self, request: &Message, code: u16, value: &str) -> Verdict {
        let name = match code {
            401 => Name::WwwAuthenticate,
            _ => Name::ProxyAuthenticate,
        };
        self.answer(request, code, &[(name, value)])
    }
}

const MD5: &str = r#"Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5"#;
const SHA: &str = r#"Digest realm="carrier", nonce="n2", qop="auth", algorithm=SHA-256"#;

fn credentials(request: &Message, name: Name) -> Credentials {
    let value = request.headers.get(name).expect("credentials");
    Credentials::parse(value).expect("well-formed")
}

#[test]
fn a_challenge_is_answered_in_the_same_dialogue_with_a_higher_number() {
    let mut story = Story::new();
    let first = story.ask();
    assert_eq!(first.uri().unwrap().as_str(), "sip:carrier.example");
    assert_eq!(story.challenge(&first, 401, MD5), Verdict::Again);
    let second = story.ask();
    let proof = credentials(&second, Name::Authorization);
    assert_eq!(proof.username, "account");
    assert_eq!(proof.realm, "carrier");
    assert_eq!(second.call_id(), first.call_id());
    assert!(second.call_id().unwrap().ends_with("-t7-e3"));
    assert_eq!(
        first.cseq().unwrap().number + 1,
        second.cseq().unwrap().number
    );
    let granted = format!("<{CONTACT}>;expires=120");
    assert_eq!(
        story.answer(&second, 200, &[(Name::Contact, &granted)]),
        Verdict::Registered {
            expires_at_ms: NOW + 120_000
        }
    );
    assert_eq!(story.client.next_ms(), NOW + 90_000);
}

#[test]
fn a_proxy_that_asks_with_sha_256_is_answered_as_a_proxy() {
    let mut story = Story::new();
    let first = story.ask();
    assert_eq!(story.challenge(&first, 407, SHA), Verdict::Again);
    let second = story.ask();
    let value = second.headers.get(Name::ProxyAuthorization).unwrap();
    assert!(String::from_utf8_lossy(value).contains("algorithm=SHA-256"));
}

#[test]
fn who_refuses_the_right_answer_is_asked_again_after_twenty_seconds() {
    let mut story = Story::new();
    let first = story.ask();
    story.challenge(&first, 401, MD5);
    let second = story.ask();
    assert_eq!(
        story.challenge(&second, 401, SHA),
        Verdict::Refused { code: Some(401) }
    );
    assert!(!story.client.is_due(NOW + RETRY_MS - 1));
    assert!(story.client.is_due(NOW + RETRY_MS));
}

#[test]
fn an_old_nonce_is_replaced_without_waiting() {
    let mut story = Story::new();
    let first = story.ask();
    story.challenge(&first, 401, MD5);
    let second = story.ask();
    let stale = r#"Digest realm="carrier", nonce="n3", qop="auth", stale=true"#;
    assert_eq!(story.challenge(&second, 401, stale), Verdict::Again);
    assert_eq!(credentials(&story.ask(), Name::Authorization).nonce, "n3");
}

#[test]
fn a_refresh_whose_nonce_is_not_taken_any_more_is_answered_anew() {
    let mut story = Story::new();
    let first = story.ask();
    story.challenge(&first, 401, MD5);
    let second = story.ask();
    story.answer(&second, 200, &[]);
    story.now_ms = story.client.next_ms();
    let refresh = story.ask();
    let proof = credentials(&refresh, Name::Authorization);
    assert_eq!(proof.nonce_count, "00000002");
    assert_eq!(story.challenge(&refresh, 401, SHA), Verdict::Again);
    assert_eq!(credentials(&story.ask(), Name::Authorization).nonce, "n2");
}

#[test]
fn another_realm_than_the_configured_one_is_told_nothing() {
    let mut story = Story::of(|register| register.realm = Some("mine".to_owned()), &[]);
    let first = story.ask();
    assert_eq!(
        story.challenge(&first, 401, MD5),
        Verdict::Refused { code: Some(401) }
    );
}

#[test]
fn a_carrier_that_wants_longer_registrations_gets_them() {
    let mut story = Story::of(|register| register.expiration_s = 60, &[]);
    let first = story.ask();
    assert_eq!(
        story.answer(&first, 423, &[(Name::MinExpires, "600")]),
        Verdict::Again
    );
    let second = story.ask();
    assert_eq!(second.expires(), Some(600));
}

#[test]
fn a_carrier_that_says_when_to_come_back_is_believed() {
    let mut story = Story::new();
    let first = story.ask();
    assert_eq!(
        story.answer(&first, 503, &[(Name::RetryAfter, "45")]),
        Verdict::Refused { code: Some(503) }
    );
    assert_eq!(story.client.next_ms(), NOW + 45_000);
}

#[test]
fn a_silent_server_is_left_for_the_next_one_and_the_last_for_a_while() {
    let mut story = Story::new();
    story.servers = 2;
    story.ask();
    assert!(!story.client.is_given_up(NOW + PATIENCE_MS - 1));
    story.now_ms = NOW + PATIENCE_MS;
    assert!(story.client.is_given_up(story.now_ms));
    assert_eq!(story.client.silent(story.now_ms, 2), Verdict::Again);
    assert_eq!(story.client.server(), 1);
    let second = story.ask();
    assert_eq!(
        story.answer(&second, 500, &[]),
        Verdict::Refused { code: Some(500) }
    );
    assert_eq!(story.client.server(), 0);
    assert_eq!(story.client.next_ms(), story.now_ms + RETRY_MS);
}

#[test]
fn an_heir_takes_the_contact_of_the_former_owner_away() {
    let former = "sip:0390000000@192.0.2.9:5060";
    let mut story = Story::of(|_| (), &[former, CONTACT]);
    let first = story.ask();
    let contacts: Vec<String> = first
        .headers
        .get_all(Name::Contact)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert_eq!(
        contacts,
        [
            format!("<{CONTACT}>;expires=300"),
            format!("<{former}>;expires=0")
        ]
    );
    story.answer(&first, 200, &[]);
    assert!(story.client.stale().is_empty());
}

#[test]
fn a_carrier_that_does_not_like_that_is_asked_without_it() {
    let mut story = Story::of(|_| (), &["sip:0390000000@192.0.2.9:5060"]);
    let first = story.ask();
    story.answer(&first, 400, &[]);
    story.now_ms = story.client.next_ms();
    assert_eq!(story.ask().headers.get_all(Name::Contact).count(), 1);
}

#[test]
fn who_leaves_asks_for_no_time_at_all() {
    let mut story = Story::new();
    let first = story.ask();
    story.answer(&first, 200, &[]);
    assert!(story.client.is_registered());
    story.client.leave(story.now_ms);
    let last = story.ask();
    assert_eq!(last.expires(), Some(0));
}

#[test]
fn an_answer_to_something_else_changes_nothing() {
    let mut story = Story::new();
    let first = story.ask();
    let response = Message::response_to(&first, 200, "");
    let verdict = story
        .client
        .answered(NOW, ClientKey(99), &response, CONTACT, 1);
    assert_eq!(verdict, Verdict::Nothing);
    assert_eq!(story.answer(&first, 100, &[]), Verdict::Nothing);
    assert_eq!(story.client.asking(), Some(ClientKey(1)));
}

#[test]
fn a_contact_says_by_what_it_is_reached() {
    let account = Account::of(&Register {
        sip_username: "a".to_owned(),
        callback_extension: Some("s".to_owned()),
        ..Register::default()
    });
    let local = "192.0.2.1:5060".parse().unwrap();
    assert_eq!(
        account.contact(Transport::Udp, local),
        "sip:s@192.0.2.1:5060"
    );
    assert_eq!(
        account.contact(Transport::Tcp, local),
        "sip:s@192.0.2.1:5060;transport=tcp"
    );
}
