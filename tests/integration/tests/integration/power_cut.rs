//! Everything dies at once and starts again: what was acknowledged is there, and a call reaches a phone that noticed
//! nothing.

use anyhow::{Context, Result, ensure};
use carillon_integration::Two;
use carillon_sip::Method;
use carillon_testkit::TestLab;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What a node knows, without the links in it, which name the node.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    users: BTreeSet<String>,
    lines: BTreeSet<String>,
    numbers: BTreeSet<String>,
    registrations: u64,
}

fn known(lab: &TestLab, node: usize) -> Result<Known> {
    let api = lab.api(node)?;
    let all = |path: &str, field: &str| -> Result<BTreeSet<String>> {
        let list = api.get(path)?;
        let items = list["items"].as_array().context("a list")?;
        Ok(items
            .iter()
            .map(|item| format!("{} {}", item["id"], item[field]))
            .collect())
    };
    Ok(Known {
        users: all("/1.1/users", "uuid")?,
        lines: all("/1.1/lines", "provisioning_code")?,
        numbers: all("/1.1/extensions", "exten")?,
        registrations: api.get("/api/v1/registrations")?["total"]
            .as_u64()
            .context("a number")?,
    })
}

#[test]
fn after_a_power_cut_all_settings_and_registrations_are_there_and_a_call_works() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let before = known(&two.lab, 3)?;
    assert_eq!(before.registrations, 2);

    let names: Vec<String> = two
        .lab
        .lab
        .processes()
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in &names {
        two.lab.kill(name)?;
    }
    let started = Instant::now();
    two.lab.start_together(&names)?;
    let ready_after = started.elapsed();

    for node in 1..=3 {
        assert_eq!(before, known(&two.lab, node)?, "node {node}");
    }

    // Bob's phone has not registered again.
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let bye = two.bob.request_in(&mut talk.bob, Method::Bye, None)?;
    two.bob.send(&bye)?;
    two.alice.hears_hang_up()?;
    two.bob
        .response_to(&bye, Duration::from_secs(5), |code| code == 200)?;
    ensure!(
        ready_after < Duration::from_secs(20),
        "ready only after {ready_after:?}"
    );
    Ok(())
}
