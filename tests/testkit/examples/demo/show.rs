//! What the demonstration prints between its acts.

use anyhow::{Context, Result, ensure};
use carillon_testkit::TestLab;
use carillon_testkit::lab::program;
use carillon_testkit::waveform::Waveforms;
use serde_json::Value;
use std::fs;
use std::path::Path;

use crate::cast::Cast;

/// The heading of an act.
pub(crate) fn act(text: &str) {
    println!("\n== {text}");
}

/// A line within an act.
pub(crate) fn say(text: &str) {
    println!("   {text}");
}

/// Who is where.
pub(crate) fn hosts(lab: &TestLab, leader: usize) {
    for (number, node) in (1..).zip(&lab.lab.control) {
        let leads = if number == leader {
            "   leads the cluster"
        } else {
            ""
        };
        say(&format!("{:<9} {}{leads}", node.name, node.address));
    }
    for server in &lab.lab.media {
        say(&format!("{:<9} {}", server.name, server.address));
    }
    for (who, phone) in ["alice, number 1001", "bob, number 1002"]
        .iter()
        .zip(&lab.lab.phones)
    {
        say(&format!("{:<9} {}   {who}", phone.name, phone.address));
    }
}

/// Whether a node knows both phones.
pub(crate) fn registered(lab: &TestLab, node: usize) -> Result<Option<()>> {
    let answer = lab.api(node)?.get("/api/v1/registrations?limit=10")?;
    let known = answer["items"].as_array().map_or(0, Vec::len);
    Ok((known == 2).then_some(()))
}

/// The node that owns the call since alice's has died.
pub(crate) fn heir(lab: &TestLab, cast: &Cast) -> Result<Option<String>> {
    let calls = calls(lab, cast)?;
    let call = calls.first().context("the call is up")?;
    let owner = call["owner"].as_str().context("a call has an owner")?;
    Ok((owner != cast.at_alice).then(|| owner.to_owned()))
}

/// The media server that carries the call.
pub(crate) fn carrier(lab: &TestLab, cast: &Cast) -> Result<Option<String>> {
    let calls = calls(lab, cast)?;
    let call = calls.first().context("the call is up")?;
    Ok(call["media_server"].as_str().map(str::to_owned))
}

/// How long the phones' media had no way, as the call's owner measured it; once both phones have the new one.
pub(crate) fn measured_gap_ms(lab: &TestLab, owner: &str) -> Result<Option<u64>> {
    let count = lab.metric(owner, "carillon_media_gap_seconds_count")?;
    let sum = lab.metric(owner, "carillon_media_gap_seconds_sum")?;
    Ok((count > 0.0).then_some((sum / count * 1_000.0) as u64))
}

/// What both heard, in the terminal and as a file.
pub(crate) fn picture(waves: &Waveforms<'_>, path: &Path) -> Result<()> {
    for line in waves.to_text().lines() {
        say(line);
    }
    fs::write(path, waves.to_png()).with_context(|| format!("write {}", path.display()))?;
    say(&format!(
        "^ marks each kill; the same as a picture: {}",
        path.display()
    ));
    Ok(())
}

pub(crate) fn none_left(lab: &TestLab, cast: &Cast) -> Result<Option<()>> {
    Ok(calls(lab, cast)?.is_empty().then_some(()))
}

fn calls(lab: &TestLab, cast: &Cast) -> Result<Vec<Value>> {
    let answer = lab.api(cast.bob_node)?.get("/api/v1/calls?limit=10")?;
    answer["items"]
        .as_array()
        .cloned()
        .context("a list of calls")
}

/// The one call record, once it is written.
pub(crate) fn record(lab: &TestLab, node: usize) -> Result<Option<Value>> {
    let answer = lab.api(node)?.get("/1.1/call_logs?limit=10")?;
    let records = answer["items"].as_array().context("a list of records")?;
    ensure!(records.len() <= 1, "one call has {} records", records.len());
    Ok(records.first().cloned())
}

/// A record as a sentence and two lines of figures.
pub(crate) fn story(record: &Value) {
    let text = |field: &str| record[field].as_str().unwrap_or("?").to_owned();
    let seconds = record["duration"].as_f64().unwrap_or_default();
    say(&format!(
        "{} ({}) called {} ({}) at {}: {}, {seconds:.1} s of talk",
        text("source_name"),
        text("source_extension"),
        text("destination_name"),
        text("destination_extension"),
        text("start"),
        text("call_status"),
    ));
    for (who, field) in [
        ("source_name", "source_quality"),
        ("destination_name", "destination_quality"),
    ] {
        let quality = &record[field];
        say(&format!(
            "from {} since the media moved: {} packets, {} lost, jitter {} ms, MOS {}",
            text(who),
            quality["packets"],
            quality["lost"],
            quality["jitter_ms"],
            quality["mos"],
        ));
    }
}

/// How to look at the lab, for whoever wants to go on by hand.
pub(crate) fn addresses(lab: &TestLab) {
    act("The lab goes on running");
    for node in &lab.lab.control {
        say(&format!(
            "{:<9} SIP {:<16} REST {:<24} metrics {}",
            node.name, node.sip, node.api, node.metrics
        ));
    }
    for server in &lab.lab.media {
        say(&format!(
            "{:<9} {:<46} metrics {}",
            server.name, server.address, server.metrics
        ));
    }
    let (Some(first), Ok(program)) = (lab.lab.control.first(), program()) else {
        return;
    };
    println!("\n   In another terminal:");
    say(&format!(
        "export CARILLON_URL={} CARILLON_CA={} CARILLON_USER={} CARILLON_PASSWORD={}",
        first.api,
        lab.lab.ca.display(),
        lab.lab.admin.user,
        lab.lab.admin.password
    ));
    say(&format!("{} ctl status", program.display()));
    say(&format!("{} ctl registrations list", program.display()));
    say(&format!(
        "{} lab kill control1 --dir {}",
        program.display(),
        lab.dir().display()
    ));
}

/// The end of every log, for whoever must find out why.
pub(crate) fn logs(lab: &TestLab) {
    const LINES: usize = 12;
    for (name, _) in lab.lab.processes() {
        let path = lab.dir().join("logs").join(format!("{name}.log"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        eprintln!(
            "\n-- {name}\n{}",
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        );
    }
}
