//! What must hold whatever breaks: a file each. What depends on how fast the machine is, is judged apart.

mod acknowledged_write_survives;
mod established_call_keeps_media;
mod established_call_survives;
mod first_call_after_a_power_cut;
mod full_disk_ends_duty;
mod minority_answers_calls;
mod minority_refuses_writes;
mod new_call_is_not_refused;
mod one_record_a_call;
mod one_trunk_owner;
mod registrations_survive;
mod request_is_answered;
mod trunk_comes_back;
mod writes_come_back;

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
        minority_answers_calls::judge(evidence),
        one_trunk_owner::judge(evidence),
        trunk_comes_back::judge(evidence),
        full_disk_ends_duty::judge(evidence),
        first_call_after_a_power_cut::judge(evidence),
    ]
    .concat()
}

/// What took longer than it may.
pub(crate) fn judge_times(evidence: &Evidence) -> Vec<String> {
    [
        established_call_keeps_media::judge_time(evidence),
        writes_come_back::judge_time(evidence),
        minority_refuses_writes::judge_time(evidence),
        trunk_comes_back::judge_time(evidence),
        first_call_after_a_power_cut::judge_time(evidence),
    ]
    .concat()
}
