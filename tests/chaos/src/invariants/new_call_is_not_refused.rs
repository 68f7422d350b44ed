//! A survivor refuses no new call; and where everything was announced, every call is connected.

use crate::evidence::Evidence;
use crate::load::Failure;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for attempt in &evidence.attempts {
        let Some(failure) = &attempt.failure else {
            continue;
        };
        let survivor = !evidence.victims.contains(&attempt.node);
        let refused = matches!(failure, Failure::Refused(_));
        let wrong = match evidence.kind.is_planned() {
            true => true,
            false => evidence.kind.leaves_survivors() && survivor && refused,
        };
        if wrong {
            let after_ms = attempt.began.duration_since(evidence.at).as_millis();
            broken.push(format!(
                "a new call at node {}, {after_ms} ms after the fault: {failure:?}",
                attempt.node
            ));
        }
    }
    broken
}
