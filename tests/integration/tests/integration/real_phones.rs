//! The node that owns a call of real phones dies, and the call goes on: they hear each other, hold, resume and hang up.

use anyhow::{Context, Result, ensure};
use carillon_integration::{BOB, Seat, Stage, only_record_at};
use carillon_testkit::eventually;
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::phone::Transport;
use carillon_testkit::softphone::{Baresip, Codec};
use carillon_testkit::wait::talk_for;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const CODEC: Codec = Codec::Pcma;
const SOON: Duration = Duration::from_secs(15);
/// The sentences last about five seconds; the owner dies in the middle of them.
const UNTIL_THE_KILL: Duration = Duration::from_millis(3_500);
const REPORTED_EVERY: Duration = Duration::from_secs(6);
const SINCE_THE_HOLD: Duration = Duration::from_secs(9);
const PACKET: Duration = Duration::from_millis(20);
const A_SENTENCE: Duration = Duration::from_secs(7);

/// Who owns the call, and what else that node is.
#[derive(Clone, Copy)]
enum Owner {
    Leader,
    Follower,
}

/// Alice is at the node that owns the call and dies, bob at another.
struct Talk {
    alice: Baresip,
    bob: Baresip,
    victim: String,
    survivors: [usize; 2],
    stage: Stage,
}

impl Talk {
    fn begin(owner: Owner, bobs: Transport) -> Result<Self> {
        let stage = Stage::new(CODEC.shape(), CODEC.shape())?;
        let leader = eventually("there is a leader", SOON, || Ok(stage.lab.leader()))?;
        let at = |step: usize| (leader - 1 + step) % 3 + 1;
        let (victim, survivors) = match owner {
            Owner::Leader => (at(0), [at(1), at(2)]),
            Owner::Follower => (at(1), [at(0), at(2)]),
        };
        let seat = |node, transport| Seat {
            node,
            codec: CODEC,
            transport,
        };
        let mut alice = stage.alice(seat(victim, Transport::Udp))?;
        let mut bob = stage.bob(seat(survivors[0], bobs))?;
        alice.dial(&BOB.to_string())?;
        alice.until_event("CALL_ESTABLISHED", SOON)?;
        bob.until_event("CALL_ESTABLISHED", SOON)?;
        let victim = format!("control{victim}");
        let talk = Self {
            alice,
            bob,
            victim,
            survivors,
            stage,
        };
        talk.until_the_call("its owner is where alice is", |call| {
            talk.is_owned_by_the_victim(call)
        })?;
        Ok(talk)
    }

    /// Its owner dies in the middle of their sentences.
    fn kill_the_owner(&self) -> Result<()> {
        talk_for(UNTIL_THE_KILL);
        self.stage.lab.kill(&self.victim)?;
        talk_for(A_SENTENCE);
        Ok(())
    }

    /// A survivor owns it, and alice's phone has agreed to that.
    fn until_an_heir_has_come(&self) -> Result<()> {
        self.until_the_call("a survivor owns it", |call| {
            !self.is_owned_by_the_victim(call)
        })?;
        let heirs = self.survivors.map(|node| self.stage.lab.sip(node));
        let [Ok(one), Ok(other)] = heirs else {
            return heirs.into_iter().collect::<Result<Vec<_>>>().map(|_| ());
        };
        eventually("the heir has called alice's phone", SOON, || {
            let agreed = self.alice.trace().iter().any(|seen| {
                seen.method == "INVITE"
                    && seen.what.starts_with("SIP/2.0 200")
                    && (seen.to == one || seen.to == other)
            });
            Ok(agreed.then_some(()))
        })
    }

    fn is_owned_by_the_victim(&self, call: &Value) -> bool {
        call["owner"] == self.victim.as_str()
    }

    /// Waits until the one call is so, as a survivor knows it.
    fn until_the_call(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let api = self.stage.lab.api(self.survivors[0])?;
        eventually(what, SOON, || {
            let calls = api.get("/api/v1/calls?limit=10")?;
            let items = calls["items"].as_array().context("a list of calls")?;
            ensure!(items.len() == 1, "one call is up: {calls}");
            Ok(is_so(&items[0]).then_some(()))
        })
    }

    fn hold_and_resume(&mut self) -> Result<()> {
        self.alice.hold()?;
        self.until_the_call("it is held", |call| call["state"] == "held")
            .with_context(|| {
                format!(
                    "alice's log:\n{}\nbob's log:\n{}",
                    self.alice.log(),
                    self.bob.log()
                )
            })?;
        self.alice.resume()?;
        self.until_the_call("it is taken back", |call| call["state"] == "answered")?;
        talk_for(SINCE_THE_HOLD);
        Ok(())
    }

