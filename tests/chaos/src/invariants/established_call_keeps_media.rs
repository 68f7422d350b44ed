//! Both parties of an established call hear each other all the time, unless their media server dies: then soon again.

use std::time::Duration;

use crate::evidence::Evidence;

/// Three packets: what a jitter buffer bridges.
const BRIDGED: Duration = Duration::from_millis(60);
/// From the death of a media server until its calls are heard by another.
const MOVED_WITHIN: Duration = Duration::from_millis(1_500);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.spares_calls() {
        return Vec::new();
    }
    let talking = evidence.calls.iter().filter(|call| call.ended.is_none());
    talking
        .filter(|call| !call.hear_each_other)
        .map(|call| format!("the parties of {} do not hear each other", call.name))
        .collect()
}

/// How long nothing was heard.
pub(crate) fn judge_time(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.spares_calls() {
        return Vec::new();
    }
    let limit = match evidence.kind.kills_media() {
        true => MOVED_WITHIN,
        false => BRIDGED,
    };
    let cut = evidence
        .calls
        .iter()
        .map(|call| (&call.name, call.longest_gap()));
    cut.filter(|(_, gap)| *gap > limit)
        .map(|(name, gap)| format!("the call {name} has a gap of {} ms", gap.as_millis()))
        .collect()
}
