//! A call as a ladder: who sent what to whom, and when.

use carillon_testkit::softphone::Sighting;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Letters between two rails.
const GAP: usize = 22;
/// Where the seconds stand.
const MARGIN: &str = "            ";

/// A rail of the ladder.
pub(crate) struct Rail {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
}

/// What happened at some moment besides messages.
pub(crate) struct Remark {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// Draws the messages of a call; registrations, and questions whether a phone is still there, are left out.
pub(crate) fn draw(rails: &[Rail], sightings: &[Sighting], remarks: &[Remark]) -> String {
    let mut events: Vec<(Instant, String)> = Vec::new();
    for sighting in sightings
        .iter()
        .filter(|sighting| !matches!(sighting.method.as_str(), "REGISTER" | "OPTIONS"))
    {
        let rail = |address: IpAddr| rails.iter().position(|rail| rail.address == address);
        let (Some(from), Some(to)) = (rail(sighting.from.ip()), rail(sighting.to.ip())) else {
            continue;
        };
        events.push((sighting.at, arrow(rails.len(), from, to, &label(sighting))));
    }
    for remark in remarks {
        events.push((remark.at, format!("~~ {} ~~", remark.text)));
    }
    events.sort_by_key(|(at, _)| *at);
    let mut text = heads(rails);
    let first = events.first().map(|(at, _)| *at);
    for (at, line) in events {
        let after = first.map_or(0.0, |first| (at - first).as_secs_f32());
        let _ = writeln!(text, "{after:>10.3}  {line}");
    }
    text
}

/// How long after a moment the first request of one of these nodes reached a phone.
pub(crate) fn until_first_from(
    sightings: &[Sighting],
    after: Instant,
    nodes: &[IpAddr],
) -> Option<Duration> {
    let said = |sighting: &&Sighting| {
        sighting.at > after
            && sighting.method == "INVITE"
            && !sighting.what.starts_with("SIP/2.0")
            && nodes.contains(&sighting.from.ip())
    };
    let first = sightings
        .iter()
        .filter(said)
        .map(|sighting| sighting.at)
        .min()?;
    Some(first - after)
}

fn label(sighting: &Sighting) -> String {
    match sighting.what.strip_prefix("SIP/2.0 ") {
        Some(status) => status.to_owned(),
        None => sighting
            .what
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn heads(rails: &[Rail]) -> String {
    let mut text = String::new();
    for line in [
        rails
            .iter()
            .map(|rail| rail.name.clone())
            .collect::<Vec<_>>(),
        rails.iter().map(|rail| rail.address.to_string()).collect(),
    ] {
        let columns: Vec<String> = line.iter().map(|word| format!("{word:<GAP$}")).collect();
        let _ = writeln!(text, "{MARGIN}{}", columns.concat().trim_end());
    }
    text
}

fn arrow(rails: usize, from: usize, to: usize, label: &str) -> String {
    let mut row: Vec<char> = (0..rails)
        .flat_map(|_| std::iter::once('|').chain(std::iter::repeat_n(' ', GAP - 1)))
        .collect();
    row.truncate((rails - 1) * GAP + 1);
    let (left, right) = (from.min(to) * GAP, from.max(to) * GAP);
    row[left + 1..right].fill('-');
    if from < to {
        row[right - 1] = '>';
    } else {
        row[left + 1] = '<';
    }
    let text: Vec<char> = format!(" {label} ")
        .chars()
        .take(right - left - 4)
        .collect();
    let start = left + (right - left - text.len()) / 2;
    row.splice(start..start + text.len(), text);
    row.into_iter().collect()
}
