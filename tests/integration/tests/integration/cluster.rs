//! The cluster as an administrator sees it: any node answers, one may die, the figures are in order.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, Two};
use carillon_sip::Method;
use carillon_testkit::lab::LabOptions;
use carillon_testkit::phone::offer;
use carillon_testkit::{Account, Phone, TestLab, eventually};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn what_is_written_at_one_node_is_read_at_every_other() -> Result<()> {
    let lab = TestLab::up(LabOptions::default())?;
    lab.api(3)?.found_company(&[Account::of(ALICE)])?;
    for node in 1..=3 {
        eventually("the user is known", SOON, || {
            let users = lab.api(node)?.get("/1.1/users")?;
            Ok((users["total"] == 1).then_some(()))
        })
        .with_context(|| format!("node {node}"))?;
    }
    Ok(())
}

#[test]
fn a_follower_dies_and_comes_back_and_the_talk_goes_on() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let leader = leader(&two.lab)?;
    // The phones are at the leader and at one follower; the other follower dies.
    let place = two
        .lab
        .lab
        .control
        .iter()
        .position(|node| node.name == leader);
    let place = place.context("the leader is a control node")?;
    let at = |step: usize| (place + step) % 3 + 1;
    let victim = format!("control{}", at(2));
    two.move_to(at(0), at(1))?;
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;

    two.lab.kill(&victim)?;
    talk.both_hear(0x33, 0x44)?;
    two.lab.api(at(0))?.found_company(&[Account::of(1500)])?;

    two.lab.start(&victim)?;
    eventually("the node that was dead has caught up", SOON, || {
        let users = two.lab.api(at(2))?.get("/1.1/users")?;
        Ok((users["total"] == 4).then_some(()))
    })?;
    talk.both_hear(0x55, 0x66)?;
    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.alice.send(&bye)?;
    two.bob.hears_hang_up()?;
    two.alice.response_to(&bye, SOON, |code| code == 200)?;
    two.lab.until_no_call_is_left(SOON)
}

fn leader(lab: &TestLab) -> Result<String> {
    eventually("there is a leader", SOON, || {
        for node in &lab.lab.control {
            if lab.metric(&node.name, "carillon_raft_is_leader")? == 1.0 {
                return Ok(Some(node.name.clone()));
            }
        }
        Ok(None)
    })
}

#[test]
fn prometheus_finds_nothing_wrong_with_the_metrics() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    two.talk()?;
    let names: Vec<String> = two
        .lab
        .lab
        .processes()
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        let metrics = two.lab.metrics(&name)?;
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start promtool; Debian's package prometheus has it")?;
        promtool
            .stdin
            .take()
            .context("promtool reads")?
            .write_all(metrics.as_bytes())?;
        let output = promtool.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && said.trim().is_empty(),
            "{name}: {said}"
        );
    }
    Ok(())
}

/// Numbers that no moment and no id of a log resembles.
const CALLER: u32 = 71_003_001;
const CALLEE: u32 = 71_003_002;

#[test]
fn the_logs_of_all_processes_name_no_number_no_person_and_no_address() -> Result<()> {
    let lab = TestLab::up(LabOptions::default())?;
    let people = [CALLER, CALLEE].map(Account::of);
    lab.found_company(&people)?;
    let stranger = people[0].clone().with_wrong_password();
    let mut stranger = Phone::udp(&stranger, lab.phone_address()?, lab.sip(1)?)?;
    ensure!(stranger.try_register(120)?.status() == Some(403));
    let (mut alice, mut bob) = (lab.phone(CALLER, 1)?, lab.phone_tcp(CALLEE, 2)?);
    alice.register()?;
    bob.register()?;
    let mut two = Two { alice, bob, lab };
    let (invite, _audio) = two.alice_calls(CALLEE)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 180, None)?;
    let sdp = offer(two.bob.local(), 1, "sendrecv");
    let (mut bobs, _) = two.bob.accept(&ringing, &sdp)?;
    two.alice.connect(&invite)?;
    let bye = two.bob.request_in(&mut bobs, Method::Bye, None)?;
    two.bob.send(&bye)?;
    two.alice.hears_hang_up()?;
    two.bob.response_to(&bye, SOON, |code| code == 200)?;
    two.lab.until_no_call_is_left(SOON)?;

    let mut secrets = vec![
        two.alice.local().ip().to_string(),
        two.bob.local().ip().to_string(),
    ];
    for person in &people {
        secrets.extend([&person.number, &person.username, &person.password].map(String::clone));
    }
    for (name, _) in two.lab.lab.processes() {
        let log = two.lab.log(name)?;
        for secret in &secrets {
            ensure!(
                !log.contains(secret),
                "{secret} is in the log of {name}:\n{log}"
            );
        }
    }
    let log = two.lab.log("control1")?;
    ensure!(log.contains("call over"), "the call is told of:\n{log}");
    Ok(())
}
