use bytes::{BufMut, Bytes, BytesMut};

use super::{Connection, SdpError};
use crate::scan;

/// One line, `letter=value`; the value is octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The letter.
    pub kind: u8,
    /// What follows the equals sign; never holds a line break.
    pub value: Bytes,
}

impl Line {
    /// A line; line breaks in the value become blanks.
    pub fn new(kind: u8, value: impl Into<Bytes>) -> Self {
        let value = value.into();
        let broken = memchr::memchr2(b'\r', b'\n', &value).is_some();
        let value = if broken {
            value
                .iter()
                .map(|&o| if matches!(o, b'\r' | b'\n') { b' ' } else { o })
                .collect()
        } else {
            value
        };
        Self { kind, value }
    }

    /// An attribute line.
    pub fn attribute(text: impl Into<Bytes>) -> Self {
        Self::new(b'a', text)
    }

    /// The name and the value of an attribute line; an empty value for one without.
    pub fn as_attribute(&self) -> Option<(&str, &str)> {
        if self.kind != b'a' {
            return None;
        }
        let text = std::str::from_utf8(&self.value).ok()?;
        Some(text.split_once(':').unwrap_or((text, "")))
    }

    pub(super) fn is_attribute(&self, name: &str) -> bool {
        self.kind == b'a'
            && self
                .value
                .split(|&o| o == b':')
                .next()
                .is_some_and(|have| have == name.as_bytes())
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.kind);
        out.put_u8(b'=');
        out.put_slice(&self.value);
        out.put_slice(b"\r\n");
    }
}

/// The lines of a body; empty ones at its end do not count.
pub(super) fn read(octets: &Bytes) -> impl Iterator<Item = Result<Line, SdpError>> {
    let mut end = octets.len();
    while end > 0 && matches!(octets[end - 1], b'\r' | b'\n') {
        end -= 1;
    }
    octets[..end].split(|&o| o == b'\n').map(move |line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            [kind @ b'a'..=b'z', b'=', value @ ..] if !value.contains(&b'\r') => Ok(Line {
                kind: *kind,
                value: scan::share(octets, value),
            }),
            _ => Err(SdpError::Line),
        }
    })
}

pub(super) fn attribute<'a>(lines: &'a [Line], name: &str) -> Option<&'a str> {
    attributes(lines, name).next()
}

pub(super) fn attributes<'a>(lines: &'a [Line], name: &str) -> impl Iterator<Item = &'a str> {
    lines
        .iter()
        .filter_map(Line::as_attribute)
        .filter(move |(have, _)| *have == name)
        .map(|(_, value)| value)
}

pub(super) fn connection(lines: &[Line]) -> Option<Connection> {
    lines
        .iter()
        .find(|line| line.kind == b'c')
        .and_then(|line| Connection::parse(&line.value))
}
