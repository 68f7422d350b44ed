//! What was measured, and how Carillon compares.

use std::fmt;

/// One figure of one server.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Row {
    /// CPU time in microseconds.
    pub(crate) fn us(what: &'static str, peer: &'static str, value: f64) -> Self {
        let unit = "µs";
        Self {
            what,
            peer,
            value,
            unit,
        }
    }

    /// Memory in KiB.
    pub(crate) fn kib(what: &'static str, peer: &'static str, value: f64) -> Self {
        let unit = "KiB";
        Self {
            what,
            peer,
            value,
            unit,
        }
    }
}

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Carillon's own figure for the same thing.
    fn own(&self, what: &str) -> Option<f64> {
        let own = self
            .0
            .iter()
            .find(|row| row.what == what && row.peer == "Carillon");
        own.map(|row| row.value)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<27} {:<24} {:>10}      Carillon is", "", "", "")?;
        for row in &self.0 {
            write!(
                out,
                "{:<27} {:<24} {:>10.1} {:<4}",
                row.what, row.peer, row.value, row.unit
            )?;
            match self.own(row.what) {
                Some(own) if !row.peer.starts_with("Carillon") && row.value > 0.0 => {
                    writeln!(out, " {:.2} of it", own / row.value)?;
                }
                _ => writeln!(out)?,
            }
        }
        Ok(())
    }
}
