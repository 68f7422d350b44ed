//! Who plays: alice and bob at different nodes, and the node that dies.

use anyhow::Result;
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::{self, Voice, speak};
use carillon_testkit::softphone::{Baresip, Codec, PhoneOptions};
use carillon_testkit::{Account, TestLab};
use std::net::IpAddr;
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
    pub(crate) alice_later: PathBuf,
    pub(crate) bob_later: PathBuf,
    pub(crate) alice_last: PathBuf,
    pub(crate) bob_last: PathBuf,
}

impl Voices {
    pub(crate) fn record(folder: &Path) -> Result<Self> {
        let say = |name, text, voice| speak(folder, name, text, voice, CODEC.shape(), SILENCE_S);
        Ok(Self {
            alice: say("alice", sentence::ALICE, Voice::Alice)?,
            bob: say("bob", sentence::BOB, Voice::Bob)?,
            alice_later: say("alice-later", sentence::ALICE_LATER, Voice::Alice)?,
            bob_later: say("bob-later", sentence::BOB_LATER, Voice::Bob)?,
            alice_last: say("alice-last", sentence::ALICE_LAST, Voice::Alice)?,
            bob_last: say("bob-last", sentence::BOB_LAST, Voice::Bob)?,
        })
    }
}

/// Where alice and bob are, and who dies: first a follower that holds neither of their phones, then the node of alice's
/// phone, which leads the cluster and owns the call.
pub(crate) struct Cast {
    alice_node: usize,
    pub(crate) bob_node: usize,
    follower_node: usize,
    pub(crate) at_alice: String,
    pub(crate) at_bob: String,
    pub(crate) follower: String,
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
            follower_node: at(2),
            at_alice: name(leader),
            at_bob: name(at(1)),
            follower: name(at(2)),
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
            node(self.follower_node),
            phone("bob", 1),
        ]
    }

    /// Who is there when alice's node has died.
    pub(crate) fn survivors(&self, lab: &TestLab) -> [IpAddr; 2] {
        [self.bob_node, self.follower_node].map(|node| lab.lab.control[node - 1].address.into())
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
    let options = PhoneOptions {
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
