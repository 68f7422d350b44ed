use proptest::prelude::*;

use super::algorithm::{Exchange, response};
use super::parameters::quoted;
use super::*;
use crate::uri::Uri;

const KEY: [u8; 32] = [7; 32];
const REALM: &str = "carillon";
const NOW: u64 = 1_795_000_000_000;

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// The header value a phone would send for `challenge`.
fn phone(challenge: &str, password: &str, nonce_count: u32) -> String {
    let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
    let answer = Answer {
        username: "alice",
        password,
        method: "REGISTER",
        uri: "sip:pbx.example",
        client_nonce: "c0ffee",
        nonce_count,
    };
    answer.to(&challenge)
}

struct Desk {
    guard: Guard,
    sha256: String,
    md5: String,
}

impl Desk {
    fn new() -> Self {
        Self {
            guard: Guard::new(REALM),
            sha256: Algorithm::Sha256.ha1("alice", REALM, "s3cret"),
            md5: Algorithm::Md5.ha1("alice", REALM, "s3cret"),
        }
    }

    fn judge(&mut self, now_ms: u64, header: &str) -> Verdict {
        let credentials = Credentials::parse(header.as_bytes()).unwrap();
        let ha1 = Ha1 {
            sha256: &self.sha256,
            md5: &self.md5,
        };
        let known = (credentials.username == "alice").then_some(ha1);
        self.guard.judge(
            &KEY,
            now_ms,
            "REGISTER",
            &uri("sip:pbx.example"),
            &credentials,
            known,
        )
    }
}

