//! Cutting a stream into messages (RFC 3261 §18.3, RFC 5626 §3.5.1).
//!
//! A framer holds what one connection has sent and not yet been cut. What it holds is bounded, and
//! a peer that does not speak SIP is told from one that does as early as its octets allow.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits;
use crate::scan::{self, is_token};

/// Octets that may wait to be cut: a whole message and what was read together with its end.
const WAITING_OCTETS: usize = 2 * limits::MESSAGE_OCTETS;
/// Memory that an idle connection keeps.
const IDLE_OCTETS: usize = 4 * 1024;
/// Octets of a start line: a URI, a method and the version.
const START_LINE_OCTETS: usize = limits::URI_OCTETS + 256;

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One message, for [`crate::Message::parse`] with [`crate::Framing::Stream`].
    Message(Bytes),
    /// Two empty lines: the peer wants to see one back.
    Ping,
    /// One empty line: the answer to our ping, or half a ping whose other half is still to come.
    Pong,
}

/// Why a connection cannot be read any further and is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// What came does not begin like a message.
    #[error("not SIP")]
    NotSip,
    /// The start line and headers are longer than [`limits::HEAD_OCTETS`].
    #[error("header section too large")]
    HeadTooLarge,
    /// The message is longer than [`limits::MESSAGE_OCTETS`].
    #[error("message too large")]
    MessageTooLarge,
    /// Content-Length is no number, or there are two of them.
    #[error("unusable Content-Length")]
    ContentLength,
    /// More was pushed than fits without taking frames out.
    #[error("frames were not taken")]
    Overrun,
}

/// Cuts one stream.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Octets in which no end of a header section begins.
    scanned: usize,
    /// The length of the message whose headers have been read.
    length: Option<usize>,
    /// An empty line was reported that the next one makes a ping.
    half_ping: bool,
    failed: Option<FramingError>,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read from the connection. Take all frames out after each push.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.buffer.len() + octets.len() > WAITING_OCTETS {
            return Err(self.fail(FramingError::Overrun));
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    /// The next frame, or nothing until more is pushed. After an error there is nothing more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let frame = match self.length {
            None => match self.between_messages() {
                Some(frame) => Ok(Some(frame)),
                None => self.head(),
            },
            Some(length) => Ok(self.message(length)),
        };
        frame.map_err(|error| self.fail(error))
    }

    /// Octets that wait for the rest of their message.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    fn fail(&mut self, error: FramingError) -> FramingError {
        self.failed = Some(error);
        self.buffer = BytesMut::new();
        error
    }

    fn between_messages(&mut self) -> Option<Frame> {
        let lines = if self.buffer.starts_with(b"\r\n\r\n") {
            2
        } else if self.buffer.starts_with(b"\r\n") {
            1
        } else {
            return None;
        };
        let ping = lines == 2 || self.half_ping;
        let taken = if self.half_ping { 1 } else { lines };
        self.half_ping = !ping;
        self.take(2 * taken);
        Some(if ping { Frame::Ping } else { Frame::Pong })
    }

    fn head(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.buffer.is_empty() || self.buffer[..] == b"\r"[..] {
            return Ok(None);
        }
        self.half_ping = false;
        begins_like_sip(&self.buffer)?;
        let from = self.scanned.saturating_sub(3);
        match memchr::memmem::find(&self.buffer[from..], b"\r\n\r\n") {
            Some(found) => {
                let head = from + found + 4;
                if head > limits::HEAD_OCTETS {
                    return Err(FramingError::HeadTooLarge);
                }
                let length = head + content_length(&self.buffer[..head])?;
                if length > limits::MESSAGE_OCTETS {
                    return Err(FramingError::MessageTooLarge);
                }
                self.length = Some(length);
                Ok(self.message(length))
            }
            None if self.buffer.len() > limits::HEAD_OCTETS => Err(FramingError::HeadTooLarge),
            None => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
        }
    }

    fn message(&mut self, length: usize) -> Option<Frame> {
        let octets = self.buffer.get(..length)?;
        // A copy of its own, so that a value kept from it does not keep the whole buffer.
        let message = Bytes::copy_from_slice(octets);
        self.take(length);
        self.length = None;
        self.scanned = 0;
        Some(Frame::Message(message))
    }

    fn take(&mut self, octets: usize) {
        self.buffer.advance(octets);
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_OCTETS {
            self.buffer = BytesMut::new();
        }
    }
}

