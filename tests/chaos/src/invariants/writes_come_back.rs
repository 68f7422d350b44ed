//! After the end of a node, settings are accepted again soon.

use std::time::Duration;

use crate::evidence::Evidence;

const ACCEPTED_WITHIN: Duration = Duration::from_millis(900);

pub(crate) fn judge_time(evidence: &Evidence) -> Vec<String> {
    if !evidence.kind.kills_a_node() {
        return Vec::new();
    }
    match evidence.write_outage() {
        Some(outage) if outage <= ACCEPTED_WITHIN => Vec::new(),
        Some(outage) => vec![format!(
            "no write was accepted for {} ms",
            outage.as_millis()
        )],
        None => vec!["no write was accepted any more".to_owned()],
    }
}
