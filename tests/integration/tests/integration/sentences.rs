//! Real phones on different nodes talk a sentence each way: what each hears is the other's sentence, whole.

use anyhow::{Result, ensure};
use carillon_integration::{BOB, Role, Seat, Stage, assert_whole, only_record};
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::Shape;
use carillon_testkit::softphone::{Codec, Make};
use carillon_testkit::wait::talk_for;
use std::time::Duration;

/// Long enough for both sentences and the silence before them.
const TALK: Duration = Duration::from_secs(9);
const SOON: Duration = Duration::from_secs(15);
/// Fifty a second; a busy machine may skip some.
const PACKETS_AT_LEAST: u64 = 300;

fn two_baresips_talk(codec: Codec, transport: Transport) -> Result<()> {
    let stage = Stage::new(codec.shape(), codec.shape())?;
    let at = |node| Seat {
        node,
        codec,
        transport,
    };
    let mut alice = stage.alice(at(1))?;
    let mut bob = stage.bob(at(2))?;
    alice.dial(&BOB.to_string())?;
    alice.until_event("CALL_ESTABLISHED", SOON)?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    talk_for(TALK);
    alice.hang_up()?;
    bob.until_event("CALL_CLOSED", SOON)?;
    assert_whole("alice", &stage.bob_says, &alice.heard()?)?;
    assert_whole("bob", &stage.alice_says, &bob.heard()?)?;
    let record = only_record(&stage.lab)?;
    ensure!(
        record.status == "answered" && record.duration_ms >= 8_000,
        "{record:?}"
    );
    each_way_was_counted(&stage)?;
    stage.lab.until_no_call_is_left(SOON)
}

/// The record has the packets of each direction, and what they were worth.
fn each_way_was_counted(stage: &Stage) -> Result<()> {
    let records = stage.lab.api(3)?.get("/1.1/call_logs?limit=1")?;
    for way in ["source_quality", "destination_quality"] {
        let quality = &records["items"][0][way];
        let packets = quality["packets"].as_u64().unwrap_or_default();
        let mos = quality["mos"].as_f64().unwrap_or_default();
        ensure!(
            packets >= PACKETS_AT_LEAST && (1.0..=4.6).contains(&mos),
            "{way}: {quality}"
        );
        ensure!(quality["lost"].is_u64() && quality["jitter_ms"].is_number());
    }
    Ok(())
}

#[test]
fn in_pcma() -> Result<()> {
    two_baresips_talk(Codec::Pcma, Transport::Udp)
}

#[test]
fn in_g722() -> Result<()> {
    two_baresips_talk(Codec::G722, Transport::Tcp)
}

#[test]
fn in_opus() -> Result<()> {
    two_baresips_talk(Codec::Opus, Transport::Udp)
}

#[test]
fn over_tls() -> Result<()> {
    two_baresips_talk(Codec::Pcma, Transport::Tls)
}

#[test]
fn linphone_and_baresip() -> Result<()> {
    let stage = Stage::new(Shape::NARROW, Shape::NARROW)?;
    let at = |node| Seat {
        node,
        codec: Codec::Pcma,
        transport: Transport::Udp,
    };
    let mut alice = stage.phone(Make::Linphone, Role::Caller, at(1))?;
    let mut bob = stage.bob(at(3))?;
    alice.dial(&BOB.to_string())?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    talk_for(TALK);
    alice.hang_up()?;
    bob.until_event("CALL_CLOSED", SOON)?;
    alice.until_closed(SOON)?;
    assert_whole("alice", &stage.bob_says, &alice.recordings()?[0])?;
    assert_whole("bob", &stage.alice_says, &bob.heard()?)?;
    ensure!(only_record(&stage.lab)?.status == "answered");
    Ok(())
}
