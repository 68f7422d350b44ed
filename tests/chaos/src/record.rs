//! The account of each injection, a line for people and a line of JSON for programs.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::evidence::Evidence;
use crate::load::Failure;

/// A file to which each injection adds a line.
#[derive(Debug)]
pub(crate) struct Records(File);

impl Records {
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(file))
    }

    pub(crate) fn add(
        &mut self,
        evidence: &Evidence,
        nodes: BTreeMap<SocketAddr, String>,
        broken: &[String],
    ) -> Result<()> {
        let record = whole(evidence, &nodes, broken);
        writeln!(self.0, "{record}").context("write a record")
    }
}

/// What happened, in short.
pub(crate) fn line(evidence: &Evidence, broken: usize) -> String {
    let mut parts = vec![format!(
        "{}: node {:?}",
        evidence.kind.name(),
        evidence.victims
    )];
    let times = [
        ("leader after", evidence.time_to_leader()),
        ("write outage", evidence.write_outage()),
        ("slowest refusal", evidence.slowest_refusal()),
        ("trunk after", evidence.trunk_outage()),
        ("longest gap", evidence.longest_gap()),
        ("slowest answer", evidence.slowest_answer()),
        (
            "first call after",
            evidence
                .first_call()
                .filter(|_| evidence.kind.leaves_nobody()),
        ),
    ];
    for (what, time) in times {
        if let Some(time) = time {
            parts.push(format!("{what} {} ms", time.as_millis()));
        }
    }
    let silent: usize = evidence.attempts.iter().map(|attempt| attempt.silent).sum();
    parts.push(format!(
        "{} new calls, {} failed, {silent} times a node was silent",
        evidence.attempts.len(),
        evidence.failures().count()
    ));
    parts.push(format!("{broken} broken"));
    parts.join(", ")
}

fn whole(evidence: &Evidence, nodes: &BTreeMap<SocketAddr, String>, broken: &[String]) -> Value {
    let calls: Vec<Value> = evidence
        .calls
        .iter()
        .map(|call| {
            let [caller, callee] = call.gaps.map(|gap| gap.as_millis());
            let answers: Vec<Value> = call
                .answers
                .iter()
                .map(|answer| {
                    json!({"method": answer.method.to_string(), "code": answer.code,
                           "after_ms": answer.after.as_millis()})
                })
                .collect();
            json!({"call": call.name, "dropped": call.is_dropped(), "gap_ms": {"caller": caller, "callee": callee},
                   "asked": answers})
        })
        .collect();
    let owners: Vec<Value> = evidence
        .registered
        .iter()
        .filter(|one| one.at >= evidence.at)
        .map(|one| {
            json!({"after_ms": since(evidence, one.at), "node": nodes.get(&one.from), "epoch": one.epoch})
        })
        .collect();
    let silent: usize = evidence.attempts.iter().map(|attempt| attempt.silent).sum();
    json!({
        "fault": evidence.kind.name(),
        "nodes": evidence.victims,
        "lasted_ms": since(evidence, evidence.lifted),
        "leader_after_ms": ms(evidence.time_to_leader()),
        "write_outage_ms": ms(evidence.write_outage()),
        "slowest_refusal_ms": ms(evidence.slowest_refusal()),
        "missing_writes": evidence.missing_writes,
        "registrations": {"before": evidence.contacts_before.len(), "after": evidence.contacts_after.len()},
        "calls": calls,
        "dropped": evidence.dropped(),
        "attempts": evidence.attempts.len(),
        "failed": failed(evidence),
        "silent_nodes": silent,
        "first_call_ms": ms(evidence.first_call().filter(|_| evidence.kind.leaves_nobody())),
        "trunk_after_ms": ms(evidence.trunk_outage()),
        "trunk_owners": owners,
        "broken": broken,
    })
}

fn failed(evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for failure in evidence.failures() {
        *counted.entry(why(failure)).or_default() += 1;
    }
    counted
}

/// A failure as it is counted.
pub(crate) fn why(failure: &Failure) -> String {
    match failure {
        Failure::Refused(code) => code.to_string(),
        Failure::Silence => "silence".to_owned(),
        Failure::NoAnswer => "no answer".to_owned(),
    }
}

fn since(evidence: &Evidence, at: Instant) -> u128 {
    at.saturating_duration_since(evidence.at).as_millis()
}

fn ms(time: Option<Duration>) -> Option<u128> {
    time.map(|time| time.as_millis())
}
