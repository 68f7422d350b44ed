//! Two phones that talk while something happens: they send stamped RTP all the time, follow every re-INVITE, and know how
//! long they heard nothing.

use anyhow::{Context, Result, bail};
use carillon_sip::{Message, Method};
use carillon_testkit::Phone;
use carillon_testkit::phone::{Audio, Dialog, offer, rtp_target};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::{Talk, Two};

const PACKET_EVERY: Duration = Duration::from_millis(20);
const A_MOMENT: Duration = Duration::from_millis(1);
const ALICE_SAYS: u8 = 0x5a;
const BOB_SAYS: u8 = 0xa5;

/// What one of the two has heard, and been told.
#[derive(Debug, Clone, Copy)]
pub struct Listener {
    /// The longest time without a packet of the other.
    pub longest_gap: Duration,
    heard: Instant,
    /// Re-INVITEs that it has followed.
    pub told: u32,
    /// Where it sends its media.
    pub sends_to: SocketAddr,
    /// Packets of the other since it was told last.
    pub heard_since: u32,
}

impl Listener {
    fn new(sends_to: SocketAddr) -> Self {
        Self {
            longest_gap: Duration::ZERO,
            heard: Instant::now(),
            told: 0,
            sends_to,
            heard_since: 0,
        }
    }

    fn hears(&mut self) {
        let now = Instant::now();
        self.longest_gap = self.longest_gap.max(now - self.heard);
        self.heard = now;
        self.heard_since += 1;
    }
}

/// What both have heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub alice: Listener,
    pub bob: Listener,
}

impl Heard {
    /// The longer of both gaps.
    pub fn longest_gap(&self) -> Duration {
        self.alice.longest_gap.max(self.bob.longest_gap)
    }

    /// Both send to this host, and hear each other.
    pub fn talk_by(&self, host: std::net::IpAddr) -> bool {
        [self.alice, self.bob]
            .iter()
            .all(|side| side.sends_to.ip() == host && side.heard_since >= 25)
    }
}

/// A phone with its side of a call.
struct Side<'a> {
    phone: &'a mut Phone,
    dialog: &'a mut Dialog,
    audio: &'a mut Audio,
    listener: Listener,
    says: u8,
    hears: u8,
}

impl Two {
    /// Both talk until something holds.
    pub fn talk_until(
        &mut self,
        talk: &mut Talk,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Heard) -> Result<bool>,
    ) -> Result<Heard> {
        let mut alice = Side {
            phone: &mut self.alice,
            dialog: &mut talk.alice,
            audio: &mut talk.alice_audio,
            listener: Listener::new(talk.alice_sends_to),
            says: ALICE_SAYS,
            hears: BOB_SAYS,
        };
        let mut bob = Side {
            phone: &mut self.bob,
            dialog: &mut talk.bob,
            audio: &mut talk.bob_audio,
            listener: Listener::new(talk.bob_sends_to),
            says: BOB_SAYS,
            hears: ALICE_SAYS,
        };
        let deadline = Instant::now() + limit;
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next {
                next += PACKET_EVERY;
                alice.audio.send(alice.listener.sends_to, alice.says)?;
                bob.audio.send(bob.listener.sends_to, bob.says)?;
            }
            for side in [&mut alice, &mut bob] {
                side.listens()?;
                side.obeys()?;
            }
            let heard = Heard {
                alice: alice.listener,
                bob: bob.listener,
            };
            if holds(&heard)? {
                talk.alice_sends_to = heard.alice.sends_to;
                talk.bob_sends_to = heard.bob.sends_to;
                return Ok(heard);
            }
            if now >= deadline {
                bail!("not within {limit:?}: {what}; {heard:?}");
            }
        }
    }
}

impl Side<'_> {
    fn listens(&mut self) -> Result<()> {
        while let Some(mark) = self.audio.receive(A_MOMENT)? {
            if mark == self.hears {
                self.listener.hears();
            }
        }
        Ok(())
    }

    /// Answers whatever it is asked within the call.
    fn obeys(&mut self) -> Result<()> {
        let Some(message) = self.phone.receive(A_MOMENT)? else {
            return Ok(());
        };
        match message.method() {
            Some(Method::Invite) => self.follows(&message),
            Some(Method::Bye | Method::Cancel) => bail!("the call is ended: {message:?}"),
            Some(_) | None => Ok(()),
        }
    }

    fn follows(&mut self, invite: &Message) -> Result<()> {
        let target = self.dialog.follow(invite)?;
        let host = target.host().context("a host")?;
        let owner = host.socket(target.port().unwrap_or(5060));
        self.phone
            .turn_to(owner.context("an address and no name")?)?;
        let sdp = offer(self.audio.local()?, 1, "sendrecv");
        self.phone.respond(invite, 200, Some(&sdp))?;
        let sends_to = rtp_target(invite)?;
        if sends_to != self.listener.sends_to {
            self.listener.heard_since = 0;
        }
        self.listener.sends_to = sends_to;
        self.listener.told += 1;
        Ok(())
    }
}
