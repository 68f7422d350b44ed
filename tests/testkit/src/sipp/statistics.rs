//! What SIPp counted, from its statistics file.

use std::collections::BTreeMap;

/// The last line of a statistics file, as far as tests ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    pub created: u64,
    pub successful: u64,
    pub failed: u64,
    pub unexpected: u64,
    pub out_of_call: u64,
    pub retransmissions: u64,
    /// The beginning of SIPp's error log.
    pub errors: String,
}

impl Statistics {
    pub(crate) fn parse(text: &str, errors: String) -> Option<Self> {
        let mut lines = text.lines();
        let names = lines.next()?.split(';');
        let last = lines.last()?;
        let values: BTreeMap<&str, &str> = names.zip(last.split(';')).collect();
        let count = |name: &str| values.get(name)?.parse().ok();
        Some(Self {
            created: count("TotalCallCreated")?,
            successful: count("SuccessfulCall(C)")?,
            failed: count("FailedCall(C)")?,
            unexpected: count("FailedUnexpectedMessage(C)")? + count("DeadCallMsgs(C)")?,
            out_of_call: count("OutOfCallMsgs(C)")?,
            retransmissions: count("Retransmissions(C)")?,
            errors,
        })
    }

    /// All of them, and nothing that the scenario did not expect.
    pub fn assert_clean(&self, calls: u64) {
        let clean = self.successful == calls && self.failed == 0 && self.unexpected == 0;
        assert!(
            clean,
            "{calls} calls without a fault were wanted: {self:#?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let text = "TotalCallCreated;SuccessfulCall(C);FailedCall(C);FailedUnexpectedMessage(C);OutOfCallMsgs(C);\
                    DeadCallMsgs(C);Retransmissions(C);\n1;0;0;0;0;0;0;\n5;4;1;1;2;3;6;\n";
        let counted = Statistics::parse(text, String::new()).unwrap();
        assert_eq!(
            (counted.created, counted.successful, counted.failed),
            (5, 4, 1)
        );
        assert_eq!(
            (
                counted.unexpected,
                counted.out_of_call,
                counted.retransmissions
            ),
            (4, 2, 6)
        );
    }

    #[test]
    fn a_file_without_a_count_is_no_statistics() {
        assert_eq!(Statistics::parse("", String::new()), None);
        assert_eq!(
            Statistics::parse("TotalCallCreated;\n", String::new()),
            None
        );
    }
}
