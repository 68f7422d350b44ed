//! What the demonstration prints between its acts.

use anyhow::{Context, Result};
use carillon_testkit::TestLab;
use serde_json::Value;
use std::fs;

/// The heading of an act.
pub(crate) fn step(text: &str) {
    println!("\n== {text}");
}

/// The newest call record, once it is written.
pub(crate) fn record(lab: &TestLab, node: usize) -> Result<Option<Value>> {
    let answer = lab.api(node)?.get("/1.1/call_logs?limit=10")?;
    let records = answer["items"].as_array().context("a list of records")?;
    Ok(records.first().cloned())
}

/// A record as a sentence and two lines of figures.
pub(crate) fn story(record: &Value) {
    let text = |field: &str| record[field].as_str().unwrap_or("?").to_owned();
    println!(
        "  {} ({}) called {} ({}) at {}: {}, {} s of talk, SIP {}, Q.850 {}",
        text("source_name"),
        text("source_extension"),
        text("destination_name"),
        text("destination_extension"),
        text("start"),
        text("call_status"),
        record["duration"],
        record["sip_code"],
        record["cause"],
    );
    for (who, field) in [
        ("source_name", "source_quality"),
        ("destination_name", "destination_quality"),
    ] {
        let quality = &record[field];
        println!(
            "  from {}: {} packets, {} lost, jitter {} ms, MOS {}",
            text(who),
            quality["packets"],
            quality["lost"],
            quality["jitter_ms"],
            quality["mos"],
        );
    }
    println!(
        "  written by node {}, call {}",
        record["node"],
        text("call_id")
    );
}

pub(crate) fn addresses(lab: &TestLab) {
    step("The lab goes on running");
    for node in &lab.lab.control {
        println!(
            "  {:<9} SIP {:<16} REST {:<24} metrics {}",
            node.name, node.sip, node.api, node.metrics
        );
    }
    println!(
        "  administrator {} with password {}",
        lab.lab.admin.user, lab.lab.admin.password
    );
    println!(
        "  authority {}, folder {}",
        lab.lab.ca.display(),
        lab.dir().display()
    );
    println!(
        "  for example: carillon lab start NAME --dir {}",
        lab.dir().display()
    );
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
