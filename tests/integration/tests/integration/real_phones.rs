//! The node that owns a call of real phones dies, and the call goes on: they hear each other, hold, resume and hang up.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB, Role, Seat, Stage, only_record_at};
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::phone::Transport;
use carillon_testkit::softphone::{Codec, Make, Softphone};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{Account, eventually};
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
/// A baresip on TCP registers again after nine tenths of its minute.
const REGISTERED_ANEW_WITHIN: Duration = Duration::from_secs(90);

/// Who owns the call, and what else that node is.
#[derive(Clone, Copy)]
enum Owner {
    Leader,
    Follower,
}

/// Alice is at the node that owns the call and dies, bob at another.
struct Talk {
    alice: Softphone,
    bob: Softphone,
    victim: String,
    survivors: [usize; 2],
    stage: Stage,
}

impl Talk {
    fn begin(owner: Owner, makes: [Make; 2], by: [Transport; 2]) -> Result<Self> {
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
        let mut alice = stage.phone(makes[0], Role::Caller, seat(victim, by[0]))?;
        let mut bob = stage.phone(makes[1], Role::Callee, seat(survivors[0], by[1]))?;
        alice.dial(&BOB.to_string())?;
        alice.until_talks(SOON)?;
        bob.until_talks(SOON)?;
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
        let Softphone::Baresip(alice) = &self.alice else {
            // linphonec shows nothing of it; what it does next will.
            return Ok(());
        };
        eventually("the heir has called alice's phone", SOON, || {
            let agreed = alice.trace().iter().any(|seen| {
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

    /// What the cluster knows of alice's phone: it changes when she registers.
    fn alices_connection(&self) -> Result<String> {
        let api = self.stage.lab.api(self.survivors[0])?;
        let all = api.get("/api/v1/registrations?limit=10")?;
        let name = Account::of(ALICE).username;
        let items = all["items"].as_array().into_iter().flatten();
        let own = items.filter(|item| item["username"] == name.as_str());
        Ok(own.map(|item| item["peer"].to_string()).collect())
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
            let Some(packets) = phone.packets_heard()? else {
                continue;
            };
            let heard = PACKET * packets;
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
#[derive(Clone, Copy, Debug)]
enum Who {
    Alice,
    Bob,
}

/// Nothing of it is lost: the sentences that were said while the owner died, those said afterwards, hold and resume, the end.
fn a_call_goes_on(owner: Owner, makes: [Make; 2], bobs: Transport, ends: Who) -> Result<()> {
    let mut talk = Talk::begin(owner, makes, [Transport::Udp, bobs])?;
    talk.kill_the_owner()?;
    talk.until_an_heir_has_come()?;
    talk.say_more()?;
    talk.hold_and_resume()?;
    let (one, other) = match ends {
        Who::Alice => (&mut talk.alice, &mut talk.bob),
        Who::Bob => (&mut talk.bob, &mut talk.alice),
    };
    one.hang_up()?;
    other.until_closed(SOON)?;
    one.until_closed(SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)?;
    talk.was_heard(&talk.stage.alice_adds, &talk.stage.bob_adds)?;
    talk.was_heard_for(UNTIL_THE_KILL + A_SENTENCE * 2 + SINCE_THE_HOLD)?;
    talk.one_record_remains()
}

#[test]
fn the_leader_dies_and_alice_hangs_up() -> Result<()> {
    a_call_goes_on(
        Owner::Leader,
        [Make::Baresip; 2],
        Transport::Udp,
        Who::Alice,
    )
}

#[test]
fn the_leader_dies_and_bob_hangs_up() -> Result<()> {
    a_call_goes_on(Owner::Leader, [Make::Baresip; 2], Transport::Udp, Who::Bob)
}

#[test]
fn a_follower_dies_and_alice_hangs_up() -> Result<()> {
    a_call_goes_on(
        Owner::Follower,
        [Make::Baresip; 2],
        Transport::Udp,
        Who::Alice,
    )
}

#[test]
fn a_follower_dies_and_bob_hangs_up_over_tcp() -> Result<()> {
    a_call_goes_on(
        Owner::Follower,
        [Make::Baresip; 2],
        Transport::Tcp,
        Who::Bob,
    )
}

/// Either make calls the other, over UDP and with the callee on TCP, and either side hangs up.
#[test]
fn linphone_goes_on_as_caller_and_as_callee() -> Result<()> {
    for (makes, bobs, ends) in [
        ([Make::Linphone, Make::Baresip], Transport::Udp, Who::Alice),
        ([Make::Linphone, Make::Baresip], Transport::Tcp, Who::Bob),
        ([Make::Baresip, Make::Linphone], Transport::Udp, Who::Bob),
        ([Make::Baresip, Make::Linphone], Transport::Tcp, Who::Alice),
    ] {
        a_call_goes_on(Owner::Follower, makes, bobs, ends)
            .with_context(|| format!("{makes:?}, bob over {bobs:?}, {ends:?} hangs up"))?;
    }
    Ok(())
}

/// Alice's connection dies with the node that owns the call. Her phone knows no other node: it registers anew when that
/// one is back, over another connection, and the survivor that has the call goes on by it.
fn a_caller_on_tcp_goes_on(make: Make) -> Result<()> {
    let by = [Transport::Tcp, Transport::Udp];
    let mut talk = Talk::begin(Owner::Follower, [make, Make::Baresip], by)?;
    talk.kill_the_owner()?;
    talk.until_the_call("a survivor owns it", |call| {
        !talk.is_owned_by_the_victim(call)
    })?;
    let victim = talk.victim.clone();
    let flow = talk.alices_connection()?;
    talk.stage.lab.start(&victim)?;
    eventually(
        "alice's phone has registered anew",
        REGISTERED_ANEW_WITHIN,
        || Ok((talk.alices_connection()? != flow).then_some(())),
    )?;
    talk.say_more()?;
    talk.hold_and_resume()?;
    talk.bob.hang_up()?;
    talk.alice.until_closed(SOON)?;
    talk.bob.until_closed(SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)?;
    talk.was_heard(&talk.stage.alice_adds, &talk.stage.bob_adds)?;
    talk.one_record_remains()
}

#[test]
fn a_baresip_that_calls_by_tcp_goes_on_when_it_has_registered_anew() -> Result<()> {
    a_caller_on_tcp_goes_on(Make::Baresip)
}

#[test]
fn a_linphone_that_calls_by_tcp_goes_on_when_it_has_registered_anew() -> Result<()> {
    a_caller_on_tcp_goes_on(Make::Linphone)
}

#[test]
fn while_all_nodes_live_phones_hold_and_resume() -> Result<()> {
    let mut talk = Talk::begin(
        Owner::Follower,
        [Make::Baresip; 2],
        [Transport::Udp, Transport::Tcp],
    )?;
    talk_for(A_SENTENCE);
    talk.hold_and_resume()?;
    talk.bob.hang_up()?;
    talk.alice.until_closed(SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)?;
    talk.was_heard_for(A_SENTENCE + SINCE_THE_HOLD)?;
    talk.one_record_remains()
}

#[test]
fn the_audio_goes_on_when_the_owner_of_a_call_dies() -> Result<()> {
    let mut talk = Talk::begin(Owner::Leader, [Make::Baresip; 2], [Transport::Udp; 2])?;
    talk.kill_the_owner()?;
    talk.alice.hang_up()?;
    talk.bob.hang_up()?;
    talk.bob.until_closed(SOON)?;
    talk.was_heard(&talk.stage.alice_says, &talk.stage.bob_says)
}
