//! A survivor refuses no new call.

use crate::evidence::Evidence;
use crate::load::Failure;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.leaves_survivors() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for attempt in &evidence.attempts {
        let survivor = !evidence.victims.contains(&attempt.node);
        if survivor && let Some(Failure::Refused(code)) = attempt.failure {
            let after_ms = attempt.began.duration_since(evidence.at).as_millis();
            broken.push(format!(
                "node {} refuses a new call with {code}, {after_ms} ms after the fault",
                attempt.node
            ));
        }
    }
    broken
}
