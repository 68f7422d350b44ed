//! Who may come in: right and wrong passwords, unknown names, and a source that guesses.

use anyhow::Result;
use carillon_integration::{ALICE, BOB, Two, records};
use carillon_sip::Name;
use carillon_testkit::{Account, Phone, TestLab, eventually};
use expect_test::expect;
use std::time::Duration;

#[test]
fn a_wrong_password_is_forbidden_and_the_right_one_is_welcome() -> Result<()> {
    let lab = TestLab::with_company([ALICE])?;
    let account = Account::of(ALICE).with_wrong_password();
    let mut intruder = Phone::udp(&account, lab.phone_address()?, lab.sip(1)?)?;
    assert_eq!(intruder.try_register(120)?.status(), Some(403));
    expect![[r#"
        -> REGISTER
        <- 401 (REGISTER)
        -> REGISTER
        <- 403 (REGISTER)
    "#]]
    .assert_eq(&intruder.ladder());

    let mut alice = lab.phone(ALICE, 1)?;
    alice.register()
}

#[test]
fn an_unknown_name_is_treated_like_a_wrong_password() -> Result<()> {
    let lab = TestLab::with_company([ALICE])?;
    let nobody = Account {
        username: "nobody".to_owned(),
        ..Account::of(ALICE)
    };
    let mut stranger = Phone::udp(&nobody, lab.phone_address()?, lab.sip(2)?)?;
    assert_eq!(stranger.try_register(120)?.status(), Some(403));
    expect![[r#"
        -> REGISTER
        <- 401 (REGISTER)
        -> REGISTER
        <- 403 (REGISTER)
    "#]]
    .assert_eq(&stranger.ladder());
    Ok(())
}

#[test]
fn a_call_without_the_right_password_is_refused_and_leaves_no_record() -> Result<()> {
    let two = Two::on_different_nodes()?;
    let account = Account::of(ALICE).with_wrong_password();
    let mut intruder = Phone::udp(&account, two.lab.phone_address()?, two.lab.sip(3)?)?;
    let sdp = carillon_testkit::phone::offer(intruder.local(), 1, "sendrecv");
    let invite = intruder.invite(&BOB.to_string(), Some(&sdp))?;
    assert_eq!(intruder.is_refused(&invite)?, 403);
    assert_eq!(records(&two.lab, 3)?, []);
    Ok(())
}

const SOON: Duration = Duration::from_secs(20);
/// Guesses within a minute that are answered.
const JUDGED: usize = 20;

#[test]
fn who_guesses_fifty_times_is_slowed_down_and_others_are_not() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let account = Account::of(ALICE).with_wrong_password();
    let mut intruder = Phone::udp(&account, two.lab.phone_address()?, two.lab.sip(1)?)?;
    for guess in 0..JUDGED {
        assert_eq!(
            intruder.try_register(120)?.status(),
            Some(403),
            "guess {guess}"
        );
    }
    // From now on the source is not even asked for a password.
    for _ in JUDGED..50 {
        let request = intruder.register_request(120)?;
        intruder.send(&request)?;
        intruder.expect_silence(Duration::from_millis(50))?;
    }
    // Another phone, at another address, registers and calls as ever.
    two.alice.register()?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    two.bob.expect(&carillon_sip::Method::Invite)?;
    two.alice.cancel(&invite)?;
    Ok(())
}

#[test]
fn an_endpoint_that_asks_for_sha_256_gets_it_and_the_others_get_md5() -> Result<()> {
    let lab = TestLab::with_company([ALICE, BOB])?;
    let api = lab.api(1)?;
    let endpoints = api.get("/1.1/endpoints/sip?limit=100")?;
    let mut listed = endpoints["items"].as_array().into_iter().flatten();
    let alices = listed.find(|endpoint| endpoint["username"] == Account::of(ALICE).username);
    let id = alices.expect("alice has an endpoint")["id"].to_string();
    let change = serde_json::json!({"options": [["auth_algorithms", "SHA-256"]]});
    let path = format!("/1.1/endpoints/sip/{id}");
    api.put(&path, &change)?;
    let other = lab.api(2)?;
    eventually("the other node knows it too", SOON, || {
        Ok((other.get(&path)?["options"] == change["options"]).then_some(()))
    })?;

    for (number, algorithm) in [(ALICE, "SHA-256"), (BOB, "MD5")] {
        let mut phone = lab.phone(number, 2)?;
        let request = phone.register_request(120)?;
        let challenge = phone.transact(&request)?;
        let asked: Vec<String> = challenge
            .headers
            .get_all(Name::WwwAuthenticate)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(
            asked[0].contains(&format!("algorithm={algorithm}")),
            "{asked:?}"
        );
        phone.register()?;
    }
    Ok(())
}
