//! Alice and bob, on different nodes, and what they do in most stories.

use anyhow::{Result, bail};
use carillon_sip::{Message, Method};
use carillon_testkit::phone::{Audio, Dialog, offer, rtp_target};
use carillon_testkit::{Account, LabOptions, Phone, TestLab};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Alice's number; she is registered at the first node.
pub const ALICE: u32 = 1001;
/// Bob's number; he is registered at the second node.
pub const BOB: u32 = 1002;
/// Carol's number; she has a line and no phone.
pub const CAROL: u32 = 1003;

const PACKET_EVERY: Duration = Duration::from_millis(20);
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// A cluster with alice and bob.
#[derive(Debug)]
pub struct Two {
    pub alice: Phone,
    pub bob: Phone,
    pub lab: TestLab,
}

/// A call between them.
#[derive(Debug)]
pub struct Talk {
    pub alice: Dialog,
    pub bob: Dialog,
    pub alice_audio: Audio,
    pub bob_audio: Audio,
    pub alice_sends_to: SocketAddr,
    pub bob_sends_to: SocketAddr,
}

impl Two {
    /// Three control nodes, two media servers, three lines, two phones registered over UDP.
    pub fn on_different_nodes() -> Result<Self> {
        Self::on_nodes(1, 2)
    }

    /// The same on nodes of the story's choice.
    pub fn on_nodes(of_alice: usize, of_bob: usize) -> Result<Self> {
        Self::settle(LabOptions::default(), of_alice, of_bob)
    }

    /// The first as above, in a cluster of the story's choice.
    pub fn in_lab(options: LabOptions) -> Result<Self> {
        Self::settle(options, 1, 2)
    }

    fn settle(options: LabOptions, of_alice: usize, of_bob: usize) -> Result<Self> {
        let lab = TestLab::up(options)?;
        let lines = [ALICE, BOB, CAROL].map(Account::of);
        lab.found_company(&lines)?;
        let alice = lab.phone(ALICE, of_alice)?;
        let bob = lab.phone(BOB, of_bob)?;
        let mut two = Self { alice, bob, lab };
        two.register()?;
        Ok(two)
    }

    /// The same on hosts of their own, and the phones know nothing but floating addresses of nodes.
    pub fn on_floating(of_alice: usize, of_bob: usize) -> Result<Self> {
        let lab = TestLab::up(LabOptions {
            namespaces: true,
            floating: true,
            ..LabOptions::default()
        })?;
        lab.found_company(&[ALICE, BOB, CAROL].map(Account::of))?;
        lab.until_addresses_are_at_home(&[1, 2, 3])?;
        let phone = |number, node| {
            let registrar = lab.sip_floating(node)?;
            Phone::udp(&Account::of(number), lab.phone_address()?, registrar)
        };
        let (alice, bob) = (phone(ALICE, of_alice)?, phone(BOB, of_bob)?);
        let mut two = Self { alice, bob, lab };
        two.register()?;
        Ok(two)
    }

    /// Both go to other nodes, with new phones.
    pub fn move_to(&mut self, of_alice: usize, of_bob: usize) -> Result<()> {
        self.alice.unregister()?;
        self.bob.unregister()?;
        self.alice = self.lab.phone(ALICE, of_alice)?;
        self.bob = self.lab.phone(BOB, of_bob)?;
        self.register()
    }

    fn register(&mut self) -> Result<()> {
        self.alice.register()?;
        self.bob.register()?;
        self.alice.clear_ladder();
        self.bob.clear_ladder();
        Ok(())
    }

    /// Alice's INVITE to a number is under way, with a description of her audio.
    pub fn alice_calls(&mut self, number: u32) -> Result<(Message, Audio)> {
        let audio = Audio::bind(self.lab.phone_address()?)?;
        let sdp = offer(audio.local()?, 1, "sendrecv");
        Ok((self.alice.invite(&number.to_string(), Some(&sdp))?, audio))
    }

    /// Alice calls bob, who answers at once.
    pub fn talk(&mut self) -> Result<Talk> {
        let (invite, alice_audio) = self.alice_calls(BOB)?;
        let bob_audio = Audio::bind(self.lab.phone_address()?)?;
        let ringing = self.bob.expect(&Method::Invite)?;
        self.bob.respond(&ringing, 180, None)?;
        self.alice.hears_ringing(&invite)?;
        let (bob, _) = self
            .bob
            .accept(&ringing, &offer(bob_audio.local()?, 1, "sendrecv"))?;
        let (alice, answer) = self.alice.connect(&invite)?;
        Ok(Talk {
            alice,
            bob,
            alice_audio,
            bob_audio,
            alice_sends_to: rtp_target(&answer)?,
            bob_sends_to: rtp_target(&ringing)?,
        })
    }
}

impl Talk {
    /// Both send, and each hears the other's voice and not its own.
    pub fn both_hear(&mut self, alice_says: u8, bob_says: u8) -> Result<()> {
        let deadline = Instant::now() + HEARD_WITHIN;
        let (mut alice_hears, mut bob_hears) = (false, false);
        while !(alice_hears && bob_hears) {
            if Instant::now() >= deadline {
                bail!("alice hears bob: {alice_hears}, bob hears alice: {bob_hears}");
            }
            self.alice_audio.send(self.alice_sends_to, alice_says)?;
            self.bob_audio.send(self.bob_sends_to, bob_says)?;
            alice_hears |= hears(&self.alice_audio, bob_says)?;
            bob_hears |= hears(&self.bob_audio, alice_says)?;
        }
        Ok(())
    }
}

fn hears(audio: &Audio, mark: u8) -> Result<bool> {
    let deadline = Instant::now() + PACKET_EVERY;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match audio.receive(left)? {
            Some(heard) if heard == mark => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
    }
}
