//! A trunk whose owner has gone is registered by another node.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::kind::Kind;

const REGISTERED_WITHIN: Duration = Duration::from_secs(3);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let lost = evidence.kind == Kind::TrunkOwnerKilled && evidence.trunk_outage().is_none();
    lost.then(|| "no other node has registered the trunk".to_owned())
        .into_iter()
        .collect()
}

/// How long it took.
pub(crate) fn judge_time(evidence: &Evidence) -> Vec<String> {
    let late = evidence
        .trunk_outage()
        .filter(|outage| *outage > REGISTERED_WITHIN);
    late.map(|outage| {
        format!(
            "the trunk was registered only after {} ms",
            outage.as_millis()
        )
    })
    .into_iter()
    .collect()
}
