use bytes::{Bytes, BytesMut};

use super::{Message, StartLine};
use crate::error::{Fault, Malformed, ParseError};
use crate::headers::{Headers, Name};
use crate::limits;
use crate::method::Method;
use crate::scan;
use crate::uri::Uri;

/// How the end of a message is found (RFC 3261 §18.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The datagram is the message: without Content-Length the body is all the rest, and what
    /// comes behind Content-Length is dropped.
    Datagram,
    /// The octets are one message of a stream, as [`crate::framing::Framer`] cuts them: without
    /// Content-Length there is no body.
    Stream,
}

impl Message {
    /// Reads a message. The values share the octets of `datagram` and keep them in memory.
    ///
    /// Everything that is wrong is an error, but reading goes on behind it for as long as there are
    /// header lines, so that the error knows how to answer.
    pub fn parse(datagram: &Bytes, framing: Framing) -> Result<Self, ParseError> {
        if datagram.len() > limits::MESSAGE_OCTETS {
            return Err(ParseError::bare(Fault::TooLarge));
        }
        let mut lines = Lines {
            octets: datagram,
            at: leading_lines(datagram),
        };
        let Some(first) = lines.next_line() else {
            return Err(ParseError::bare(Fault::Unfinished));
        };
        let mut fault = first.fault;
        let (start, method) = match start_line(datagram, first.content) {
            Ok(start @ StartLine::Request { .. }) => {
                let message_method = match &start {
                    StartLine::Request { method, .. } => Some(method.clone()),
                    StartLine::Status { .. } => None,
                };
                (Some(start), message_method)
            }
            Ok(start) => (Some(start), None),
            Err((why, method)) => {
                fault = fault.or(Some(why));
                (None, method)
            }
        };
        let head = read_headers(datagram, &mut lines);
        fault = fault.or(head.fault);
        let body = body(datagram, lines.at, head.length, framing);
        match (fault, start, body) {
            (None, Some(start), Ok(body)) => Ok(Self {
                start,
                headers: head.headers,
                body,
            }),
            (Some(fault), _, _) | (None, _, Err(fault)) => Err(ParseError {
                fault,
                method,
                headers: head.headers,
            }),
            (None, None, Ok(_)) => unreachable!("a start line that is not read is a fault"),
        }
    }
}

struct Line<'a> {
    content: &'a [u8],
    fault: Option<Fault>,
}

struct Lines<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        let rest = &self.octets[self.at..];
        let end = memchr::memchr(b'\n', rest)?;
        self.at += end + 1;
        let line = &rest[..end];
        let (content, ended) = match line.strip_suffix(b"\r") {
            Some(content) => (content, true),
            None => (line, false),
        };
        let fault = if !ended {
            Some(Fault::HeaderLine("line does not end in CR LF"))
        } else if memchr::memchr(b'\r', content).is_some() {
            Some(Fault::HeaderLine("carriage return inside a line"))
        } else {
            None
        };
        Some(Line { content, fault })
    }

    fn continues(&self) -> bool {
        matches!(self.octets.get(self.at), Some(b' ' | b'\t'))
    }
}

/// Empty lines before a message are skipped (RFC 3261 §7.5).
fn leading_lines(octets: &[u8]) -> usize {
    let mut at = 0;
    while at < 2 * limits::LEADING_LINES && octets[at..].starts_with(b"\r\n") {
        at += 2;
    }
    at
}

fn start_line(whole: &Bytes, line: &[u8]) -> Result<StartLine, (Fault, Option<Method>)> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(whole, line).map_err(|fault| (fault, None));
    }
    let bad = |why| Fault::StartLine(why);
    let Some(first) = memchr::memchr(b' ', line) else {
        return Err((bad("no request line"), None));
    };
    let method = Method::parse(&scan::share(whole, &line[..first]))
        .map_err(|Malformed(why)| (bad(why), None))?;
    let last = memchr::memrchr(b' ', line).expect("there is a blank");
    let request = |fault| (fault, Some(method.clone()));
    if last == first {
        return Err(request(bad("no version")));
    }
    let version = &line[last + 1..];
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(request(version_fault(version)));
    }
    let uri = &line[first + 1..last];
    let uri = Uri::parse(&scan::share(whole, uri)).map_err(|Malformed(why)| request(bad(why)))?;
    Ok(StartLine::Request { method, uri })
}

