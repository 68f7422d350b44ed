//! A node that cannot write any more goes out of duty, rather than acknowledge what it does not keep.

use crate::evidence::Evidence;
use crate::kind::Kind;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    if evidence.kind != Kind::DiskFull {
        return Vec::new();
    }
    let running = evidence.running.iter();
    running
        .map(|node| format!("node {node} goes on without room on its disk"))
        .collect()
}
