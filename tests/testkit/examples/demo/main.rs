//! `cargo xtask demo`: a cluster, two real phones, one call, and a node that dies in the middle of it.

mod cast;
mod interrupt;
mod ladder;
mod show;

use anyhow::{Context, Result, ensure};
use carillon_testkit::hearing::{Hearing, Sound, judge};
use carillon_testkit::sentence;
use carillon_testkit::wait::talk_for;
use carillon_testkit::{LabOptions, TestLab, eventually};
use std::env;
use std::io::stdin;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cast::{BOB, Cast, SOON, Voices};
use ladder::Remark;
use show::{act, say};

/// The node dies in the middle of the sentences.
const UNTIL_THE_KILL: Duration = Duration::from_millis(3_500);
const AFTER_THE_KILL: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let once = env::args().any(|argument| argument == "--once");
    let outcome = demonstrate(once);
    let _ending = interrupt::ending();
    match outcome {
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
    let dir = folder.path();
    interrupt::watch(dir)?;
    act("A cluster: three control nodes, two media servers, two phones, each on a host of its own");
    let options = LabOptions {
        namespaces: true,
        ..LabOptions::default()
    };
    let company = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo/company.yaml");
    let lab = TestLab::up_for_people(options, dir, &company)?;
    let outcome = the_call(&lab, dir);
    if outcome.is_err() {
        show::logs(&lab);
    } else if !once {
        show::addresses(&lab);
        println!("\nPress Enter to end the lab.");
        stdin()
            .read_line(&mut String::new())
            .context("wait for Enter")?;
    }
    let _ending = interrupt::ending();
    drop(lab);
    outcome
}

fn the_call(lab: &TestLab, dir: &Path) -> Result<()> {
    let leader = eventually("the cluster has a leader", SOON, || Ok(lab.leader()))?;
    let cast = Cast::around(lab, leader);
    show::hosts(lab, leader);
    let voices = Voices::record(dir)?;

    act(&format!(
        "Real phones (baresip) register: alice's at {}, bob's at {}",
        cast.at_alice, cast.at_bob
    ));
    let mut alice = cast.alice(lab, &voices)?;
    let mut bob = cast.bob(lab, &voices)?;
    alice.until_registered(SOON)?;
    bob.until_registered(SOON)?;
    for node in 1..=lab.lab.control.len() {
        eventually("every node knows both phones", SOON, || {
            show::registered(lab, node)
        })?;
    }
    say("both are registered, and all three nodes know it");

    act(&format!(
        "Alice calls {BOB}, bob answers, and each speaks a sentence"
    ));
    alice.dial(&BOB.to_string())?;
    alice.until_event("CALL_ESTABLISHED", SOON)?;
    bob.until_event("CALL_ESTABLISHED", SOON)?;
    say(&format!("alice says “{}”", sentence::ALICE));
    say(&format!("bob says   “{}”", sentence::BOB));
    talk_for(UNTIL_THE_KILL);

    act(&format!(
        "kill -9 {}, a follower, in the middle of their sentences",
        cast.victim
    ));
    lab.kill(&cast.victim)?;
    let remark = Remark {
        at: Instant::now(),
        text: format!("{} is killed; the talk goes on", cast.victim),
    };
    say(&format!(
        "it is dead; they talk for {} s more, then alice hangs up",
        AFTER_THE_KILL.as_secs()
    ));
    talk_for(AFTER_THE_KILL);
    alice.hang_up()?;
    bob.until_event("CALL_CLOSED", SOON)?;
    let record = eventually("the call record", SOON, || {
        show::record(lab, cast.alice_node)
    })?;

    act("The call as the phones saw it, in seconds");
    let mut sightings = alice.trace();
    sightings.extend(bob.trace());
    print!("{}", ladder::draw(&cast.rails(lab), &sightings, &[remark]));

    act("What they heard, by comparing what was recorded with what was said");
    let bob_heard = tell("bob", "alice", &voices.alice, &bob.heard()?)?;
    let alice_heard = tell("alice", "bob", &voices.bob, &alice.heard()?)?;

    act("The call record, written once by the cluster");
    show::story(&record);
    ensure!(
        bob_heard.is_whole() && alice_heard.is_whole(),
        "a sentence was not heard whole"
    );
    lab.until_no_call_is_left(SOON)
}

fn tell(who: &str, whom: &str, said: &Path, heard: &Path) -> Result<Hearing> {
    let hearing = judge(&Sound::read(said)?, &Sound::read(heard)?);
    let gap = match hearing.longest_gap_ms {
        0 => "without a gap".to_owned(),
        gap => format!("with a gap of {gap} ms"),
    };
    say(&format!(
        "{who} heard {:.0} % of {whom}'s sentence, {gap}",
        hearing.coverage * 100.0
    ));
    Ok(hearing)
}
