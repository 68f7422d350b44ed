//! Everything dies at once and starts again: what was acknowledged is there, and a call reaches a phone that noticed
//! nothing.

use anyhow::{Context, Result, ensure};
use carillon_integration::Two;
use carillon_sip::Method;
use carillon_testkit::{TestLab, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A node that is ready may still have to apply the last of its log.
const SOON: Duration = Duration::from_secs(15);
/// By which a user is known again.
const USER: [&str; 2] = ["id", "uuid"];
/// Users that are written last, right before everything dies.
const WRITTEN_LAST: usize = 5;

/// What a node knows, without the links in it, which name the node.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    users: BTreeSet<String>,
    lines: BTreeSet<String>,
    numbers: BTreeSet<String>,
    bindings: BTreeSet<String>,
}

fn told(item: &Value, [one, other]: [&str; 2]) -> String {
    format!("{} {}", item[one], item[other])
}

fn known(lab: &TestLab, node: usize) -> Result<Known> {
    let api = lab.api(node)?;
    let all = |path: &str, fields: [&str; 2]| -> Result<BTreeSet<String>> {
        let list = api.get(path)?;
        let items = list["items"].as_array().context("a list")?;
        Ok(items.iter().map(|item| told(item, fields)).collect())
    };
    Ok(Known {
        users: all("/1.1/users", USER)?,
        lines: all("/1.1/lines", ["id", "provisioning_code"])?,
        numbers: all("/1.1/extensions", ["id", "exten"])?,
        bindings: all("/api/v1/registrations", ["username", "contact"])?,
    })
}

#[test]
fn after_a_power_cut_all_settings_and_registrations_are_there_and_a_call_works() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut before = eventually("node 3 knows both phones", SOON, || {
        let known = known(&two.lab, 3)?;
        Ok((known.bindings.len() == 2).then_some(known))
    })?;
    let api = two.lab.api(1)?;

    let names: Vec<String> = two
        .lab
        .lab
        .processes()
        .map(|(name, _)| name.to_owned())
        .collect();
    for number in 0..WRITTEN_LAST {
        let user = api.post("/1.1/users", &json!({"firstname": number.to_string()}))?;
        before.users.insert(told(&user, USER));
    }
    for name in &names {
        two.lab.kill(name)?;
    }
    let started = Instant::now();
    two.lab.start_together(&names)?;
    let ready_after = started.elapsed();

    for node in 1..=3 {
        eventually("everything is there", SOON, || {
            let known = known(&two.lab, node)?;
            ensure!(known == before, "node {node}: {known:?}, not {before:?}");
            Ok(Some(()))
        })?;
    }

    // Bob's phone has not registered again.
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let bye = two.bob.request_in(&mut talk.bob, Method::Bye, None)?;
    two.bob.send(&bye)?;
    two.alice.hears_hang_up()?;
    two.bob.response_to(&bye, SOON, |code| code == 200)?;
    ensure!(
        ready_after < Duration::from_secs(20),
        "ready only after {ready_after:?}"
    );
    Ok(())
}
