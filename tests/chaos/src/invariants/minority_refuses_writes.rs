//! Who is cut off from the majority accepts no settings, and says so soon.

use std::time::Duration;

use crate::evidence::Evidence;

/// Until then what was under way may still be answered, and the node does not know that it is cut off.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
/// From the request to the refusal.
const REFUSED_WITHIN: Duration = Duration::from_millis(600);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.leaves_a_minority() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    let mut asked = 0;
    for write in evidence.writes_at_victims(NOTICED_WITHIN) {
        asked += 1;
        if write.is_acknowledged() {
            broken.push(format!("the minority has accepted {}", write.name));
        }
    }
    if asked == 0 {
        broken.push("the minority has answered no write at all".to_owned());
    }
    broken
}

/// How long it took.
pub(crate) fn judge_time(evidence: &Evidence) -> Vec<String> {
    let slowest = evidence.slowest_refusal();
    slowest
        .filter(|took| *took > REFUSED_WITHIN)
        .map(|took| {
            format!(
                "the minority has refused a write only after {} ms",
                took.as_millis()
            )
        })
        .into_iter()
        .collect()
}
