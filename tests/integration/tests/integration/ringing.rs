//! The node at which calls ring is killed: people answer when they like to, and talk.

use anyhow::{Context, Result, ensure};
use carillon_integration::{
    BOB, Dice, Role, Seat, Share, Stage, assert_share, kill_while_ringing, only_record_at,
};
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::phone::Transport;
use carillon_testkit::softphone::{Codec, Make};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{TestLab, eventually};
use std::time::Duration;

const PAIRS: u32 = 20;
const FIRST_CALLER: u32 = 2_001;
const FIRST_CALLEE: u32 = 2_101;
const SEED: u64 = 7;
const PART: f64 = 0.99;
const ENDED_WITHIN: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(15);
const CODEC: Codec = Codec::Pcma;
const A_SENTENCE: Duration = Duration::from_secs(9);

#[test]
fn scripted_phones_that_ring_are_answered_and_talk() -> Result<()> {
    let callers = FIRST_CALLER..FIRST_CALLER + PAIRS;
    let callees = FIRST_CALLEE..FIRST_CALLEE + PAIRS;
    let mut lab = TestLab::with_company(callers.clone().chain(callees.clone()))?;
    let pairs: Vec<_> = callers.zip(callees).collect();
    let mut share = Share::default();
    kill_while_ringing(&mut lab, &pairs, &mut Dice::new(SEED), &mut share)?;
    assert_share(&share, PART, ENDED_WITHIN)
}

/// When bob answers.
#[derive(Clone, Copy, Debug)]
enum Answers {
    /// Before anybody has noticed that the node is dead.
    AtOnce,
    /// When an heir has come, and his phone rings anew.
    Anew,
}

/// Alice and bob are at the node that dies: its socket is the one that bob's phone rings by.
fn it_rings_and_is_answered(makes: [Make; 2], answers: Answers) -> Result<()> {
    let stage = Stage::new(CODEC.shape(), CODEC.shape())?;
    let seat = Seat {
        node: 1,
        codec: CODEC,
        transport: Transport::Udp,
    };
    let mut alice = stage.phone(makes[0], Role::Caller, seat)?;
    let mut bob = stage.phone(makes[1], Role::Person, seat)?;
    alice.dial(&BOB.to_string())?;
    bob.until_rings(SOON)?;
    alice.until_hears_ringing(SOON)?;
    bob.look_from_now();
    stage.lab.kill("control1")?;
    match answers {
        Answers::AtOnce => {}
        Answers::Anew => {
            let outcome = bob.until_rings(SOON);
            bob.beside("bob", outcome)?;
        }
    }
    bob.answer()?;
    let outcome = bob.until_talks(SOON);
    bob.beside("bob", outcome)?;
    let outcome = alice.until_talks(SOON);
    alice.beside("alice", outcome)?;
    talk_for(A_SENTENCE);
    bob.look_from_now();
    alice.hang_up()?;
    bob.until_closed(SOON)?;
    alice.until_closed(SOON)?;
    let heard = Sound::read_all(&bob.recordings()?)?;
    let hearing = judge(&Sound::read(&stage.alice_says)?, &heard);
    ensure!(hearing.is_whole(), "bob heard {hearing:?}");
    let record = only_record_at(&stage.lab, [2, 3])?;
    ensure!(record.status == "answered", "{record:?}");
    let api = stage.lab.api(2)?;
    eventually("no call is left", SOON, || {
        Ok((api.get("/api/v1/calls?limit=1")?["total"] == 0).then_some(()))
    })
}

fn each_make_is_called(answers: Answers) -> Result<()> {
    for makes in [
        [Make::Linphone, Make::Baresip],
        [Make::Baresip, Make::Linphone],
    ] {
        it_rings_and_is_answered(makes, answers).with_context(|| format!("{makes:?}"))?;
    }
    Ok(())
}

#[test]
fn real_phones_that_ring_anew_are_answered_and_talk() -> Result<()> {
    each_make_is_called(Answers::Anew)
}

#[test]
fn real_phones_that_are_answered_before_an_heir_comes_talk() -> Result<()> {
    each_make_is_called(Answers::AtOnce)
}
