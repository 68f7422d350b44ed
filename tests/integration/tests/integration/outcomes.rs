//! Every way in which a call can end has its SIP outcome at both phones, and its record.

use anyhow::Result;
use carillon_integration::{ALICE, BOB, CAROL, Record, Two, only_record};
use carillon_sip::{Method, Name};
use carillon_testkit::phone::offer;
use expect_test::expect;
use std::time::Duration;

/// Longer than any answer takes, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

fn record(callee: u32, status: &str, sip: u64) -> Record {
    Record {
        caller: ALICE.to_string(),
        callee: callee.to_string(),
        status: status.to_owned(),
        sip,
        duration_ms: 0,
        unprotected: false,
    }
}

#[test]
fn alice_gives_up_while_bob_rings() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 180, None)?;
    two.alice.hears_ringing(&invite)?;

    two.alice.cancel(&invite)?;
    assert_eq!(two.alice.is_refused(&invite)?, 487);
    let cancel = two.bob.expect(&Method::Cancel)?;
    two.bob.respond(&cancel, 200, None)?;
    two.bob.respond(&ringing, 487, None)?;
    two.bob.expect(&Method::Ack)?;

    expect![[r#"
        -> INVITE +sdp
        <- 401 (INVITE)
        -> ACK
        -> INVITE +sdp
        <- 180 (INVITE)
        -> CANCEL
        <- 200 (CANCEL)
        <- 487 (INVITE)
        -> ACK
    "#]]
    .assert_eq(&two.alice.ladder());
    expect![[r#"
        <- INVITE +sdp
        -> 180 (INVITE)
        <- CANCEL
        -> 200 (CANCEL)
        -> 487 (INVITE)
        <- ACK
    "#]]
    .assert_eq(&two.bob.ladder());
    assert_eq!(only_record(&two.lab)?, record(BOB, "cancelled", 487));
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn bob_is_busy() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 486, None)?;
    two.bob.expect(&Method::Ack)?;
    assert_eq!(two.alice.is_refused(&invite)?, 486);
    assert_eq!(only_record(&two.lab)?, record(BOB, "busy", 486));
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn bob_declines() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 180, None)?;
    two.alice.hears_ringing(&invite)?;
    two.bob.respond(&ringing, 603, None)?;
    two.bob.expect(&Method::Ack)?;
    assert_eq!(two.alice.is_refused(&invite)?, 603);
    assert_eq!(only_record(&two.lab)?, record(BOB, "busy", 603));
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn bob_does_not_answer_within_the_ring_time() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let api = two.lab.api(1)?;
    let users = api.get(&format!("/1.1/users?search={BOB}"))?;
    let bob = users["items"][0]["id"].to_string();
    api.put(
        &format!("/1.1/users/{bob}"),
        &serde_json::json!({"ring_seconds": 5}),
    )?;

    let (invite, _audio) = two.alice_calls(BOB)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 180, None)?;
    two.alice.hears_ringing(&invite)?;
    let cancel = two.bob.expect(&Method::Cancel)?;
    two.bob.respond(&cancel, 200, None)?;
    two.bob.respond(&ringing, 487, None)?;
    two.bob.expect(&Method::Ack)?;
    assert_eq!(two.alice.is_refused(&invite)?, 480);
    assert_eq!(only_record(&two.lab)?, record(BOB, "no_answer", 480));
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn carol_has_no_phone() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let (invite, _audio) = two.alice_calls(CAROL)?;
    assert_eq!(two.alice.is_refused(&invite)?, 480);
    expect![[r#"
        -> INVITE +sdp
        <- 401 (INVITE)
        -> ACK
        -> INVITE +sdp
        <- 480 (INVITE)
        -> ACK
    "#]]
    .assert_eq(&two.alice.ladder());
    assert_eq!(only_record(&two.lab)?, record(CAROL, "failed", 480));
    Ok(())
}

#[test]
fn bob_has_taken_his_registration_back() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    two.bob.unregister()?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    assert_eq!(two.alice.is_refused(&invite)?, 480);
    assert_eq!(only_record(&two.lab)?, record(BOB, "failed", 480));
    two.bob.expect_silence(Duration::from_millis(300))
}

#[test]
fn a_number_that_nobody_has() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let (invite, _audio) = two.alice_calls(4999)?;
    assert_eq!(two.alice.is_refused(&invite)?, 404);
    assert_eq!(only_record(&two.lab)?, record(4999, "failed", 404));
    Ok(())
}

#[test]
fn alice_hangs_up() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.alice.send(&bye)?;
    two.bob.hears_hang_up()?;
    let answer = two.alice.response_to(&bye, SOON, |code| code >= 200)?;
    assert_eq!(answer.status(), Some(200));
    expect![[r#"
        -> INVITE +sdp
        <- 401 (INVITE)
        -> ACK
        -> INVITE +sdp
        <- 180 (INVITE)
        <- 200 (INVITE) +sdp
        -> ACK
        -> BYE
        <- 200 (BYE)
    "#]]
    .assert_eq(&two.alice.ladder());
    let record = only_record(&two.lab)?;
    assert_eq!((record.status.as_str(), record.sip), ("answered", 200));
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn both_hang_up_at_once() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    let bye_of_alice = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    let bye_of_bob = two.bob.request_in(&mut talk.bob, Method::Bye, None)?;
    two.alice.send(&bye_of_alice)?;
    two.bob.send(&bye_of_bob)?;

    let to_alice = two
        .alice
        .response_to(&bye_of_alice, SOON, |code| code >= 200)?;
    let to_bob = two.bob.response_to(&bye_of_bob, SOON, |code| code >= 200)?;
    assert_eq!((to_alice.status(), to_bob.status()), (Some(200), Some(200)));
    let record = only_record(&two.lab)?;
    assert_eq!(record.status, "answered");
    two.lab.until_no_call_is_left(Duration::from_secs(40))
}

#[test]
fn alice_vanishes_and_the_session_timer_ends_the_call() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let audio = carillon_testkit::phone::Audio::bind(two.lab.phone_address()?)?;
    let sdp = offer(audio.local()?, 1, "sendrecv");
    let mut first = two.alice.invite_request(&BOB.to_string(), Some(&sdp))?;
    first.headers.push(Name::Supported, "timer");
    first.headers.push(Name::SessionExpires, "90;refresher=uac");
    two.alice.send(&first)?;
    let challenge = two.alice.response_to(&first, SOON, |code| code == 401)?;
    two.alice.ack_refusal(&first, &challenge)?;
    let invite = two.alice.with_password(&first, &challenge, 100)?;
    two.alice.send(&invite)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob
        .accept(&ringing, &offer(audio.local()?, 1, "sendrecv"))?;
    let (_, answer) = two.alice.connect(&invite)?;
    let agreed = answer.headers.text(Name::SessionExpires).map(str::to_owned);
    assert_eq!(agreed.as_deref(), Some("90;refresher=uac"));

    // She was to refresh the session and says nothing more (RFC 4028 §10): bob is told before the interval is over.
    drop(two.alice);
    let bye = two
        .bob
        .expect_within(&Method::Bye, Duration::from_secs(95))?;
    two.bob.respond(&bye, 200, None)?;
    let record = only_record(&two.lab)?;
    assert_eq!(record.status, "answered");
    two.lab.until_no_call_is_left(Duration::from_secs(40))
}
