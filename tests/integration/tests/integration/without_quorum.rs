//! One node of three is left: it goes on taking registrations and calls, refuses settings, and what it did alone is
//! everybody's when the others are back.

use anyhow::{Context, Result, ensure};
use carillon_integration::{CAROL, Two, only_record};
use carillon_sip::{Message, Method, Name};
use carillon_testkit::phone::{Audio, offer};
use carillon_testkit::{Phone, TestLab, eventually};
use expect_test::expect;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);
/// 250 ms of waiting, and what a busy machine adds.
const PROMPTLY: Duration = Duration::from_secs(2);

fn leave_alone(two: &Two) -> Result<()> {
    two.lab.kill("control2")?;
    two.lab.kill("control3")
}

/// Registers, and says for how many seconds.
fn lifetime(phone: &mut Phone) -> Result<u32> {
    let answer = phone.try_register(3600)?;
    ensure!(answer.status() == Some(200), "{:?}", answer.status());
    shortest(&answer)
}

fn shortest(answer: &Message) -> Result<u32> {
    let lines = answer.headers.get_all(Name::Contact);
    let lifetimes = lines.filter_map(|line| {
        let text = String::from_utf8_lossy(line).into_owned();
        text.split_once(";expires=")?
            .1
            .split(';')
            .next()?
            .parse()
            .ok()
    });
    lifetimes.min().context("a contact with its lifetime")
}

fn registrations(lab: &TestLab, node: usize) -> Result<Option<u64>> {
    Ok(lab.api(node)?.get("/api/v1/registrations?limit=1")?["total"].as_u64())
}

#[test]
fn a_node_alone_registers_phones_and_connects_their_calls() -> Result<()> {
    let mut two = Two::on_nodes(1, 1)?;
    let api = two.lab.api(1)?;
    leave_alone(&two)?;

    // A phone that nobody knew yet, and one that refreshes.
    let mut carol = two.lab.phone_tcp(CAROL, 1)?;
    let started = Instant::now();
    assert_eq!(lifetime(&mut carol)?, 60);
    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
    assert_eq!(lifetime(&mut two.alice)?, 60);
    two.alice.clear_ladder();

    let settings = serde_json::json!({"firstname": "Nobody"});
    let refused = api.ask(
        "POST",
        "/1.1/users",
        "application/json",
        &serde_json::to_vec(&settings)?,
    )?;
    assert_eq!(refused.status, 503);

    let (invite, _audio) = two.alice_calls(CAROL)?;
    let carols = Audio::bind(two.lab.phone_address()?)?;
    let ringing = carol.expect(&Method::Invite)?;
    carol.accept(&ringing, &offer(carols.local()?, 1, "sendrecv"))?;
    let (mut alices, _) = two.alice.connect(&invite)?;
    let bye = two.alice.request_in(&mut alices, Method::Bye, None)?;
    two.alice.send(&bye)?;
    carol.hears_hang_up()?;
    two.alice.response_to(&bye, SOON, |code| code == 200)?;
    expect![[r#"
        -> INVITE +sdp
        <- 401 (INVITE)
        -> ACK
        -> INVITE +sdp
        <- 200 (INVITE) +sdp
        -> ACK
        -> BYE
        <- 200 (BYE)
    "#]]
    .assert_eq(&two.alice.ladder());

    two.lab
        .start_together(&["control2".to_owned(), "control3".to_owned()])?;
    for node in 1..=3 {
        eventually("every node knows all three phones", SOON, || {
            Ok((registrations(&two.lab, node)? == Some(3)).then_some(()))
        })
        .with_context(|| format!("node {node}"))?;
    }
    let record = only_record(&two.lab)?;
    assert_eq!((record.status.as_str(), record.sip), ("answered", 200));
    assert!(record.unprotected);
    two.lab.until_no_call_is_left(SOON)
}

#[test]
fn a_phone_is_taken_away_only_with_the_quorum() -> Result<()> {
    let mut two = Two::on_nodes(1, 1)?;
    leave_alone(&two)?;
    let refused = two.bob.try_register(0)?;
    assert_eq!(refused.status(), Some(503));
    assert!(refused.headers.contains(Name::RetryAfter));
    Ok(())
}