    /// Both have heard something nearly as long as they have talked. A phone that is hung up on counts as far as its last
    /// RTCP report, so a few seconds may be missing, but not all of those since the hold.
    fn was_heard_for(&self, talk: Duration) -> Result<()> {
        for (who, phone) in [("alice", &self.alice), ("bob", &self.bob)] {
            let heard = PACKET * phone.packets_heard()?;
            ensure!(
                heard + REPORTED_EVERY >= talk,
                "{who} heard {heard:?} of {talk:?}"
            );
        }
        Ok(())
    }

    fn say_more(&mut self) -> Result<()> {
        self.alice.say(&self.stage.alice_adds)?;
        self.bob.say(&self.stage.bob_adds)?;
        talk_for(A_SENTENCE);
        Ok(())
    }

    fn was_heard(&self, alice_said: &Path, bob_said: &Path) -> Result<()> {
        for (who, phone, said) in [
            ("alice", &self.alice, bob_said),
            ("bob", &self.bob, alice_said),
        ] {
            let heard = Sound::read_all(&phone.recordings()?)?;
            let hearing = judge(&Sound::read(said)?, &heard);
            ensure!(
                hearing.is_whole(),
                "{who} heard {hearing:?} of {}",
                said.display()
            );
        }
        Ok(())
    }

    /// The other phone is told, nothing is left of the call but one record.
    fn one_record_remains(&self) -> Result<()> {
        let record = only_record_at(&self.stage.lab, self.survivors)?;
        ensure!(record.status == "answered", "{record:?}");
        let api = self.stage.lab.api(self.survivors[0])?;
        eventually("no call is left", SOON, || {
            Ok((api.get("/api/v1/calls?limit=1")?["total"] == 0).then_some(()))
        })
    }
}

/// Alice or bob, who hangs up.
#[derive(Clone, Copy)]
enum Who {
    Alice,
    Bob,
}

/// Nothing of it is lost: the sentences that were said while the owner died, those said afterwards, hold and resume, the end.
fn a_call_goes_on(owner: Owner, bobs: Transport, ends: Who) -> Result<()> {
    let mut talk = Talk::begin(owner, bobs)?;
    talk.kill_the_owner()?;
    talk.until_an_heir_has_come()?;
    talk.say_more()?;
    talk.hold_and_resume()?;
    let (one, other) = match ends {
        Who::Alice => (&mut talk.alice, &mut talk.bob),
        Who::Bob => (&mut talk.bob, &mut talk.alice),
    };
    one.hang_up()?;
    other.until_event("CALL_CLOSED", SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)?;
    talk.was_heard(&talk.stage.alice_adds, &talk.stage.bob_adds)?;
    talk.was_heard_for(UNTIL_THE_KILL + A_SENTENCE * 2 + SINCE_THE_HOLD)?;
    talk.one_record_remains()
}

#[test]
fn the_leader_dies_and_alice_hangs_up() -> Result<()> {
    a_call_goes_on(Owner::Leader, Transport::Udp, Who::Alice)
}

#[test]
fn the_leader_dies_and_bob_hangs_up() -> Result<()> {
    a_call_goes_on(Owner::Leader, Transport::Udp, Who::Bob)
}

#[test]
fn a_follower_dies_and_alice_hangs_up() -> Result<()> {
    a_call_goes_on(Owner::Follower, Transport::Udp, Who::Alice)
}

#[test]
fn a_follower_dies_and_bob_hangs_up_over_tcp() -> Result<()> {
    a_call_goes_on(Owner::Follower, Transport::Tcp, Who::Bob)
}

#[test]
fn while_all_nodes_live_phones_hold_and_resume() -> Result<()> {
    let mut talk = Talk::begin(Owner::Follower, Transport::Tcp)?;
    talk_for(A_SENTENCE);
    talk.hold_and_resume()?;
    talk.bob.hang_up()?;
    talk.alice.until_event("CALL_CLOSED", SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)?;
    talk.was_heard_for(A_SENTENCE + SINCE_THE_HOLD)?;
    talk.one_record_remains()
}

#[test]
fn the_audio_goes_on_when_the_owner_of_a_call_dies() -> Result<()> {
    let mut talk = Talk::begin(Owner::Leader, Transport::Udp)?;
    talk.kill_the_owner()?;
    talk.alice.hang_up()?;
    talk.bob.hang_up()?;
    talk.bob.until_event("CALL_CLOSED", SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)
}
