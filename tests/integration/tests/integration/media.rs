//! A media server is killed, drained or stopped in the middle of a call: another one carries it, and both hear each other.

use anyhow::{Context, Result, ensure};
use carillon_integration::{BOB, Heard, Seat, Stage, Talk, Two, only_record_at};
use carillon_sip::Method;
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::phone::Transport;
use carillon_testkit::softphone::Codec;
use carillon_testkit::wait::talk_for;
use carillon_testkit::{TestLab, eventually};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);
/// The goal is 1.5 s after a death, and 60 ms in a drain; the rest is for a machine that does other things too.
const GAP_OF_A_DEATH: Duration = Duration::from_secs(8);
const GAP_OF_A_DRAIN: Duration = Duration::from_secs(1);
/// Calls after which one must have gone by a server that carries half of them.
const CALLS: usize = 16;
const CODEC: Codec = Codec::Pcma;
const A_SENTENCE: Duration = Duration::from_secs(7);

/// Which media server carries the one call, as a node knows it; and the other.
fn carrier(lab: &TestLab, node: usize) -> Result<(String, String)> {
    let api = lab.api(node)?;
    let carrier = eventually("the call has a media server", SOON, || {
        let calls = api.get("/api/v1/calls?limit=10")?;
        Ok(calls["items"][0]["media_server"]
            .as_str()
            .map(str::to_owned))
    })?;
    let names = lab.lab.media.iter().map(|server| server.name.clone());
    let other = names.into_iter().find(|name| *name != carrier);
    Ok((carrier, other.context("there are two media servers")?))
}

fn address(lab: &TestLab, server: &str) -> Result<IpAddr> {
    let mut servers = lab.lab.media.iter();
    let found = servers.find(|known| known.name == server);
    Ok(found.context("a media server of this name")?.address.into())
}

fn moved(lab: &TestLab, node: usize, reason: &str) -> Result<f64> {
    let series = format!("carillon_media_moves_total{{reason=\"{reason}\"}}");
    lab.metric(&format!("control{node}"), &series)
}

fn sessions(lab: &TestLab, server: &str) -> Result<f64> {
    lab.metric(server, "carillon_media_sessions_active")
}

fn parts(two: &mut Two, talk: &mut Talk) -> Result<()> {
    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.alice.send(&bye)?;
    two.bob.hears_hang_up()?;
    two.alice.response_to(&bye, SOON, |code| code == 200)?;
    Ok(())
}

/// They hear each other by way of this server for half a second.
fn until_they_talk_by(two: &mut Two, talk: &mut Talk, server: &str) -> Result<Heard> {
    let host = address(&two.lab, server)?;
    let what = format!("both talk by way of {server}");
    two.talk_until(talk, &what, SOON, |heard| Ok(heard.talk_by(host)))
}

#[test]
fn a_media_server_is_killed_and_works_again_when_it_is_back() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    let (first, second) = carrier(&two.lab, 1)?;
    until_they_talk_by(&mut two, &mut talk, &first)?;
    two.lab.kill(&first)?;
    let heard = until_they_talk_by(&mut two, &mut talk, &second)?;
    println!(
        "killed: alice heard nothing for {:?}, bob for {:?}",
        heard.alice.longest_gap, heard.bob.longest_gap
    );
    ensure!(heard.longest_gap() < GAP_OF_A_DEATH, "{heard:?}");
    ensure!(heard.alice.told == 1 && heard.bob.told == 1, "{heard:?}");
    eventually("the move is counted", SOON, || {
        Ok((moved(&two.lab, 1, "lost")? == 1.0).then_some(()))
    })?;
    two.lab.start(&first)?;
    let again = until_they_talk_by(&mut two, &mut talk, &second)?;
    ensure!(again.alice.told == 0 && again.bob.told == 0, "{again:?}");
    ensure!(
        sessions(&two.lab, &first)? == 0.0,
        "it has no part in the call"
    );
    parts(&mut two, &mut talk)?;
    for _ in 0..CALLS {
        let mut talk = two.talk()?;
        let (by, _) = carrier(&two.lab, 1)?;
        until_they_talk_by(&mut two, &mut talk, &by)?;
        parts(&mut two, &mut talk)?;
        if by == first {
            return Ok(());
        }
        two.lab.until_no_call_is_left(SOON)?;
    }
    anyhow::bail!("{first} is back and gets none of {CALLS} calls")
}

