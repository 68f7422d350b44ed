//! A call that two nodes have to do with is one trace at the collector of both.

use anyhow::{Result, ensure};
use carillon_integration::Two;
use carillon_sip::Method;
use carillon_testkit::{Collector, LabOptions, eventually};
use std::collections::BTreeSet;
use std::time::Duration;

/// Spans are sent in batches, every five seconds.
const COLLECTED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_call_across_nodes_is_one_trace_at_the_collector() -> Result<()> {
    let collector = Collector::start()?;
    let mut two = Two::in_lab(LabOptions {
        collector: Some(collector.address()),
        ..LabOptions::default()
    })?;
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let bye = two.bob.request_in(&mut talk.bob, Method::Bye, None)?;
    two.bob.send(&bye)?;
    two.alice.hears_hang_up()?;
    two.bob
        .response_to(&bye, COLLECTED_WITHIN, |code| code == 200)?;

    let wanted = [
        ("control1", "call"),
        ("control1", "commit"),
        ("control2", "pass"),
    ];
    let spans = eventually("all spans are collected", COLLECTED_WITHIN, || {
        let spans = collector.spans();
        let has = |(node, name): &(&str, &str)| {
            let mut spans = spans.iter();
            spans.any(|span| span.node == *node && span.name == *name)
        };
        ensure!(wanted.iter().all(has), "only {spans:?}");
        Ok(Some(spans))
    })?;
    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    ensure!(traces.len() == 1, "one call and {traces:?}");
    Ok(())
}
