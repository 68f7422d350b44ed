//! After a power cut of all, phones that have noticed nothing call each other soon.

use std::time::Duration;

use crate::evidence::Evidence;

/// From the start of the processes.
const TALKING_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let lost = evidence.kind.leaves_nobody() && evidence.first_call().is_none();
    lost.then(|| "no call was connected after the power cut".to_owned())
        .into_iter()
        .collect()
}

/// How long it took.
pub(crate) fn judge_time(evidence: &Evidence) -> Vec<String> {
    let first = evidence
        .first_call()
        .filter(|_| evidence.kind.leaves_nobody());
    first
        .filter(|first| *first > TALKING_WITHIN)
        .map(|first| {
            format!(
                "the first call was connected only after {} ms",
                first.as_millis()
            )
        })
        .into_iter()
        .collect()
}
