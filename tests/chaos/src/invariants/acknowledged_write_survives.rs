//! A write that was acknowledged is there, at every node, for ever.

use crate::evidence::Evidence;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let missing = evidence.missing_writes.iter();
    missing
        .map(|name| format!("the write {name} was acknowledged and is missing"))
        .collect()
}
