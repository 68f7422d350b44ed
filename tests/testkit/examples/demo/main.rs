//! `cargo xtask demo`: a cluster, two real phones, one call, and nodes that die in the middle of it.

mod cast;
mod interrupt;
mod ladder;
mod show;

use anyhow::{Context, Result, ensure};
use carillon_testkit::hearing::{Hearing, Sound, judge};
use carillon_testkit::sentence;
use carillon_testkit::wait::talk_for;
use carillon_testkit::waveform::Waveforms;
use carillon_testkit::{LabOptions, TestLab, eventually};
use std::env;
use std::io::stdin;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cast::{BOB, Cast, SOON, Voices};
use ladder::Remark;
use show::{act, say};

/// A node dies in the middle of the sentences.
const UNTIL_THE_KILL: Duration = Duration::from_millis(3_500);
const REST: Duration = Duration::from_secs(5);
/// Share of a sentence that is heard although its way is lost in the middle: a second and a half of five may go.
const MOST: f32 = 0.65;

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
    let mut lab = TestLab::up_for_people(options, dir, &company)?;
    let outcome = the_call(&mut lab, dir);
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

fn the_call(lab: &mut TestLab, dir: &Path) -> Result<()> {
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
    let began = Instant::now();
    say(&format!("alice says “{}”", sentence::ALICE));
    say(&format!("bob says   “{}”", sentence::BOB));
    talk_for(UNTIL_THE_KILL);

    act(&format!(
        "kill -9 {}, a follower, in the middle of their sentences",
        cast.follower
    ));
    let mut remarks = vec![kill(lab, &cast.follower, "a follower, is killed")?];
    say("it is dead; they talk on");
    talk_for(REST);
    lab.start(&cast.follower)?;
    say(&format!(
        "{} is started again, on its old data",
        cast.follower
    ));

    act(&format!(
        "kill -9 {}, which owns the call and leads the cluster, while they speak again",
        cast.at_alice
    ));
    alice.say(&voices.alice_later)?;
    bob.say(&voices.bob_later)?;
    say(&format!("alice says “{}”", sentence::ALICE_LATER));
    say(&format!("bob says   “{}”", sentence::BOB_LATER));
    talk_for(UNTIL_THE_KILL);
    let killed = kill(lab, &cast.at_alice, "owner and leader, is killed")?;
    let heir = eventually("a survivor carries the call on", SOON, || {
        show::heir(lab, &cast)
    })?;
    say(&format!("it is dead, and {heir} carries the call on"));
    talk_for(REST);

    let media = eventually("the call has a media server", SOON, || {
        show::carrier(lab, &cast)
    })?;
    act(&format!(
        "kill -9 {media}, the media server that carries their voices, while they speak again"
    ));
    alice.say(&voices.alice_last)?;
    bob.say(&voices.bob_last)?;
    say(&format!("alice says “{}”", sentence::ALICE_LAST));
    say(&format!("bob says   “{}”", sentence::BOB_LAST));
    talk_for(UNTIL_THE_KILL);
    let media_killed = kill(lab, &media, "which carries the call, is killed")?;
    let gap_ms = eventually("both phones speak to another media server", SOON, || {
        show::measured_gap_ms(lab, &heir)
    })?;
    say(&format!(
        "it is dead; after {gap_ms} ms without a way both phones had the address of the other one"
    ));
    talk_for(REST);
    alice.hang_up()?;
    bob.until_event("CALL_CLOSED", SOON)?;
    let record = eventually("the call record", SOON, || show::record(lab, cast.bob_node))?;

    act("The call as the phones saw it, in seconds");
    let mut sightings = alice.trace();
    sightings.extend(bob.trace());
    let silence = ladder::until_first_from(&sightings, killed.at, &cast.survivors(lab));
    remarks.extend([killed, media_killed]);
    print!("{}", ladder::draw(&cast.rails(lab), &sightings, &remarks));
    if let Some(silence) = silence {
        say(&format!(
            "the heir spoke to a phone {} ms after the kill",
            silence.as_millis()
        ));
    }

    act("What they heard, by comparing what was recorded with what was said");
    let by_bob = Sound::read_all(&bob.recordings()?)?;
    let by_alice = Sound::read_all(&alice.recordings()?)?;
    let whole = [
        tell("bob", "alice's first", &voices.alice, &by_bob)?,
        tell("alice", "bob's first", &voices.bob, &by_alice)?,
        tell("bob", "alice's second", &voices.alice_later, &by_bob)?,
        tell("alice", "bob's second", &voices.bob_later, &by_alice)?,
    ];
    // Who speaks while the way is gone is not heard, and nobody repeats it: the rest must be there.
    let rest = [
        tell("bob", "alice's last", &voices.alice_last, &by_bob)?,
        tell("alice", "bob's last", &voices.bob_last, &by_alice)?,
    ];
    let since = |remark: &Remark| remark.at.saturating_duration_since(began).as_millis() as u64;
    let marks_ms = remarks.iter().map(since).collect();
    let waves = Waveforms::new(vec![("bob", &by_bob), ("alice", &by_alice)], marks_ms);
    act("The same as waves: what bob heard above, what alice heard below");
    show::picture(&waves, &env::temp_dir().join("carillon-demo.png"))?;

    act("The call record, written once by the cluster");
    show::story(&record);
    ensure!(
        whole.iter().all(Hearing::is_whole),
        "a sentence was not heard whole"
    );
    ensure!(
        rest.iter().all(|heard| heard.coverage >= MOST),
        "too little was heard of what was said while the media server died"
    );
    eventually("no call is left", SOON, || show::none_left(lab, &cast))
}

fn kill(lab: &TestLab, name: &str, what: &str) -> Result<Remark> {
    lab.kill(name)?;
    Ok(Remark {
        at: Instant::now(),
        text: format!("{name}, {what}; the call goes on"),
    })
}

fn tell(who: &str, which: &str, said: &Path, heard: &Sound) -> Result<Hearing> {
    let hearing = judge(&Sound::read(said)?, heard);
    let gap = match hearing.longest_gap_ms {
        0 => "without a gap".to_owned(),
        gap => format!("with a gap of {gap} ms"),
    };
    say(&format!(
        "{who:<5} heard {:.0} % of {which} sentence, {gap}",
        hearing.coverage * 100.0
    ));
    Ok(hearing)
}
