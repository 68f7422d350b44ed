//! Every phone that was registered before is registered after, at the same contact.

use crate::evidence::Evidence;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let lost = evidence
        .contacts_before
        .difference(&evidence.contacts_after);
    lost.map(|contact| format!("the registration of {contact} is lost"))
        .collect()
}