fn version_fault(version: &[u8]) -> Fault {
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let other = version.len() > 4
        && version[..4].eq_ignore_ascii_case(b"SIP/")
        && version[4..].splitn(2, |&o| o == b'.').all(number)
        && version.contains(&b'.')
        && !version.eq_ignore_ascii_case(b"SIP/2.0");
    if other {
        Fault::Version
    } else {
        Fault::StartLine("no version")
    }
}

fn status_line(whole: &Bytes, line: &[u8]) -> Result<StartLine, Fault> {
    let Some(rest) = line
        .get(8..)
        .filter(|_| line[..7].eq_ignore_ascii_case(b"SIP/2.0"))
    else {
        return Err(version_fault(
            line.split(|&o| o == b' ').next().unwrap_or(line),
        ));
    };
    let [
        one @ b'1'..=b'6',
        two @ b'0'..=b'9',
        three @ b'0'..=b'9',
        rest @ ..,
    ] = rest
    else {
        return Err(Fault::StartLine("no status code"));
    };
    let reason = match rest {
        [] => rest,
        [b' ', reason @ ..] => reason,
        _ => return Err(Fault::StartLine("status code of more than three digits")),
    };
    if line[7] != b' ' {
        return Err(Fault::StartLine("no status code"));
    }
    let digit = |octet: &u8| u16::from(octet - b'0');
    let code = digit(one) * 100 + digit(two) * 10 + digit(three);
    Ok(StartLine::Status {
        code,
        reason: scan::share(whole, reason),
    })
}

struct Head {
    headers: Headers,
    length: Option<usize>,
    fault: Option<Fault>,
}

fn read_headers(whole: &Bytes, lines: &mut Lines<'_>) -> Head {
    let mut head = Head {
        headers: Headers::with_capacity(24),
        length: None,
        fault: None,
    };
    loop {
        let start = lines.at;
        let Some(line) = lines.next_line() else {
            head.fault = head.fault.or(Some(Fault::Unfinished));
            return head;
        };
        if line.content.is_empty() {
            head.fault = head.fault.or(line.fault);
            return head;
        }
        let mut fault = line.fault;
        let unfolded = if lines.continues() {
            while lines.continues() {
                match lines.next_line() {
                    Some(more) => fault = fault.or(more.fault),
                    None => {
                        head.fault = head.fault.or(Some(Fault::Unfinished));
                        return head;
                    }
                }
            }
            Some(unfold(&whole[start..lines.at]))
        } else {
            None
        };
        let read = match (fault, &unfolded) {
            (Some(fault), _) => Err(fault),
            (None, Some(line)) => head.line(line, line),
            (None, None) => head.line(whole, line.content),
        };
        if let Err(fault) = read {
            head.fault = head.fault.or(Some(fault));
        }
    }
}

impl Head {
    fn line(&mut self, whole: &Bytes, line: &[u8]) -> Result<(), Fault> {
        let colon = memchr::memchr(b':', line).ok_or(Fault::HeaderLine("no colon"))?;
        let name = scan::trim(&line[..colon]);
        let value = scan::trim(&line[colon + 1..]);
        let name = match Name::known(name) {
            Some(known) => known,
            None => Name::parse(&scan::share(whole, name))
                .map_err(|Malformed(why)| Fault::HeaderLine(why))?,
        };
        if name == Name::ContentLength {
            return self.content_length(value);
        }
        if self.headers.len() == limits::HEADERS {
            return Err(Fault::TooManyHeaders);
        }
        self.headers.push_line(name, scan::share(whole, value));
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let length = scan::number(value).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(Fault::ContentLength("no number"))?;
        if self.length.replace(length).is_some() {
            return Err(Fault::ContentLength("more than one"));
        }
        Ok(())
    }
}

/// Makes one line of a folded one: each line break with the blanks behind it is one blank
/// (RFC 3261 §7.3.1).
fn unfold(octets: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(octets.len());
    for part in octets.split(|&o| o == b'\n') {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        if line.is_empty() {
            line.extend_from_slice(part);
        } else if !part.is_empty() {
            line.extend_from_slice(b" ");
            line.extend_from_slice(scan::trim(part));
        }
    }
    line.freeze()
}

fn body(whole: &Bytes, at: usize, length: Option<usize>, framing: Framing) -> Result<Bytes, Fault> {
    let rest = whole.slice(at..);
    match (length, framing) {
        (None, Framing::Datagram) => Ok(rest),
        (None, Framing::Stream) => Ok(Bytes::new()),
        (Some(length), _) if length <= rest.len() => Ok(rest.slice(..length)),
        (Some(_), _) => Err(Fault::ContentLength("larger than what came")),
    }
}
