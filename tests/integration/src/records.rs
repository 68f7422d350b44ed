//! Call records as the REST interface gives them.

use anyhow::{Context, Result, bail};
use carillon_testkit::{TestLab, eventually};
use serde_json::Value;
use std::time::Duration;

const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// What the stories ask of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub caller: String,
    pub callee: String,
    pub status: String,
    /// Final SIP code of the INVITE.
    pub sip: u64,
    pub duration_ms: u64,
    /// It went ahead without the quorum's word.
    pub unprotected: bool,
}

/// All records of the cluster, as control node `node` has them.
pub fn records(lab: &TestLab, node: usize) -> Result<Vec<Record>> {
    let answer = lab.api(node)?.get("/1.1/call_logs?limit=10000")?;
    answer["items"]
        .as_array()
        .context("a list of records")?
        .iter()
        .map(read)
        .collect()
}

/// The one record that there is; waits until every node has it, and that no second one comes with it.
pub fn only_record(lab: &TestLab) -> Result<Record> {
    only_record_at(lab, 1..=lab.lab.control.len())
}

/// The same where some nodes are dead.
pub fn only_record_at(lab: &TestLab, nodes: impl IntoIterator<Item = usize>) -> Result<Record> {
    let mut seen = Vec::new();
    for node in nodes {
        let record = eventually("the call record", WRITTEN_WITHIN, || {
            let mut records = records(lab, node)?;
            if records.len() > 1 {
                bail!("one call and {} records: {records:?}", records.len());
            }
            Ok(records.pop())
        })?;
        seen.push(record);
    }
    seen.dedup();
    match seen.pop() {
        Some(record) if seen.is_empty() => Ok(record),
        other => bail!("the nodes have different records: {seen:?} {other:?}"),
    }
}

fn read(value: &Value) -> Result<Record> {
    let text = |value: &Value, what: &str| -> Result<String> {
        Ok(value
            .as_str()
            .with_context(|| format!("{what} in a record"))?
            .to_owned())
    };
    Ok(Record {
        caller: text(&value["source_extension"], "the caller's number")?,
        callee: text(&value["destination_extension"], "the called number")?,
        status: text(&value["call_status"], "the status")?,
        sip: value["sip_code"]
            .as_u64()
            .context("a SIP code in a record")?,
        duration_ms: (value["duration"]
            .as_f64()
            .context("the talk time in a record")?
            * 1_000.0) as u64,
        unprotected: value["unprotected"]
            .as_bool()
            .context("a record says whether it was protected")?,
    })
}
