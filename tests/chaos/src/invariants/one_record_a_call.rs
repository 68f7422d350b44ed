//! Every call that was answered has exactly one record, whoever wrote it.

use std::collections::BTreeMap;

/// Calls by caller and callee: how many were answered, and how many records tell of such.
pub(crate) fn judge(
    answered: &BTreeMap<(String, String), usize>,
    recorded: &BTreeMap<(String, String), usize>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for (lines, count) in answered {
        let records = recorded.get(lines).copied().unwrap_or(0);
        if records != *count {
            let (caller, callee) = lines;
            broken.push(format!(
                "{count} calls from {caller} to {callee} were answered, and there are {records} records of them"
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_record_and_a_missing_one_are_found() {
        let counted = |count| BTreeMap::from([(("1".to_owned(), "2".to_owned()), count)]);
        assert!(judge(&counted(3), &counted(3)).is_empty());
        assert_eq!(judge(&counted(3), &counted(4)).len(), 1);
        assert_eq!(judge(&counted(3), &BTreeMap::new()).len(), 1);
    }
}
