//! What was measured, and how Carillon compares.

use std::fmt;

/// One figure of one server, of each round.
struct Row {
    what: &'static str,
    peer: &'static str,
    unit: &'static str,
    rounds: Vec<f64>,
}

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// CPU time in microseconds, of one more round.
    pub(crate) fn us(&mut self, what: &'static str, peer: &'static str, value: f64) {
        self.push(what, peer, "µs", value);
    }

    /// Memory in KiB, of one more round.
    pub(crate) fn kib(&mut self, what: &'static str, peer: &'static str, value: f64) {
        self.push(what, peer, "KiB", value);
    }

    fn push(&mut self, what: &'static str, peer: &'static str, unit: &'static str, value: f64) {
        let known = self
            .0
            .iter_mut()
            .find(|row| row.what == what && row.peer == peer);
        match known {
            Some(row) => row.rounds.push(value),
            None => self.0.push(Row {
                what,
                peer,
                unit,
                rounds: vec![value],
            }),
        }
    }

    /// Carillon's own figure for the same thing over this one's, of each round: a machine that is faster for some minutes is so for both.
    fn ratios(&self, row: &Row) -> Vec<f64> {
        let own = self
            .0
            .iter()
            .find(|own| own.what == row.what && own.peer == "Carillon");
        let rounds = own
            .into_iter()
            .flat_map(|own| own.rounds.iter().zip(&row.rounds));
        rounds.map(|(own, peer)| own / peer).collect()
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0)
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<27} {:<24} {:>10}      Carillon is", "", "", "")?;
        for row in &self.0 {
            let value = median(&row.rounds).unwrap_or_default();
            write!(
                out,
                "{:<27} {:<24} {value:>10.1} {:<4}",
                row.what, row.peer, row.unit
            )?;
            let ratios = self.ratios(row);
            match median(&ratios) {
                Some(ratio) if !row.peer.starts_with("Carillon") => {
                    write!(out, " {ratio:.2} of it")?;
                    if ratios.len() > 1 {
                        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                        let most = ratios.iter().copied().fold(0.0, f64::max);
                        write!(out, " ({least:.2} to {most:.2})")?;
                    }
                    writeln!(out)?;
                }
                _ => writeln!(out)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_those_of_the_rounds() {
        let mut table = Table::default();
        for (peer, own) in [(100.0, 90.0), (200.0, 220.0), (100.0, 70.0)] {
            table.us("a call", "Kamailio", peer);
            table.us("a call", "Carillon", own);
        }
        let text = table.to_string();
        assert!(
            text.contains("100.0 µs   0.90 of it (0.70 to 1.10)"),
            "{text}"
        );
        assert!(text.lines().last().unwrap().contains("90.0 µs"), "{text}");
    }

    #[test]
    fn an_even_number_of_rounds_has_its_median_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
