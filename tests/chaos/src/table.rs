//! The account of a run, a line for each kind of fault.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::evidence::Evidence;
use crate::kind::Kind;
use crate::record::why;

const TITLES: [&str; 12] = [
    "fault",
    "times",
    "leader ms, worst",
    "write outage ms, median",
    "worst",
    "slowest refusal ms",
    "longest RTP gap ms, median",
    "worst",
    "slowest answer ms",
    "trunk or first call ms, worst",
    "dropped calls",
    "new calls that failed",
];

/// What was seen of all injections.
pub(crate) fn table(all: &[Evidence]) -> String {
    let mut kinds: BTreeMap<Kind, Vec<&Evidence>> = BTreeMap::new();
    for evidence in all {
        kinds.entry(evidence.kind).or_default().push(evidence);
    }
    let mut text = format!(
        "| {} |\n|{}\n",
        TITLES.join(" | "),
        "---|".repeat(TITLES.len())
    );
    for (kind, seen) in &kinds {
        let outages = times(seen, Evidence::write_outage);
        let gaps = if kind.spares_calls() {
            times(seen, Evidence::longest_gap)
        } else {
            Vec::new()
        };
        let answers = times(seen, Evidence::slowest_answer);
        let dropped: usize = seen.iter().map(|evidence| evidence.dropped()).sum();
        let dropped = if kind.spares_calls() {
            dropped.to_string()
        } else {
            "-".to_owned()
        };
        let back = times(seen, |evidence| match kind.leaves_nobody() {
            true => evidence.first_call(),
            false => evidence.trunk_outage(),
        });
        let cells = [
            kind.name().to_owned(),
            seen.len().to_string(),
            worst(&times(seen, Evidence::time_to_leader)),
            median(&outages),
            worst(&outages),
            worst(&times(seen, Evidence::slowest_refusal)),
            median(&gaps),
            worst(&gaps),
            worst(&answers),
            worst(&back),
            dropped,
            failures(seen),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn times(seen: &[&Evidence], of: impl Fn(&Evidence) -> Option<Duration>) -> Vec<u128> {
    let mut times: Vec<u128> = seen
        .iter()
        .filter_map(|evidence| of(evidence))
        .map(|time| time.as_millis())
        .collect();
    times.sort_unstable();
    times
}

fn median(sorted: &[u128]) -> String {
    shown(sorted.get(sorted.len() / 2))
}

fn worst(sorted: &[u128]) -> String {
    shown(sorted.last())
}

fn shown(time: Option<&u128>) -> String {
    time.map_or("-".to_owned(), u128::to_string)
}

fn failures(seen: &[&Evidence]) -> String {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for failure in seen.iter().flat_map(|evidence| evidence.failures()) {
        *counted.entry(why(failure)).or_default() += 1;
    }
    let attempts: usize = seen.iter().map(|evidence| evidence.attempts.len()).sum();
    let listed: Vec<String> = counted
        .iter()
        .map(|(why, count)| format!("{count} x {why}"))
        .collect();
    match listed.is_empty() {
        true => format!("0 of {attempts}"),
        false => format!("{} of {attempts}", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_and_the_median_of_nothing_are_dashes() {
        assert_eq!((median(&[]), worst(&[])), ("-".to_owned(), "-".to_owned()));
        assert_eq!(median(&[1, 5, 9]), "5");
        assert_eq!(worst(&[1, 5, 9]), "9");
    }
}
