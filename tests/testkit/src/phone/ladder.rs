//! What went over a phone's wire, one line a message. 100 Trying is left out: it says nothing about the outcome.

use carillon_sip::{Message, StartLine};
use std::fmt;

/// The lines so far.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    lines: Vec<String>,
}

impl Ladder {
    pub(crate) fn sent(&mut self, message: &Message) {
        self.note("->", message);
    }

    pub(crate) fn received(&mut self, message: &Message) {
        self.note("<-", message);
    }

    fn note(&mut self, arrow: &str, message: &Message) {
        let method = message
            .cseq()
            .map_or_else(|_| "?".to_owned(), |cseq| cseq.method.to_string());
        let line = match &message.start {
            StartLine::Status { code: 100, .. } => return,
            StartLine::Status { code, .. } => format!("{arrow} {code} ({method})"),
            StartLine::Request { method, .. } => format!("{arrow} {method}"),
        };
        let sdp = if message.has_sdp() { " +sdp" } else { "" };
        self.lines.push(format!("{line}{sdp}"));
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