#[test]
fn a_media_server_is_drained_and_nobody_is_cut_off() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    let (first, second) = carrier(&two.lab, 1)?;
    until_they_talk_by(&mut two, &mut talk, &first)?;
    // Any node takes the order; the owner acts on it.
    set(&two.lab, &first, "draining")?;
    let heard = until_they_talk_by(&mut two, &mut talk, &second)?;
    println!(
        "drained: alice heard nothing for {:?}, bob for {:?}",
        heard.alice.longest_gap, heard.bob.longest_gap
    );
    ensure!(heard.longest_gap() < GAP_OF_A_DRAIN, "{heard:?}");
    eventually("the drained server is empty", SOON, || {
        Ok((sessions(&two.lab, &first)? == 0.0).then_some(()))
    })?;
    ensure!(moved(&two.lab, 1, "drained")? == 1.0);
    parts(&mut two, &mut talk)?;
    two.lab.until_no_call_is_left(SOON)?;
    let mut next = two.talk()?;
    until_they_talk_by(&mut two, &mut next, &second)?;
    parts(&mut two, &mut next)
}

#[test]
fn a_media_server_that_is_asked_to_end_ends_when_its_calls_have_left() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    let (first, second) = carrier(&two.lab, 1)?;
    until_they_talk_by(&mut two, &mut talk, &first)?;
    let program = carillon_testkit::lab::program()?;
    let mut ending = std::process::Command::new(program)
        .args(["lab", "kill", &first, "--signal", "TERM", "--dir"])
        .arg(two.lab.dir())
        .spawn()?;
    let heard = until_they_talk_by(&mut two, &mut talk, &second)?;
    println!(
        "asked to end: alice heard nothing for {:?}, bob for {:?}",
        heard.alice.longest_gap, heard.bob.longest_gap
    );
    ensure!(heard.longest_gap() < GAP_OF_A_DRAIN, "{heard:?}");
    let ended = thread::spawn(move || ending.wait());
    let after = two.talk_until(&mut talk, "the process has ended", SOON, |_| {
        Ok(ended.is_finished())
    })?;
    ensure!(after.longest_gap() < GAP_OF_A_DRAIN, "{after:?}");
    ensure!(
        ended
            .join()
            .is_ok_and(|status| status.is_ok_and(|status| status.success()))
    );
    parts(&mut two, &mut talk)
}

#[test]
fn the_media_server_and_the_owner_of_a_call_are_killed_together() -> Result<()> {
    let mut two = Two::on_nodes(1, 1)?;
    let mut talk = two.talk()?;
    let (first, second) = carrier(&two.lab, 1)?;
    until_they_talk_by(&mut two, &mut talk, &first)?;
    two.lab.kill(&first)?;
    two.lab.kill("control1")?;
    let heard = until_they_talk_by(&mut two, &mut talk, &second)?;
    println!(
        "both killed: alice heard nothing for {:?}, bob for {:?}",
        heard.alice.longest_gap, heard.bob.longest_gap
    );
    parts(&mut two, &mut talk)?;
    let record = only_record_at(&two.lab, 2..=3)?;
    ensure!(record.status == "answered", "{record:?}");
    Ok(())
}

/// An administrator empties a media server, or lets it work again.
fn set(lab: &TestLab, server: &str, state: &str) -> Result<()> {
    let api = lab.api(2)?;
    let servers = api.get("/api/v1/media-servers")?;
    let mut items = servers["items"].as_array().into_iter().flatten();
    let found: Option<&Value> = items.find(|known| known["name"] == server);
    let id = found.context("a media server of this name")?["id"].clone();
    api.put(
        &format!("/api/v1/media-servers/{id}"),
        &json!({"state": state}),
    )?;
    Ok(())
}

#[test]
fn real_phones_follow_when_their_media_server_is_killed() -> Result<()> {
    let stage = Stage::new(CODEC.shape(), CODEC.shape())?;
    let seat = |node| Seat {
        node,
        codec: CODEC,
        transport: Transport::Udp,
    };
    let (mut alice, mut bob) = (stage.alice(seat(1))?, stage.bob(seat(2))?);
    alice.dial(&BOB.to_string())?;
    alice.until_event("CALL_ESTABLISHED", SOON)?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    talk_for(A_SENTENCE);
    let (first, _) = carrier(&stage.lab, 1)?;
    stage.lab.kill(&first)?;
    eventually("both phones have followed", SOON, || {
        let moved: f64 = (1..=3)
            .map(|node| moved(&stage.lab, node, "lost"))
            .sum::<Result<f64>>()?;
        Ok((moved == 1.0).then_some(()))
    })?;
    alice.say(&stage.alice_adds)?;
    bob.say(&stage.bob_adds)?;
    talk_for(A_SENTENCE);
    bob.hang_up()?;
    alice.until_event("CALL_CLOSED", SOON)?;
    for (who, phone, said) in [
        ("alice", &alice, [&stage.bob_says, &stage.bob_adds]),
        ("bob", &bob, [&stage.alice_says, &stage.alice_adds]),
    ] {
        let heard = Sound::read_all(&phone.recordings()?)?;
        for said in said {
            let hearing = judge(&Sound::read(said)?, &heard);
            ensure!(
                hearing.is_whole(),
                "{who} heard {hearing:?} of {}",
                said.display()
            );
        }
    }
    Ok(())
}
