use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};

use super::line::{self, Line};
use super::{Codec, Direction, SdpError};
use crate::limits;
use crate::text::Text;

/// One media section: its `m=` line and the lines behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image`, …
    pub kind: Text,
    /// The port; zero refuses or ends the section.
    pub port: u16,
    /// What stands behind a slash after the port, as in `49170/2`.
    pub port_count: Option<u16>,
    /// The profile, as `RTP/AVP`.
    pub protocol: Text,
    /// The formats; of RTP payload types.
    pub formats: Vec<Text>,
    /// The lines of the section in order.
    pub lines: Vec<Line>,
}

impl Media {
    /// An audio section with formats.
    pub fn audio(port: u16, codecs: &[Codec]) -> Self {
        let mut media = Self {
            kind: Text::from_static("audio"),
            port,
            port_count: None,
            protocol: Text::from_static("RTP/AVP"),
            formats: codecs
                .iter()
                .map(|codec| Text::from(codec.payload.to_string()))
                .collect(),
            lines: Vec::new(),
        };
        for codec in codecs {
            media
                .lines
                .push(Line::attribute(format!("rtpmap:{}", codec.rtpmap())));
            if let Some(fmtp) = &codec.fmtp {
                media
                    .lines
                    .push(Line::attribute(format!("fmtp:{} {fmtp}", codec.payload)));
            }
        }
        media
    }

    pub(super) fn parse(value: &Bytes) -> Result<Self, SdpError> {
        let text = std::str::from_utf8(value).map_err(|_| SdpError::Media)?;
        let mut words = text.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            return Err(SdpError::Media);
        };
        let (port, count) = match port.split_once('/') {
            Some((port, count)) => (port, Some(count.parse().map_err(|_| SdpError::Media)?)),
            None => (port, None),
        };
        let mut formats = Vec::new();
        for word in words {
            if formats.len() == limits::SDP_FORMATS {
                return Err(SdpError::TooManyFormats);
            }
            formats.push(Text::from(word));
        }
        if formats.is_empty() {
            return Err(SdpError::Media);
        }
        Ok(Self {
            kind: Text::from(kind),
            port: port.parse().map_err(|_| SdpError::Media)?,
            port_count: count,
            protocol: Text::from(protocol),
            formats,
            lines: Vec::new(),
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_slice(b"m=");
        out.put_slice(self.kind.as_bytes());
        out.put_slice(format!(" {}", self.port).as_bytes());
        if let Some(count) = self.port_count {
            out.put_slice(format!("/{count}").as_bytes());
        }
        for word in std::iter::once(&self.protocol).chain(&self.formats) {
            out.put_u8(b' ');
            out.put_slice(word.as_bytes());
        }
        out.put_slice(b"\r\n");
        for line in &self.lines {
            line.write(out);
        }
    }

    /// Whether the section is RTP without encryption, which a media server can relay.
    pub fn is_plain_rtp(&self) -> bool {
        ["RTP/AVP", "RTP/AVPF"]
            .iter()
            .any(|plain| plain.eq_ignore_ascii_case(&self.protocol))
    }

    /// The first value of an attribute; empty for one without a value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        line::attribute(&self.lines, name)
    }

    /// The port and perhaps the address of `a=rtcp` (RFC 3605).
    pub fn rtcp(&self) -> Option<(u16, Option<IpAddr>)> {
        let mut words = self.attribute("rtcp")?.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
        Some((port, words.nth(2).and_then(|address| address.parse().ok())))
    }

    /// Whether RTCP may come on the port of RTP (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.lines.iter().any(|line| line.is_attribute("rtcp-mux"))
    }

    /// The milliseconds of media that the maker wants in a packet.
    pub fn ptime_ms(&self) -> Option<u32> {
        self.attribute("ptime")?.trim().parse().ok()
    }

    /// Puts a direction in the place of the one that is there.
    pub fn set_direction(&mut self, direction: Direction) {
        let is_direction = |line: &Line| {
            line.as_attribute()
                .is_some_and(|(name, _)| Direction::named(name).is_some())
        };
        let new = Line::attribute(direction.as_str());
        match self.lines.iter().position(is_direction) {
            Some(first) => {
                self.lines[first] = new;
                let mut at = 0;
                self.lines.retain(|line| {
                    at += 1;
                    at - 1 == first || !is_direction(line)
                });
            }
            None => self.lines.push(new),
        }
    }
}
