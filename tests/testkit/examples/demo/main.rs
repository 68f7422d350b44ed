//! `cargo xtask demo`: a cluster, two real phones, one call, and a node that dies in the middle of it.

mod ladder;
mod show;

use anyhow::{Context, Result, ensure};
use carillon_testkit::hearing::{Hearing, Sound, judge};
use carillon_testkit::phone::Transport;
use carillon_testkit::sentence::{self, Voice, speak};
use carillon_testkit::softphone::{Baresip, BaresipOptions, Codec};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{Account, LabOptions, TestLab, eventually};
use std::env;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ladder::{Rail, Remark};
use show::{step, story};

const ALICE: u32 = 1001;
const BOB: u32 = 1002;
const CODEC: Codec = Codec::G722;
const SOON: Duration = Duration::from_secs(15);
/// The node dies in the middle of the sentences.
const UNTIL_THE_KILL: Duration = Duration::from_millis(3_500);
const AFTER_THE_KILL: Duration = Duration::from_secs(6);
const SILENCE_S: u32 = 120;

fn main() -> ExitCode {
    let once = env::args().any(|argument| argument == "--once");
    match demonstrate(once) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demonstration failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(once: bool) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("carillon-demo-")
        .tempdir()?;
    let dir = folder.path().join("lab");
    step(
        "Three control nodes and two media servers, each on a host of its own, and a company of four",
    );
    let options = LabOptions {
        namespaces: true,
        ..LabOptions::default()
    };
    let company = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo/company.yaml");
    let lab = TestLab::up_for_people(options, &dir, &company)?;
    let outcome = the_call(&lab, folder.path());
    if outcome.is_err() {
        show::logs(&lab);
    }
    outcome?;
    if !once {
        show::addresses(&lab);
        println!("\nPress Enter to end the lab.");
        stdin()
            .read_line(&mut String::new())
            .context("wait for Enter")?;
    }
    Ok(())
}

/// Where alice and bob are, and who dies: a follower that holds neither of their phones.
struct Cast {
    alice: usize,
    bob: usize,
    victim: usize,
}

impl Cast {
    /// Alice is at the leader, so that the third node is a follower.
    fn choose(lab: &TestLab) -> Result<Self> {
        let nodes = lab.lab.control.len();
        let leader = eventually("the cluster has a leader", SOON, || leader(lab))?;
        let at = |step: usize| (leader - 1 + step) % nodes + 1;
        Ok(Self {
            alice: leader,
            bob: at(1),
            victim: at(2),
        })
    }
}

/// The number of the control node that leads, counted from 1.
fn leader(lab: &TestLab) -> Result<Option<usize>> {
    let leading =
        |name: &str| Ok::<_, anyhow::Error>(lab.metric(name, "carillon_raft_is_leader")? == 1.0);
    for (place, node) in lab.lab.control.iter().enumerate() {
        if leading(&node.name)? {
            return Ok(Some(place + 1));
        }
    }
    Ok(None)
}

fn the_call(lab: &TestLab, folder: &Path) -> Result<()> {
    let cast = Cast::choose(lab)?;
    let name = |number: usize| lab.lab.control[number - 1].name.clone();
    let alice_says = speak(
        folder,
        "alice",
        sentence::ALICE,
        Voice::Alice,
        CODEC.shape(),
        SILENCE_S,
    )?;
    let bob_says = speak(
        folder,
        "bob",
        sentence::BOB,
        Voice::Bob,
        CODEC.shape(),
        SILENCE_S,
    )?;

    step(&format!(
        "Alice's phone registers at {}, bob's at {}",
        name(cast.alice),
        name(cast.bob)
    ));
    let mut alice = phone(lab, ALICE, 0, cast.alice, &alice_says, false)?;
    let mut bob = phone(lab, BOB, 1, cast.bob, &bob_says, true)?;
    alice.until_registered(SOON)?;
    bob.until_registered(SOON)?;

    step("Alice calls 1002; bob answers, and both talk");
    alice.dial(&BOB.to_string())?;
    alice.until_event("CALL_ESTABLISHED", SOON)?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    talk_for(UNTIL_THE_KILL);

    let victim = name(cast.victim);
    step(&format!(
        "kill -9 {victim}, a follower, in the middle of their sentences"
    ));
    lab.kill(&victim)?;
    let remark = Remark {
        at: Instant::now(),
        text: format!("{victim} is killed; the talk goes on"),
    };
    talk_for(AFTER_THE_KILL);
    alice.hang_up()?;
    bob.until_event("CALL_CLOSED", SOON)?;

    step("The call as the phones saw it");
    let mut sightings = alice.trace();
    sightings.extend(bob.trace());
    print!(
        "{}",
        ladder::draw(&rails(lab, &cast), &sightings, &[remark])
    );

    step("What they heard");
    let bob_heard = tell("bob", sentence::ALICE, &alice_says, &bob.heard()?)?;
    let alice_heard = tell("alice", sentence::BOB, &bob_says, &alice.heard()?)?;

    step("What remains of it");
    let record = eventually("the call record", SOON, || show::record(lab, cast.alice))?;
    story(&record);
    ensure!(
        bob_heard.is_whole() && alice_heard.is_whole(),
        "a sentence was not heard whole"
    );
    lab.until_no_call_is_left(SOON)
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

fn rails(lab: &TestLab, cast: &Cast) -> Vec<Rail> {
    let phone = |name: &str, host: usize| Rail {
        name: name.to_owned(),
        address: lab.lab.phones[host].address.into(),
    };
    let node = |number: usize| {
        let node = &lab.lab.control[number - 1];
        Rail {
            name: node.name.clone(),
            address: node.address.into(),
        }
    };
    vec![
        phone("alice", 0),
        node(cast.alice),
        node(cast.bob),
        phone("bob", 1),
    ]
}

fn tell(who: &str, sentence: &str, said: &Path, heard: &Path) -> Result<Hearing> {
    let hearing = judge(&Sound::read(said)?, &Sound::read(heard)?);
    let share = hearing.coverage * 100.0;
    println!(
        "  {who:<6} heard {share:.0} % of “{sentence}”, longest gap {} ms",
        hearing.longest_gap_ms
    );
    Ok(hearing)
}
