//! Who plays: alice and bob at different nodes, and the node that dies.

use anyhow::Result;
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::{self, Voice, speak};
use carillon_testkit::softphone::{Baresip, BaresipOptions, Codec};
use carillon_testkit::{Account, TestLab};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ladder::Rail;

pub(crate) const ALICE: u32 = 1001;
pub(crate) const BOB: u32 = 1002;
pub(crate) const SOON: Duration = Duration::from_secs(15);
const CODEC: Codec = Codec::G722;
const SILENCE_S: u32 = 120;

/// The sentences, as files that the phones play.
pub(crate) struct Voices {
    pub(crate) alice: PathBuf,
    pub(crate) bob: PathBuf,
}

impl Voices {
    pub(crate) fn record(folder: &Path) -> Result<Self> {
        let shape = CODEC.shape();
        Ok(Self {
            alice: speak(
                folder,
                "alice",
                sentence::ALICE,
                Voice::Alice,
                shape,
                SILENCE_S,
            )?,
            bob: speak(folder, "bob", sentence::BOB, Voice::Bob, shape, SILENCE_S)?,
        })
    }
}

/// Where alice and bob are, and who dies: a follower that holds neither of their phones.
pub(crate) struct Cast {
    pub(crate) alice_node: usize,
    bob_node: usize,
    pub(crate) at_alice: String,
    pub(crate) at_bob: String,
    pub(crate) victim: String,
}

impl Cast {
    /// Alice is at the leader, so that the third node is a follower.
    pub(crate) fn around(lab: &TestLab, leader: usize) -> Self {
        let nodes = lab.lab.control.len();
        let at = |step: usize| (leader - 1 + step) % nodes + 1;
        let name = |number: usize| lab.lab.control[number - 1].name.clone();
        Self {
            alice_node: leader,
            bob_node: at(1),
            at_alice: name(leader),
            at_bob: name(at(1)),
            victim: name(at(2)),
        }
    }

    pub(crate) fn alice(&self, lab: &TestLab, voices: &Voices) -> Result<Baresip> {
        phone(lab, ALICE, 0, self.alice_node, &voices.alice, false)
    }

    pub(crate) fn bob(&self, lab: &TestLab, voices: &Voices) -> Result<Baresip> {
        phone(lab, BOB, 1, self.bob_node, &voices.bob, true)
    }

    /// The rails of the ladder, from left to right.
    pub(crate) fn rails(&self, lab: &TestLab) -> Vec<Rail> {
        let phone = |name: &str, host: usize| Rail {
            name: name.to_owned(),
            address: lab.lab.phones[host].address.into(),
        };
        let node = |number: usize| Rail {
            name: lab.lab.control[number - 1].name.clone(),
            address: lab.lab.control[number - 1].address.into(),
        };
        vec![
            phone("alice", 0),
            node(self.alice_node),
            node(self.bob_node),
            phone("bob", 1),
        ]
    }
}

fn phone(
    lab: &TestLab,
    line: u32,
    host: usize,
    node: usize,
    says: &Path,
    answers: bool,
) -> Result<Baresip> {
    let host = &lab.lab.phones[host];
    let options = BaresipOptions {
        account: Account::of(line),
        node: lab.sip(node)?,
        local: host.address,
        transport: Transport::Udp,
        codec: CODEC,
        says: PathBuf::from(says),
        answers,
        authority: None,
    };
    Baresip::start(&options, |program| lab.on_host(&host.name, program))
}
