//! Hold and resume, from either side; the music of the story is silence.

use anyhow::Result;
use bytes::Bytes;
use carillon_integration::{Two, only_record};
use carillon_sip::Method;
use carillon_sip::sdp::{Direction, SessionDescription};
use carillon_testkit::phone::{Dialog, Phone, offer};
use std::net::SocketAddr;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// One phone offers a direction, the other agrees with the answer that fits.
fn change(
    (phone, dialog, rtp): (&mut Phone, &mut Dialog, SocketAddr),
    (other, other_rtp): (&mut Phone, SocketAddr),
    version: u32,
    (offered, answered): (&str, &str),
) -> Result<(Direction, Direction)> {
    let request = phone.request_in(dialog, Method::Invite, Some(&offer(rtp, version, offered)))?;
    phone.send(&request)?;
    let reinvite = other.expect(&Method::Invite)?;
    other.respond(&reinvite, 200, Some(&offer(other_rtp, version, answered)))?;
    other.expect(&Method::Ack)?;
    let answer = phone.response_to(&request, SOON, |code| code == 200)?;
    phone.ack(dialog, request.cseq()?.number)?;
    Ok((direction(&reinvite.body)?, direction(&answer.body)?))
}

fn direction(body: &Bytes) -> Result<Direction> {
    let description = SessionDescription::parse(body)?;
    let (_, audio) = description.audio().expect("a call has audio");
    Ok(description.direction(audio))
}

#[test]
fn alice_holds_bob_and_takes_him_back() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let (alice_rtp, bob_rtp) = (talk.alice_audio.local()?, talk.bob_audio.local()?);

    let seen = change(
        (&mut two.alice, &mut talk.alice, alice_rtp),
        (&mut two.bob, bob_rtp),
        2,
        ("sendonly", "recvonly"),
    )?;
    assert_eq!(seen, (Direction::SendOnly, Direction::RecvOnly));

    let seen = change(
        (&mut two.alice, &mut talk.alice, alice_rtp),
        (&mut two.bob, bob_rtp),
        3,
        ("sendrecv", "sendrecv"),
    )?;
    assert_eq!(seen, (Direction::SendRecv, Direction::SendRecv));
    talk.both_hear(0x33, 0x44)?;

    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.alice.send(&bye)?;
    two.bob.hears_hang_up()?;
    two.alice.response_to(&bye, SOON, |code| code == 200)?;
    assert_eq!(only_record(&two.lab)?.status, "answered");
    Ok(())
}

#[test]
fn bob_holds_alice_and_takes_her_back() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut talk = two.talk()?;
    let (alice_rtp, bob_rtp) = (talk.alice_audio.local()?, talk.bob_audio.local()?);

    let seen = change(
        (&mut two.bob, &mut talk.bob, bob_rtp),
        (&mut two.alice, alice_rtp),
        2,
        ("sendonly", "recvonly"),
    )?;
    assert_eq!(seen, (Direction::SendOnly, Direction::RecvOnly));
    let seen = change(
        (&mut two.bob, &mut talk.bob, bob_rtp),
        (&mut two.alice, alice_rtp),
        3,
        ("sendrecv", "sendrecv"),
    )?;
    assert_eq!(seen, (Direction::SendRecv, Direction::SendRecv));
    talk.both_hear(0x55, 0x66)
}
