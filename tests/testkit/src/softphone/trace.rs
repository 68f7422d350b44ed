//! What a phone prints, line by line with its time, and the SIP messages in it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Printed lines that are kept; a phone that babbles loses its oldest.
const LINES_MAX: usize = 50_000;

/// One SIP message that went over a phone's wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub at: Instant,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// Its first line.
    pub what: String,
    /// The method that it belongs to.
    pub method: String,
}

/// The lines so far, collected by a thread of their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Printed {
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Printed {
    /// Reads until the phone ends.
    pub(crate) fn collect(&self, output: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() >= LINES_MAX {
                    lines.drain(..LINES_MAX / 2);
                }
                lines.push((Instant::now(), text));
                line.clear();
            }
        });
    }

    fn lines(&self) -> Vec<(Instant, String)> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether some line holds this.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.lines().iter().any(|(_, line)| line.contains(text))
    }

    /// The last line that begins with this.
    pub(crate) fn last(&self, beginning: &str) -> Option<String> {
        let lines = self.lines();
        let found = lines
            .iter()
            .rev()
            .find(|(_, line)| line.starts_with(beginning));
        found.map(|(_, line)| line.clone())
    }

    /// The last lines, without the running figures of a call and without SIP messages.
    pub(crate) fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        let said: Vec<&str> = lines
            .iter()
            .map(|(_, line)| line.as_str())
            .filter(|line| !line.contains("(bit/s)"))
            .collect();
        said[said.len().saturating_sub(count)..].join("\n")
    }

    /// The SIP messages, in their order. A message that went twice is there once.
    pub(crate) fn sightings(&self) -> Vec<Sighting> {
        let lines = self.lines();
        let mut sightings = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (number, (at, line)) in lines.iter().enumerate() {
            let Some((from, to)) = ends(line) else {
                continue;
            };
            let message: Vec<&str> = lines[number + 1..]
                .iter()
                .map(|(_, line)| line.as_str())
                .take_while(|line| !line.is_empty())
                .collect();
            let Some(what) = message.first() else {
                continue;
            };
            if seen.insert((from, to, message.join("\n"))) {
                sightings.push(Sighting {
                    at: *at,
                    from,
                    to,
                    what: (*what).to_owned(),
                    method: method(&message),
                });
            }
        }
        sightings
    }
}

/// `UDP 10.77.3.1:5060 -> 10.77.1.1:5060`
fn ends(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (transport, rest) = line.split_once(' ')?;
    if !matches!(transport, "UDP" | "TCP" | "TLS") {
        return None;
    }
    let (from, to) = rest.split_once(" -> ")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn method(message: &[&str]) -> String {
    let cseq = message.iter().find_map(|line| line.strip_prefix("CSeq:"));
    cseq.and_then(|cseq| cseq.split_whitespace().nth(1))
        .unwrap_or("?")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;
    use std::time::Duration;

    #[test]
    fn messages_are_found_between_other_lines_and_counted_once() {
        let text = "baresip is ready.\nUDP 10.0.0.1:5060 -> 10.0.0.2:5060\nINVITE sip:bob@x SIP/2.0\r\nCSeq: 7 INVITE\r\n\r\nv=0\r\n\
                    #\nUDP 10.0.0.1:5060 -> 10.0.0.2:5060\nINVITE sip:bob@x SIP/2.0\r\nCSeq: 7 INVITE\r\n\r\n\
                    #\nUDP 10.0.0.2:5060 -> 10.0.0.1:5060\nSIP/2.0 180 Ringing\r\nCSeq: 7 INVITE\r\n\r\n";
        let printed = Printed::default();
        printed.collect(text.as_bytes());
        let sightings = eventually("all lines are read", Duration::from_secs(5), || {
            let sightings = printed.sightings();
            Ok((sightings.len() == 2).then_some(sightings))
        })
        .unwrap();
        assert_eq!(sightings[0].what, "INVITE sip:bob@x SIP/2.0");
        assert_eq!(
            (sightings[1].what.as_str(), sightings[1].method.as_str()),
            ("SIP/2.0 180 Ringing", "INVITE")
        );
        assert_eq!(printed.tail(1), "");
    }
}
