//! Real phones in a cluster with hosts of their own, and what they say.

use anyhow::{Result, ensure};
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::lab::LabOptions;
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::{self, Shape, Voice, speak};
use carillon_testkit::softphone::{Baresip, Codec, Make, PhoneOptions, Softphone};
use carillon_testkit::{Account, TestLab};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

use crate::{ALICE, BOB};

/// A phone that has played its file to the end hangs up.
const SILENCE_S: u32 = 120;
const REGISTERED_WITHIN: Duration = Duration::from_secs(15);

/// A cluster whose phones have hosts of their own, and the two sentences in the shape of a codec.
#[derive(Debug)]
pub struct Stage {
    pub lab: TestLab,
    pub alice_says: PathBuf,
    pub bob_says: PathBuf,
    /// What they say later in a call.
    pub alice_adds: PathBuf,
    pub bob_adds: PathBuf,
    _folder: TempDir,
}

/// How a phone is connected.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// The control node that it registers with, counted from 1.
    pub node: usize,
    pub codec: Codec,
    pub transport: Transport,
}

/// Whose phone it is, and what it does when it rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Alice, who calls.
    Caller,
    /// Bob, whose phone answers by itself.
    Callee,
    /// Bob, who answers when he likes to.
    Person,
}

impl Stage {
    pub fn new(alice: Shape, bob: Shape) -> Result<Self> {
        let lab = TestLab::up(LabOptions {
            namespaces: true,
            ..LabOptions::default()
        })?;
        lab.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
        let folder = tempfile::tempdir()?;
        let say =
            |name, text, voice, shape| speak(folder.path(), name, text, voice, shape, SILENCE_S);
        let alice_says = say("alice", sentence::ALICE, Voice::Alice, alice)?;
        let bob_says = say("bob", sentence::BOB, Voice::Bob, bob)?;
        let alice_adds = say("alice-later", sentence::ALICE_LATER, Voice::Alice, alice)?;
        let bob_adds = say("bob-later", sentence::BOB_LATER, Voice::Bob, bob)?;
        Ok(Self {
            lab,
            alice_says,
            bob_says,
            alice_adds,
            bob_adds,
            _folder: folder,
        })
    }

    /// Alice's phone on the first host, once it is registered. Both phones answer by themselves.
    pub fn alice(&self, seat: Seat) -> Result<Baresip> {
        self.baresip(ALICE, 1, seat, &self.alice_says)
    }

    /// Bob's phone on the second host, once it is registered.
    pub fn bob(&self, seat: Seat) -> Result<Baresip> {
        self.baresip(BOB, 2, seat, &self.bob_says)
    }

    /// The caller's or the callee's phone, of either make, once it is registered.
    pub fn phone(&self, make: Make, role: Role, seat: Seat) -> Result<Softphone> {
        let (line, host, says, answers) = match role {
            Role::Caller => (ALICE, 1, &self.alice_says, false),
            Role::Callee => (BOB, 2, &self.bob_says, true),
            Role::Person => (BOB, 2, &self.bob_says, false),
        };
        let options = self.options(line, host, seat, says, answers)?;
        let name = &self.lab.lab.phones[host - 1].name;
        let on_host = |program: &str| self.lab.on_host(name, program);
        Softphone::start(make, &options, REGISTERED_WITHIN, on_host)
    }

    fn baresip(&self, line: u32, host: usize, seat: Seat, says: &Path) -> Result<Baresip> {
        let options = self.options(line, host, seat, says, true)?;
        let name = &self.lab.lab.phones[host - 1].name;
        let mut started = Baresip::start(&options, |program| self.lab.on_host(name, program))?;
        started.until_registered(REGISTERED_WITHIN)?;
        Ok(started)
    }

    fn options(
        &self,
        line: u32,
        host: usize,
        seat: Seat,
        says: &Path,
        answers: bool,
    ) -> Result<PhoneOptions> {
        let node = match seat.transport {
            Transport::Udp | Transport::Tcp => self.lab.sip(seat.node)?,
            Transport::Tls => self.lab.sip_tls(seat.node)?,
        };
        Ok(PhoneOptions {
            account: Account::of(line),
            node,
            local: self.lab.lab.phones[host - 1].address,
            transport: seat.transport,
            codec: seat.codec,
            says: says.to_path_buf(),
            answers,
            authority: (seat.transport == Transport::Tls).then(|| self.lab.lab.ca.clone()),
        })
    }
}

/// The recording holds the whole sentence.
pub fn assert_whole(who: &str, said: &Path, heard: &Path) -> Result<()> {
    let hearing = judge(&Sound::read(said)?, &Sound::read(heard)?);
    ensure!(hearing.is_whole(), "{who} heard {hearing:?}");
    Ok(())
}
