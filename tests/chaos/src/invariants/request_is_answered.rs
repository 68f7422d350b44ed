//! What a phone asks in its call, a second after the fault or later, is granted.

use crate::evidence::Evidence;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.spares_calls() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for call in &evidence.calls {
        for answer in call.answers.iter().filter(|answer| answer.code != 200) {
            broken.push(format!(
                "a {} in the call {} is answered {} after {} ms",
                answer.method,
                call.name,
                answer.code,
                answer.after.as_millis()
            ));
        }
    }
    broken
}
