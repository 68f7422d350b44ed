//! Both parties of an established call hear each other all the time: the media path has nothing to do with control nodes.

use std::time::Duration;

use crate::evidence::Evidence;

/// Three packets: what a jitter buffer bridges.
const LONGEST_GAP: Duration = Duration::from_millis(60);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.spares_media() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for call in &evidence.calls {
        if call.gap > LONGEST_GAP {
            broken.push(format!(
                "the call {} has a gap of {} ms",
                call.name,
                call.gap.as_millis()
            ));
        }
        if call.ended.is_none() && !call.hear_each_other {
            broken.push(format!(
                "the parties of {} do not hear each other",
                call.name
            ));
        }
    }
    broken
}
