//! The carrier never sees two owners of a trunk: epochs only rise, and when all is well it has one contact.

use carillon_testkit::carrier::Registered;

use crate::evidence::Evidence;

pub(crate) fn judge(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    // The account of the whole run: each owner of it is judged once.
    let since = evidence
        .registered
        .iter()
        .position(|one| one.at >= evidence.at);
    let first = since.map_or(evidence.registered.len(), |place| place.saturating_sub(1));
    for pair in evidence.registered[first..].windows(2) {
        if is_wrong(&pair[0], &pair[1]) {
            broken.push(format!(
                "{} registers with epoch {} after {} did with epoch {}",
                pair[1].from, pair[1].epoch, pair[0].from, pair[0].epoch
            ));
        }
    }
    if evidence.carrier_contacts.len() != 1 {
        broken.push(format!(
            "the carrier has the contacts {:?}",
            evidence.carrier_contacts
        ));
    }
    broken
}

/// An owner refreshes under its epoch, and whoever comes after it has a higher one.
fn is_wrong(earlier: &Registered, later: &Registered) -> bool {
    match earlier.from == later.from {
        true => later.epoch < earlier.epoch,
        false => later.epoch <= earlier.epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn registered(port: u16, epoch: u64) -> Registered {
        Registered {
            at: Instant::now(),
            from: ([127, 0, 0, 1], port).into(),
            epoch,
        }
    }

    #[test]
    fn a_second_owner_of_one_epoch_and_one_that_comes_back_are_found() {
        assert!(!is_wrong(&registered(1, 4), &registered(1, 4)), "a refresh");
        assert!(!is_wrong(&registered(1, 4), &registered(2, 5)), "an heir");
        assert!(
            !is_wrong(&registered(1, 4), &registered(1, 6)),
            "after a restart"
        );
        assert!(
            is_wrong(&registered(1, 4), &registered(2, 4)),
            "two of one epoch"
        );
        assert!(
            is_wrong(&registered(2, 5), &registered(1, 4)),
            "a former one"
        );
    }
}