/// Refuses what cannot become a message, as soon as it can be seen.
fn begins_like_sip(octets: &[u8]) -> Result<(), FramingError> {
    let looked_at = &octets[..octets.len().min(START_LINE_OCTETS)];
    let word = looked_at
        .split(|&o| matches!(o, b' ' | b'\r'))
        .next()
        .unwrap_or_default();
    if !word.iter().all(|&o| is_token(o) || o == b'/') {
        return Err(FramingError::NotSip);
    }
    let Some(end) = memchr::memchr(b'\n', looked_at) else {
        let short = octets.len() < START_LINE_OCTETS;
        return if short {
            Ok(())
        } else {
            Err(FramingError::NotSip)
        };
    };
    let line = looked_at[..end]
        .strip_suffix(b"\r")
        .ok_or(FramingError::NotSip)?;
    let names_sip = |part: &[u8]| part.len() > 4 && part[..4].eq_ignore_ascii_case(b"SIP/");
    let sip = names_sip(line) || line.split(|&o| o == b' ').skip(1).any(names_sip);
    if sip {
        Ok(())
    } else {
        Err(FramingError::NotSip)
    }
}

/// The length of the body; without a header there is none.
fn content_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &head[at..]) {
        let line = at;
        at += end + 1;
        while matches!(head.get(at), Some(b' ' | b'\t')) {
            at += memchr::memchr(b'\n', &head[at..]).map_or(head.len() - at, |end| end + 1);
        }
        let Some(colon) = memchr::memchr(b':', &head[line..at]) else {
            continue;
        };
        let name = scan::trim(&head[line..line + colon]);
        if !name.eq_ignore_ascii_case(b"l") && !name.eq_ignore_ascii_case(b"Content-Length") {
            continue;
        }
        let blank = |o: &u8| matches!(o, b' ' | b'\t' | b'\r' | b'\n');
        let value = &head[line + colon + 1..at];
        let start = value.iter().take_while(|o| blank(o)).count();
        let tail = value.iter().rev().take_while(|o| blank(o)).count();
        let value = value.get(start..value.len() - tail).unwrap_or_default();
        let length = scan::number(value).ok_or(FramingError::ContentLength)?;
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(limits::MESSAGE_OCTETS + 1);
        if found.replace(length).is_some() {
            return Err(FramingError::ContentLength);
        }
    }
    Ok(found.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"OPTIONS sip:a@h SIP/2.0\r\nCall-ID: 1\r\nl: 4\r\n\r\nbody";

    fn frames(framer: &mut Framer) -> Result<Vec<Frame>, FramingError> {
        let mut frames = Vec::new();
        while let Some(frame) = framer.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn cut(octets: &[u8]) -> Result<Vec<Frame>, FramingError> {
        let mut framer = Framer::new();
        framer.push(octets)?;
        frames(&mut framer)
    }

    fn message(octets: &'static [u8]) -> Frame {
        Frame::Message(Bytes::from_static(octets))
    }

    #[test]
    fn messages_that_come_together_are_cut_apart() {
        assert_eq!(cut(&REQUEST.repeat(3)), Ok(vec![message(REQUEST); 3]));
    }

    #[test]
    fn a_message_that_comes_octet_by_octet_is_put_together() {
        let mut framer = Framer::new();
        let mut got = Vec::new();
        for octet in REQUEST.repeat(2) {
            framer.push(&[octet]).unwrap();
            got.extend(frames(&mut framer).unwrap());
        }
        assert_eq!(got, [message(REQUEST), message(REQUEST)]);
        assert_eq!(framer.waiting(), 0);
    }

    #[test]
    fn empty_lines_between_messages_are_pings_and_pongs() {
        assert_eq!(cut(b"\r\n\r\n"), Ok(vec![Frame::Ping]));
        assert_eq!(cut(b"\r\n"), Ok(vec![Frame::Pong]));
        assert_eq!(cut(b"\r\n\r\n\r\n"), Ok(vec![Frame::Ping, Frame::Pong]));
        let both = [b"\r\n\r\n", REQUEST, b"\r\n"].concat();
        assert_eq!(
            cut(&both),
            Ok(vec![Frame::Ping, message(REQUEST), Frame::Pong])
        );
    }

    #[test]
    fn a_ping_in_two_halves_is_a_ping() {
        let mut framer = Framer::new();
        framer.push(b"\r").unwrap();
        assert_eq!(frames(&mut framer), Ok(vec![]));
        framer.push(b"\n").unwrap();
        assert_eq!(frames(&mut framer), Ok(vec![Frame::Pong]));
        framer.push(b"\r\n").unwrap();
        assert_eq!(frames(&mut framer), Ok(vec![Frame::Ping]));
    }

    #[test]
    fn without_content_length_there_is_no_body() {
        let one = b"OPTIONS sip:a@h SIP/2.0\r\nCall-ID: 1\r\n\r\n";
        assert_eq!(cut(&one.repeat(2)).map(|frames| frames.len()), Ok(2));
    }

    #[test]
    fn content_length_is_read_in_every_spelling() {
        for header in [
            "l:4",
            "CONTENT-length \t:  0004  ",
            "Content-Length:\r\n 4",
            "L: \r\n\t4",
        ] {
            let text = format!("OPTIONS sip:a@h SIP/2.0\r\nX: a\r\n l: 9\r\n{header}\r\n\r\nbody");
            let frames = cut(text.as_bytes()).unwrap();
            assert_eq!(frames, [Frame::Message(Bytes::from(text))], "{header}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for (header, error) in [
            ("Content-Length: -1", FramingError::ContentLength),
            ("Content-Length: 4 4", FramingError::ContentLength),
            ("Content-Length: 4\r\nl: 4", FramingError::ContentLength),
            ("Content-Length: 65536", FramingError::MessageTooLarge),
            (
                "Content-Length: 18446744073709551615",
                FramingError::MessageTooLarge,
            ),
            (
                "Content-Length: 99999999999999999999999",
                FramingError::ContentLength,
            ),
        ] {
            let text = format!("OPTIONS sip:a@h SIP/2.0\r\n{header}\r\n\r\n");
            assert_eq!(cut(text.as_bytes()), Err(error), "{header}");
        }
    }

    #[test]
    fn what_is_not_sip_is_refused_early() {
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01"[..],
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x00",
            b"hello world\r\n",
            b"INVITE sip:a@h SIP/2.0\n",
            b"\n",
        ] {
            assert_eq!(cut(garbage), Err(FramingError::NotSip), "{garbage:?}");
        }
        assert_eq!(
            cut(&b"A".repeat(START_LINE_OCTETS)),
            Err(FramingError::NotSip)
        );
    }

    #[test]
    fn a_header_of_a_megabyte_is_refused_before_it_is_held() {
        let mut framer = Framer::new();
        framer
            .push(b"OPTIONS sip:a@h SIP/2.0\r\nSubject: ")
            .unwrap();
        let chunk = [b'x'; 1024];
        let mut pushed = 0;
        let error = loop {
            pushed += chunk.len();
            if let Err(error) = framer.push(&chunk).and_then(|()| frames(&mut framer)) {
                break error;
            }
            assert!(pushed < 1 << 20);
        };
        assert_eq!(error, FramingError::HeadTooLarge);
        assert!(pushed <= limits::HEAD_OCTETS + 1024);
        assert_eq!(framer.push(REQUEST), Err(error));
        assert_eq!(framer.waiting(), 0);
    }

    #[test]
    fn frames_that_nobody_takes_do_not_pile_up() {
        let mut framer = Framer::new();
        let outcome = (0..1000).try_for_each(|_| framer.push(&REQUEST.repeat(100)));
        assert_eq!(outcome, Err(FramingError::Overrun));
    }
}
