//! No established call is dropped.

use crate::evidence::Evidence;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.spares_calls() {
        return Vec::new();
    }
    let dropped = evidence.calls.iter().filter(|call| call.is_dropped());
    dropped
        .map(|call| format!("the call {} is dropped: {:?}", call.name, call.ended))
        .collect()
}
