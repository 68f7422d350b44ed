//! Who is cut off from the majority connects calls all the same.

use std::time::Duration;

use crate::evidence::Evidence;

/// Until then it may not know that it is cut off.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.leaves_a_minority() {
        return Vec::new();
    }
    let mut tried = 0;
    let mut broken = Vec::new();
    for attempt in &evidence.attempts {
        let there = evidence.victims.contains(&attempt.node) && attempt.silent == 0;
        let meanwhile =
            attempt.began >= evidence.at + NOTICED_WITHIN && attempt.ended < evidence.lifted;
        if !there || !meanwhile {
            continue;
        }
        tried += 1;
        if let Some(failure) = &attempt.failure {
            let after_ms = attempt.began.duration_since(evidence.at).as_millis();
            broken.push(format!(
                "the minority does not connect a call, {after_ms} ms after the cut: {failure:?}"
            ));
        }
    }
    if tried == 0 {
        broken.push("nobody has called by the minority".to_owned());
    }
    broken
}
