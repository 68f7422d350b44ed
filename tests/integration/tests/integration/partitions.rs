//! The lab's partitions, which demonstrations and chaos stand on: what is cut does not pass, what is healed does, and a node
//! that was cut off learns what was written meanwhile.

use anyhow::{Result, ensure};
use carillon_testkit::{Api, LabOptions, TestLab, eventually};
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Whether a TCP connection from one host to control node `to` comes about.
fn reaches(lab: &TestLab, from: &str, to: usize) -> Result<bool> {
    let address = lab.lab.control[to - 1].address;
    let knock = format!("exec 3<>/dev/tcp/{address}/9464");
    let status = lab
        .on_host(from, "timeout")
        .args(["2", "bash", "-c", &knock])
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}

fn knows_the_user(api: &Api) -> Result<bool> {
    Ok(api.get("/1.1/users?limit=1")?["total"] != 0)
}

#[test]
fn a_node_that_is_cut_off_learns_what_it_missed_when_it_is_healed() -> Result<()> {
    let lab = TestLab::up(LabOptions {
        namespaces: true,
        media: 0,
        ..LabOptions::default()
    })?;
    let (first, third) = (lab.api(1)?, lab.api(3)?);
    ensure!(reaches(&lab, "phone1", 3)?, "before the cut");
    lab.run(["cut", "control3", "control1"])?;
    lab.run(["cut", "control3", "control2"])?;
    ensure!(!reaches(&lab, "control1", 3)?, "towards the one cut off");
    ensure!(!reaches(&lab, "control3", 2)?, "from the one cut off");
    ensure!(reaches(&lab, "phone1", 3)?, "others are not concerned");
    ensure!(reaches(&lab, "control1", 2)?, "the rest is whole");

    // The one cut off may have led the cluster: then the others elect a leader first.
    eventually("the majority takes a user", SOON, || {
        if !knows_the_user(&first)? {
            first.post("/1.1/users", &json!({"firstname": "Alice"}))?;
        }
        Ok(Some(()))
    })?;
    ensure!(!knows_the_user(&third)?, "the one cut off has not heard");

    lab.run(["heal", "control3", "control1"])?;
    ensure!(reaches(&lab, "control1", 3)?, "this way is whole again");
    ensure!(!reaches(&lab, "control2", 3)?, "and this one not yet");
    lab.run(["heal"])?;
    ensure!(reaches(&lab, "control2", 3)?, "all is whole again");
    eventually("it learns of the user", SOON, || {
        Ok(knows_the_user(&third)?.then_some(()))
    })
}

#[test]
fn one_way_is_lost_and_the_other_is_not() -> Result<()> {
    let lab = TestLab::up(LabOptions {
        namespaces: true,
        control: 1,
        media: 0,
        ..LabOptions::default()
    })?;
    // Packets one way are enough for a datagram and too little for a connection.
    lab.run(["cut", "control1", "phone1", "--one-way"])?;
    ensure!(!reaches(&lab, "phone1", 1)?, "no answer comes back");
    ensure!(reaches(&lab, "phone2", 1)?, "another host is not concerned");
    lab.run(["heal", "control1", "phone1"])?;
    ensure!(reaches(&lab, "phone1", 1)?, "it is healed");
    Ok(())
}

#[test]
fn a_command_on_a_host_gives_its_exit_code_back() -> Result<()> {
    let lab = TestLab::up(LabOptions {
        namespaces: true,
        control: 1,
        media: 0,
        ..LabOptions::default()
    })?;
    let status = lab
        .on_host("phone1", "sh")
        .args(["-c", "exit 7"])
        .status()?;
    ensure!(status.code() == Some(7), "{status}");
    let status = lab.on_host("nobody", "true").status()?;
    ensure!(!status.success(), "there is no such host");
    Ok(())
}
