//! What happens in more than one story.

use crate::clock;
use crate::node::Death;
use crate::phone::{Hearing, Stage, extension};
use crate::world::{PHONES, Verdict, World, ensure, failure};

pub(super) const LIFETIME_S: u32 = 3_600;
/// Longer than a phone repeats a request over UDP, with the refusals and new attempts between.
pub(super) const PATIENCE_MS: u64 = 60_000;
/// By then every follower has what was committed, in any weather.
const FOLLOWED_MS: u64 = 400;
/// Packets of a talk that must get through, of a hundred, when each way loses up to a tenth.
const HEARD_PERCENT: u32 = 60;
const LONGEST_GAP_US: u64 = 600_000;

impl World {
    /// All phones register, once.
    pub(super) async fn everybody_registers(&mut self) -> Verdict {
        for number in 1..=PHONES {
            self.phone(number).register(LIFETIME_S);
            self.collect(number);
        }
        self.until("all phones are registered", PATIENCE_MS, |world| {
            world
                .phones
                .iter()
                .all(|phone| phone.registration.is_confirmed())
        })
        .await?;
        // Until the next heartbeat a follower may know less than the leader has committed.
        self.run(FOLLOWED_MS).await;
        Ok(())
    }

    /// All phones refresh their registrations all the time.
    pub(super) fn everybody_keeps_registering(&mut self, every_ms: u64) {
        for number in 1..=PHONES {
            self.phone(number)
                .register_every(LIFETIME_S, every_ms * 1000);
            self.collect(number);
        }
    }

    pub(super) fn nobody_registers_any_more(&mut self) {
        for number in 1..=PHONES {
            self.phone(number).stop_registering();
        }
    }

    /// One phone calls another, and gets through.
    pub(super) async fn connect(&mut self, caller: u8, callee: u8) -> Verdict {
        self.begin(caller, callee);
        self.talk_to_each_other(caller, callee).await
    }

    /// The call that was begun gets through.
    pub(super) async fn talk_to_each_other(&mut self, caller: u8, callee: u8) -> Verdict {
        let talk = format!("phone{caller} talks with phone{callee}");
        self.until(&talk, PATIENCE_MS, |world| {
            let refused = world.phone(caller).code().is_some_and(|code| code >= 300);
            refused || world.talk(caller, callee)
        })
        .await?;
        let code = self.phone(caller).code();
        ensure!(
            code == Some(200),
            "phone{caller} calls phone{callee} and gets {code:?}"
        );
        Ok(())
    }

    /// One phone calls another.
    pub(super) fn begin(&mut self, caller: u8, callee: u8) {
        self.phone(caller).call(&extension(callee));
        self.collect(caller);
    }

    fn talk(&mut self, one: u8, other: u8) -> bool {
        let talking = |stage| stage == Some(Stage::Talking);
        talking(self.phone(one).stage()) && talking(self.phone(other).stage())
    }

    /// Both have heard each other, and nobody else, all the time.
    pub(super) fn heard_each_other(&mut self, one: u8, other: u8) -> Verdict {
        for (listener, speaker) in [(one, other), (other, one)] {
            let Some(talk) = &self.phone(listener).conversation else {
                continue;
            };
            let gap_us = talk.hearing.longest_gap_us(clock::now_us());
            let only = talk.hearing.heard_only(speaker);
            let voice = talk.hearing.voice_of(speaker);
            ensure!(
                only,
                "phone{listener} hears somebody else than phone{speaker}"
            );
            let voice = voice.ok_or_else(|| {
                failure(format_args!(
                    "phone{listener} has heard nothing of phone{speaker}"
                ))
            })?;
            let (heard, said) = (voice.words, voice.of());
            ensure!(
                heard >= said * HEARD_PERCENT / 100,
                "phone{listener} heard {heard} of {said} words of phone{speaker}"
            );
            ensure!(
                gap_us <= LONGEST_GAP_US,
                "phone{listener} heard nothing of phone{speaker} for {gap_us} us"
            );
        }
        Ok(())
    }

    /// What was heard so far counts no more.
    pub(super) fn listen_anew(&mut self, one: u8, other: u8) {
        for phone in [one, other] {
            if let Some(talk) = &mut self.phone(phone).conversation {
                talk.hearing = Hearing::default();
            }
        }
    }

    /// A phone holds the other and takes it back; both is granted.
    pub(super) async fn holds_and_resumes(&mut self, who: u8, since_us: u64) -> Verdict {
        for holds in [true, false] {
            self.phone(who).hold(holds);
            self.collect(who);
            let what = if holds { "on hold" } else { "taken back" };
            let told = format!("phone{who} is told that the other is {what}");
            self.until(&told, PATIENCE_MS, |world| {
                let refused = world.oracle.granted_since(since_us).is_err();
                refused || world.phone(who).holds() == holds
            })
            .await?;
            self.oracle.granted_since(since_us)?;
            let time_ms = self.dice.within(0..1_500);
            self.run(time_ms).await;
        }
        Ok(())
    }

    /// One of the two hangs up, and both notice.
    pub(super) async fn part(&mut self, one: u8, other: u8) -> Verdict {
        let who = self.dice.pick(&[one, other]);
        self.hang_up(who);
        self.both_have_parted(one, other).await
    }

    pub(super) fn hang_up(&mut self, phone: u8) {
        self.phone(phone).hang_up();
        self.collect(phone);
    }

    /// How the next process ends.
    pub(super) fn some_death(&mut self) -> Death {
        self.dice.pick(&[Death::Power, Death::Kill])
    }

    /// Two different phones.
    pub(super) fn two_phones(&mut self) -> (u8, u8) {
        let one = u8::try_from(self.dice.within(0..PHONES.into())).unwrap_or(0);
        let step = u8::try_from(self.dice.within(1..PHONES.into())).unwrap_or(1);
        (1 + one, 1 + (one + step) % PHONES)
    }
}
