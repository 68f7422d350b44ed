//! Everything dies at once and starts again: what was acknowledged is there, and a call reaches a phone that noticed
//! nothing.

use anyhow::{Result, ensure};
use carillon_integration::Two;
use carillon_sip::Method;
use std::time::{Duration, Instant};

#[test]
fn after_a_power_cut_all_settings_and_registrations_are_there_and_a_call_works() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let api = two.lab.api(3)?;
    let before = (
        api.get("/1.1/users")?,
        api.get("/1.1/lines")?,
        api.get("/1.1/extensions")?,
    );
    let bindings = api.get("/api/v1/registrations")?["total"].clone();

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
        let api = two.lab.api(node)?;
        let after = (
            api.get("/1.1/users")?,
            api.get("/1.1/lines")?,
            api.get("/1.1/extensions")?,
        );
        assert_eq!(before, after, "node {node}");
        assert_eq!(
            bindings,
            api.get("/api/v1/registrations")?["total"],
            "node {node}"
        );
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
