//! Real phones on different nodes talk a sentence each way: what each hears is the other's sentence, whole.

use anyhow::{Result, ensure};
use carillon_integration::{ALICE, BOB, only_record};
use carillon_testkit::hearing::{Sound, judge};
use carillon_testkit::lab::LabOptions;
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::{self, Shape, Voice, speak};
use carillon_testkit::softphone::{Baresip, BaresipOptions, Codec, Linphone};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{Account, TestLab};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for both sentences and the silence before them.
const TALK: Duration = Duration::from_secs(9);
const SILENCE_S: u32 = 60;
const SOON: Duration = Duration::from_secs(15);

struct Stage {
    lab: TestLab,
    folder: TempDir,
    alice_says: PathBuf,
    bob_says: PathBuf,
}

impl Stage {
    /// A cluster whose phones have hosts of their own, and the two sentences in the shape of a codec.
    fn new(alice: Shape, bob: Shape) -> Result<Self> {
        let lab = TestLab::up(LabOptions {
            namespaces: true,
            ..LabOptions::default()
        })?;
        lab.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
        let folder = tempfile::tempdir()?;
        let alice_says = speak(
            folder.path(),
            "alice",
            sentence::ALICE,
            Voice::Alice,
            alice,
            SILENCE_S,
        )?;
        let bob_says = speak(
            folder.path(),
            "bob",
            sentence::BOB,
            Voice::Bob,
            bob,
            SILENCE_S,
        )?;
        Ok(Self {
            lab,
            folder,
            alice_says,
            bob_says,
        })
    }

    fn baresip(
        &self,
        line: u32,
        host: usize,
        node: usize,
        codec: Codec,
        transport: Transport,
        says: &Path,
    ) -> Result<Baresip> {
        let phone = &self.lab.lab.phones[host - 1];
        let node = match transport {
            Transport::Udp | Transport::Tcp => self.lab.sip(node)?,
            Transport::Tls => self.lab.sip_tls(node)?,
        };
        let options = BaresipOptions {
            account: Account::of(line),
            node,
            local: phone.address,
            transport,
            codec,
            says: says.to_path_buf(),
            answers: true,
            authority: (transport == Transport::Tls).then(|| self.lab.lab.ca.clone()),
        };
        let mut started =
            Baresip::start(&options, |program| self.lab.on_host(&phone.name, program))?;
        started.until_registered(SOON)?;
        Ok(started)
    }
}

fn assert_whole(who: &str, said: &Path, heard: &Path) -> Result<()> {
    let hearing = judge(&Sound::read(said)?, &Sound::read(heard)?);
    ensure!(hearing.is_whole(), "{who} heard {hearing:?}");
    Ok(())
}

fn two_baresips_talk(codec: Codec, transport: Transport) -> Result<()> {
    let stage = Stage::new(codec.shape(), codec.shape())?;
    let mut alice = stage.baresip(ALICE, 1, 1, codec, transport, &stage.alice_says)?;
    let mut bob = stage.baresip(BOB, 2, 2, codec, transport, &stage.bob_says)?;
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
    stage.lab.until_no_call_is_left(SOON)?;
    drop(stage.folder);
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
    let alice_host = &stage.lab.lab.phones[0].name;
    let mut alice = Linphone::start(
        &Account::of(ALICE),
        stage.lab.sip(1)?,
        &stage.alice_says,
        false,
        |program| stage.lab.on_host(alice_host, program),
    )?;
    alice.until_registered(SOON)?;
    let mut bob = stage.baresip(BOB, 2, 3, Codec::Pcma, Transport::Udp, &stage.bob_says)?;
    alice.command(&format!("call {BOB}"))?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    talk_for(TALK);
    alice.command("terminate")?;
    bob.until_event("CALL_CLOSED", SOON)?;
    alice.until_says("ended", SOON)?;
    assert_whole("alice", &stage.bob_says, &alice.heard())?;
    assert_whole("bob", &stage.alice_says, &bob.heard()?)?;
    ensure!(only_record(&stage.lab)?.status == "answered");
    Ok(())
}
