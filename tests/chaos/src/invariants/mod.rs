//! What must hold whatever breaks: a file each.

mod acknowledged_write_survives;
mod established_call_keeps_media;
mod established_call_survives;
mod minority_refuses_writes;
mod new_call_is_not_refused;
mod one_record_a_call;
mod registrations_survive;
mod request_is_answered;

use crate::evidence::Evidence;

pub(crate) use one_record_a_call::judge as judge_records;

/// What is broken after an injection, a sentence each.
pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    [
        established_call_survives::judge(evidence),
        established_call_keeps_media::judge(evidence),
        request_is_answered::judge(evidence),
        new_call_is_not_refused::judge(evidence),
        acknowledged_write_survives::judge(evidence),
        registrations_survive::judge(evidence),
        minority_refuses_writes::judge(evidence),
    ]
    .concat()
}