#[test]
fn rfc_7616_examples_have_their_responses() {
    let exchange = Exchange {
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nonce_count: "00000001",
        client_nonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        uri: b"/dir/index.html",
    };
    let proof = |algorithm: Algorithm| {
        let ha1 = algorithm.ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        response(algorithm, &ha1, "GET", &exchange)
    };
    assert_eq!(proof(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        proof(Algorithm::Sha256),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
}

#[test]
fn rfc_2617_example_has_its_response() {
    let ha1 = Algorithm::Md5.ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
    let exchange = Exchange {
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        nonce_count: "00000001",
        client_nonce: "0a4f113b",
        uri: b"/dir/index.html",
    };
    assert_eq!(
        response(Algorithm::Md5, &ha1, "GET", &exchange),
        "6629fae49393a05397450978507c4ef1"
    );
}

#[test]
fn a_phone_answers_either_algorithm_of_a_challenge() {
    let mut desk = Desk::new();
    let challenge = desk.guard.challenge(&KEY, NOW, 1, false);
    assert!(
        challenge[0].contains("algorithm=SHA-256"),
        "the better one comes first: {}",
        challenge[0]
    );
    assert_eq!(
        desk.judge(NOW + 5, &phone(&challenge[0], "s3cret", 1)),
        Verdict::Accepted
    );
    let challenge = desk.guard.challenge(&KEY, NOW, 2, false);
    assert_eq!(
        desk.judge(NOW + 5, &phone(&challenge[1], "s3cret", 1)),
        Verdict::Accepted
    );
}

#[test]
fn another_node_with_the_same_key_accepts_the_answer() {
    let challenge = Desk::new().guard.challenge(&KEY, NOW, 1, false);
    assert_eq!(
        Desk::new().judge(NOW + 5, &phone(&challenge[0], "s3cret", 1)),
        Verdict::Accepted
    );
}

#[test]
fn wrong_password_and_unknown_user_are_refused_alike() {
    let mut desk = Desk::new();
    let [challenge, _] = desk.guard.challenge(&KEY, NOW, 1, false);
    let wrong = phone(&challenge, "guess", 1);
    let unknown = wrong.replace("alice", "mallory");
    assert_eq!(desk.judge(NOW, &wrong), Verdict::Refused(Refusal::Response));
    assert_eq!(
        desk.judge(NOW, &unknown),
        Verdict::Refused(Refusal::Response)
    );
    let nobody = unknown.replace(&response_of(&unknown), &nobody_response(&challenge));
    assert_eq!(
        desk.judge(NOW, &nobody),
        Verdict::Refused(Refusal::Response),
        "the stand-in hash opens no door"
    );
}

fn response_of(header: &str) -> String {
    Credentials::parse(header.as_bytes()).unwrap().response
}

fn nobody_response(challenge: &str) -> String {
    let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
    let exchange = Exchange {
        nonce: &challenge.nonce,
        nonce_count: "00000001",
        client_nonce: "c0ffee",
        uri: b"sip:pbx.example",
    };
    response(Algorithm::Sha256, Ha1::NOBODY.sha256, "REGISTER", &exchange)
}

#[test]
fn an_old_nonce_is_stale_only_to_who_knows_the_password() {
    let mut desk = Desk::new();
    let [challenge, _] = desk.guard.challenge(&KEY, NOW, 1, false);
    let later = NOW + NONCE_LIFETIME_MS;
    assert_eq!(
        desk.judge(later, &phone(&challenge, "s3cret", 1)),
        Verdict::Stale
    );
    assert_eq!(
        desk.judge(later, &phone(&challenge, "guess", 1)),
        Verdict::Refused(Refusal::Response)
    );
    let [again, _] = desk.guard.challenge(&KEY, later, 2, true);
    assert!(Challenge::parse(again.as_bytes()).unwrap().stale);
}

#[test]
fn a_nonce_count_is_good_once_and_may_come_out_of_order() {
    let mut desk = Desk::new();
    let [challenge, _] = desk.guard.challenge(&KEY, NOW, 1, false);
    let verdicts = [1, 3, 2, 2, 1, 200, 3, 140, 136]
        .map(|count| desk.judge(NOW, &phone(&challenge, "s3cret", count)));
    use Verdict::{Accepted, Stale};
    assert_eq!(
        verdicts,
        [
            Accepted, Accepted, Accepted, Stale, Stale, Accepted, Stale, Accepted, Stale
        ]
    );
}

#[test]
fn a_foreign_nonce_is_stale_and_a_foreign_realm_refused() {
    let mut desk = Desk::new();
    let [foreign, _] = desk.guard.challenge(&[8; 32], NOW, 1, false);
    assert_eq!(
        desk.judge(NOW, &phone(&foreign, "s3cret", 1)),
        Verdict::Stale
    );
    let [other_realm, _] = Guard::new("elsewhere").challenge(&KEY, NOW, 1, false);
    assert_eq!(
        desk.judge(NOW, &phone(&other_realm, "s3cret", 1)),
        Verdict::Refused(Refusal::Realm)
    );
}

#[test]
fn the_answer_counts_for_its_own_uri_only() {
    let mut desk = Desk::new();
    let [challenge, _] = desk.guard.challenge(&KEY, NOW, 1, false);
    let header = phone(&challenge, "s3cret", 1);
    let ha1 = Ha1 {
        sha256: &desk.sha256,
        md5: &desk.md5,
    };
    let mut judge = |header: &str, target: &str| {
        let credentials = Credentials::parse(header.as_bytes()).unwrap();
        let target = uri(target);
        desk.guard
            .judge(&KEY, NOW, "REGISTER", &target, &credentials, Some(ha1))
    };
    let foreign = Verdict::Refused(Refusal::Uri);
    assert_eq!(judge(&header, "sip:other.example"), foreign);
    let carol = header.replace("sip:pbx.example", "sip:carol@pbx.example");
    assert_eq!(judge(&carol, "sip:bob@pbx.example"), foreign);
    let accepted = judge(&header, "sip:bob@pbx.example;transport=tcp");
    assert_eq!(accepted, Verdict::Accepted, "some phones hash no user");
}

#[test]
fn forgotten_nonces_are_stale_and_the_table_stays_bounded() {
    let mut desk = Desk::new();
    let [first, _] = desk.guard.challenge(&KEY, NOW, 0, false);
    assert_eq!(
        desk.judge(NOW, &phone(&first, "s3cret", 1)),
        Verdict::Accepted
    );
    for salt in 1..=NONCE_COUNT_LIMIT as u64 {
        desk.guard.fill(NOW, salt);
    }
    assert_eq!(desk.guard.remembered(), NONCE_COUNT_LIMIT);
    assert_eq!(desk.judge(NOW, &phone(&first, "s3cret", 2)), Verdict::Stale);
    desk.judge(NOW + NONCE_LIFETIME_MS, &phone(&first, "s3cret", 3));
    assert_eq!(desk.guard.remembered(), 0, "spent nonces leave");
}

#[test]
fn broken_credentials_have_a_reason() {
    let parse = |value: &str| Credentials::parse(value.as_bytes()).map(|_| ());
    let whole = r#"Digest username="a", realm="r", nonce="n", uri="sip:h", response="0", cnonce="c", nc=00000001, qop=auth"#;
    assert_eq!(parse(whole), Ok(()));
    assert_eq!(parse("Basic dXNlcjpwYXNz"), Err(CredentialsError::Grammar));
    assert_eq!(
        parse(r#"Digest username="a"#),
        Err(CredentialsError::Grammar)
    );
    assert_eq!(
        parse(&whole.replace("qop=auth", "")),
        Err(CredentialsError::Missing("qop"))
    );
    assert_eq!(
        parse(&whole.replace("qop=auth", "qop=auth-int")),
        Err(CredentialsError::Protection)
    );
    assert_eq!(
        parse(&format!("{whole}, algorithm=MD5-sess")),
        Err(CredentialsError::Algorithm)
    );
    assert_eq!(
        parse(&whole.replace("00000001", "0")),
        Err(CredentialsError::NonceCount)
    );
    assert_eq!(
        parse(&whole.replace("00000001", "00000000")),
        Err(CredentialsError::NonceCount)
    );
    assert_eq!(
        parse(&format!("{whole}, username=\"b\"")),
        Err(CredentialsError::Grammar)
    );
}

#[test]
fn a_client_takes_the_first_challenge_that_it_understands() {
    let values = [
        r#"Digest realm="r", nonce="1", algorithm=SHA-512-256, qop="auth""#,
        r#"Digest realm="r", nonce="2", algorithm=SHA-256, qop="auth-int""#,
        r#"Digest realm="r", nonce="3", algorithm=SHA-256, qop="auth,auth-int""#,
        r#"Digest realm="r", nonce="4", algorithm=MD5, qop="auth""#,
    ];
    let chosen = Challenge::choose(values.iter().map(|value| value.as_bytes())).unwrap();
    assert_eq!(
        (chosen.nonce.as_str(), chosen.algorithm),
        ("3", Algorithm::Sha256)
    );
}

#[test]
fn credentials_show_no_secrets_when_printed() {
    let [challenge, _] = Desk::new().guard.challenge(&KEY, NOW, 1, false);
    let printed = format!(
        "{:?}",
        Credentials::parse(phone(&challenge, "s3cret", 1).as_bytes()).unwrap()
    );
    assert!(
        !printed.contains("alice") && !printed.contains("response"),
        "{printed}"
    );
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(value: Vec<u8>) {
        let _ = Credentials::parse(&value);
        let _ = Challenge::parse(&value);
    }

    #[test]
    fn near_credentials_are_read_or_refused(value in r#"Digest( ?[a-z]{1,8}(="?[a-z0-9\\", ]{0,8}"?)?,?){0,8}"#) {
        let _ = Credentials::parse(value.as_bytes());
    }

    #[test]
    fn quoting_is_undone_by_reading(realm in "[ -~é]{0,20}") {
        let value = format!("Digest realm={}", quoted(&realm));
        prop_assert_eq!(Credentials::realm_of(value.as_bytes()), Some(realm));
    }
}
