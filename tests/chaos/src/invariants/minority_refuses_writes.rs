//! Who is cut off from the majority accepts no settings, and says so soon.

use std::time::Duration;

use crate::evidence::Evidence;

/// Until then what was under way may still be answered, and the node does not know that it is cut off.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
/// The goal is 0.6 s for the refusal itself; the rest is for the connection, on a machine that does other things too.
const REFUSED_WITHIN: Duration = Duration::from_millis(1_500);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.leaves_a_minority() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    let of_minority = evidence.writes.iter().filter(|write| {
        evidence.victims.contains(&write.node)
            && write.began >= evidence.at + NOTICED_WITHIN
            && write.ended < evidence.lifted
    });
    let mut asked = 0;
    for write in of_minority {
        asked += 1;
        if write.is_acknowledged() {
            broken.push(format!("the minority has accepted {}", write.name));
        }
        let took = write.ended.duration_since(write.began);
        if took > REFUSED_WITHIN {
            broken.push(format!(
                "the minority has refused {} only after {} ms",
                write.name,
                took.as_millis()
            ));
        }
    }
    if asked == 0 {
        broken.push("the minority has answered no write at all".to_owned());
    }
    broken
}
