//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264).
//!
//! Lines are kept as they came and in their order, known or not; what has a meaning is read when
//! it is asked for. [`SessionDescription::relayed`] makes of the description of one phone the one
//! that the other gets, with a media server between them.

mod answer;
mod codec;
mod connection;
mod direction;
mod line;
mod media;
mod origin;
mod relay;

use std::fmt;
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use answer::{AnswerFault, check_answer};
pub use codec::{Codec, common_codecs};
pub use connection::Connection;
pub use direction::Direction;
pub use line::Line;
pub use media::Media;
pub use origin::Origin;
pub use relay::{LocalOrigin, MediaAddress};

use crate::limits;

/// The type of a body that holds a session description.
pub const CONTENT_TYPE: &str = "application/sdp";

/// Why octets are no session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// A line is not `letter=value`.
    #[error("a line is not letter=value")]
    Line,
    /// The description does not begin with `v=0`.
    #[error("does not begin with v=0")]
    Version,
    /// There is no usable `o=` line.
    #[error("no usable o= line")]
    Origin,
    /// An `m=` line does not follow its grammar.
    #[error("bad m= line")]
    Media,
    /// More lines than [`limits::SDP_LINES`].
    #[error("too many lines")]
    TooManyLines,
    /// More media sections than [`limits::SDP_MEDIA`].
    #[error("too many media sections")]
    TooManyMedia,
    /// More payload formats in a media section than [`limits::SDP_FORMATS`].
    #[error("too many formats")]
    TooManyFormats,
    /// More octets than [`limits::MESSAGE_OCTETS`].
    #[error("too long")]
    TooLong,
}

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// Who made it, and which version of it this is.
    pub origin: Origin,
    /// The lines of the session in order, without `v=` and `o=`.
    pub lines: Vec<Line>,
    /// The media sections in order.
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// A description without media.
    pub fn new(origin: Origin) -> Self {
        let connection = Connection::to(origin.address());
        let lines = vec![
            Line::new(b's', "-"),
            Line::new(b'c', connection.to_string()),
            Line::new(b't', "0 0"),
        ];
        Self {
            origin,
            lines,
            media: Vec::new(),
        }
    }

    /// Reads a description. Lines may end in LF alone; `s=` and `t=` may be missing.
    pub fn parse(octets: &Bytes) -> Result<Self, SdpError> {
        if octets.len() > limits::MESSAGE_OCTETS {
            return Err(SdpError::TooLong);
        }
        let mut lines = line::read(octets);
        match lines.next().transpose()? {
            Some(first) if first.kind == b'v' && &first.value[..] == b"0" => {}
            Some(_) | None => return Err(SdpError::Version),
        }
        let mut origin = None;
        let mut session = Vec::with_capacity(8);
        let mut media: Vec<Media> = Vec::new();
        for (count, line) in lines.enumerate() {
            if count == limits::SDP_LINES {
                return Err(SdpError::TooManyLines);
            }
            let line = line?;
            if line.kind == b'm' {
                if media.len() == limits::SDP_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                media.push(Media::parse(&line.value)?);
                continue;
            }
            match (line.kind, media.last_mut()) {
                (_, Some(section)) => section.lines.push(line),
                (b'o', None) if origin.is_none() => origin = Some(Origin::parse(&line.value)?),
                (b'o' | b'v', None) => return Err(SdpError::Line),
                (_, None) => session.push(line),
            }
        }
        Ok(Self {
            origin: origin.ok_or(SdpError::Origin)?,
            lines: session,
            media,
        })
    }

    /// The description as it stands in a body.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        out.put_slice(b"v=0\r\n");
        Line::new(b'o', self.origin.to_string()).write(&mut out);
        for line in &self.lines {
            line.write(&mut out);
        }
        for media in &self.media {
            media.write(&mut out);
        }
        out.freeze()
    }

    /// Whether another description says the same about the session, whoever made it and whichever
    /// version it is: then the version must not change (RFC 3264 §8).
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.lines == other.lines && self.media == other.media
    }

    /// The first value of a session attribute; empty for one without a value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        line::attribute(&self.lines, name)
    }

    /// The first audio section that is not refused, with its place.
    pub fn audio(&self) -> Option<(usize, &Media)> {
        self.media
            .iter()
            .enumerate()
            .find(|(_, media)| media.kind == "audio" && media.port != 0)
    }

    /// The connection data that holds for a section: its own, or that of the session.
    pub fn connection(&self, media: &Media) -> Option<Connection> {
        line::connection(&media.lines).or_else(|| line::connection(&self.lines))
    }

    /// Where RTP for a section goes; `None` for a host name, multicast, or a refused section.
    pub fn rtp_address(&self, media: &Media) -> Option<SocketAddr> {
        let address = self.connection(media)?.address()?;
        (media.port != 0).then(|| SocketAddr::new(address, media.port))
    }

    /// Where RTCP for a section goes: `a=rtcp` (RFC 3605), else the port behind that of RTP. With
    /// rtcp-mux it is this address until the answer has agreed.
    pub fn rtcp_address(&self, media: &Media) -> Option<SocketAddr> {
        let rtp = self.rtp_address(media)?;
        match media.rtcp() {
            Some((port, address)) => Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port)),
            None => rtp
                .port()
                .checked_add(1)
                .map(|port| SocketAddr::new(rtp.ip(), port)),
        }
    }

    /// The direction of a section, seen from who made the description.
    pub fn direction(&self, media: &Media) -> Direction {
        Direction::among(&media.lines)
            .or_else(|| Direction::among(&self.lines))
            .unwrap_or(Direction::SendRecv)
    }

    /// Whether a section puts the other side on hold: it is not to send, be it said by a direction
    /// or in the old way by an address of zeros (RFC 3264 §8.4).
    pub fn is_hold(&self, media: &Media) -> bool {
        !self.direction(media).receives() || self.is_zero_address(media)
    }

    pub(crate) fn is_zero_address(&self, media: &Media) -> bool {
        let address = self
            .connection(media)
            .and_then(|connection| connection.address());
        address.is_some_and(|address| address.is_unspecified())
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl std::str::FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        Self::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Serialize for SessionDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SessionDescription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
