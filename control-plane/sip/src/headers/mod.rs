//! The headers of a message, in their order.

mod name;

use std::fmt;

use bytes::Bytes;

pub use name::Name;

use crate::scan;

/// The headers of a message in the order they came, values as octets.
///
/// A value never holds a line break: folding is undone when a message is read, and what is put in
/// here has CR and LF turned into spaces. Content-Length is framing and is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    entries: Vec<(Name, Bytes)>,
}

impl Headers {
    pub(crate) fn with_capacity(lines: usize) -> Self {
        Self {
            entries: Vec::with_capacity(lines),
        }
    }

    /// The first value of a header.
    pub fn get(&self, name: Name) -> Option<&Bytes> {
        self.entries
            .iter()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// The first value of a header, when it is UTF-8.
    pub fn text(&self, name: Name) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a header, one for each of its lines.
    pub fn get_all(&self, name: Name) -> impl Iterator<Item = &Bytes> {
        self.entries
            .iter()
            .filter(move |(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// Whether there is such a header.
    pub fn contains(&self, name: Name) -> bool {
        self.get(name).is_some()
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Bytes)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// The number of header lines.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a header behind all others.
    pub fn push(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = one_line(value.into());
        self.push_line(name, value);
    }

    /// A value that is known to hold no line break.
    pub(crate) fn push_line(&mut self, name: Name, value: Bytes) {
        if name != Name::ContentLength {
            self.entries.push((name, value));
        }
    }

    /// Adds a header before the first of its name, or before all others when there is none.
    pub fn insert_front(&mut self, name: Name, value: impl Into<Bytes>) {
        if name == Name::ContentLength {
            return;
        }
        let at = self
            .entries
            .iter()
            .position(|(have, _)| *have == name)
            .unwrap_or(0);
        self.entries.insert(at, (name, one_line(value.into())));
    }

    /// Replaces all lines of a header by one, in the place of the first.
    pub fn set(&mut self, name: Name, value: impl Into<Bytes>) {
        match self.entries.iter().position(|(have, _)| *have == name) {
            None => self.push(name, value),
            Some(first) => {
                self.entries[first].1 = one_line(value.into());
                let mut index = 0;
                self.entries.retain(|(have, _)| {
                    index += 1;
                    index - 1 == first || *have != name
                });
            }
        }
    }

    /// Replaces the first line of a header only.
    pub fn set_first(&mut self, name: Name, value: impl Into<Bytes>) {
        match self.entries.iter_mut().find(|(have, _)| *have == name) {
            Some(entry) => entry.1 = one_line(value.into()),
            None => self.push(name, value),
        }
    }

    /// Takes all lines of a header away; says whether there were any.
    pub fn remove(&mut self, name: Name) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(have, _)| *have != name);
        before != self.entries.len()
    }

    /// Takes the first line of a header away.
    pub fn remove_first(&mut self, name: Name) -> Option<Bytes> {
        let at = self.entries.iter().position(|(have, _)| *have == name)?;
        Some(self.entries.remove(at).1)
    }

    /// What a response repeats of its request (RFC 3261 §8.2.6.2).
    pub(crate) fn response_part(&self) -> Self {
        let mut part = Self::with_capacity(8);
        for via in self.get_all(Name::Via) {
            part.entries.push((Name::Via, via.clone()));
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            if let Some(value) = self.get(name.clone()) {
                part.entries.push((name, value.clone()));
            }
        }
        part
    }
}

fn one_line(value: Bytes) -> Bytes {
    let value = if memchr::memchr2(b'\r', b'\n', &value).is_some() {
        value
            .iter()
            .map(|&o| if matches!(o, b'\r' | b'\n') { b' ' } else { o })
            .collect()
    } else {
        value
    };
    scan::share(&value, scan::trim(&value))
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.entries {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value))?;
        }
        Ok(())
    }
}
