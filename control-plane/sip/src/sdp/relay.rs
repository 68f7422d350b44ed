use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Connection, Direction, Line, Media, Origin, SessionDescription};

/// Where a media server listens for one media section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaAddress {
    /// For RTP.
    pub rtp: SocketAddr,
    /// For RTCP; the same as for RTP with rtcp-mux.
    pub rtcp: SocketAddr,
}

/// Our `o=` line in one dialog: the session stays, the version rises by one with each description
/// that says something else (RFC 3264 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalOrigin {
    /// The session.
    pub session_id: u64,
    /// The version.
    pub version: u64,
    /// Our address.
    pub address: IpAddr,
}

impl From<LocalOrigin> for Origin {
    fn from(local: LocalOrigin) -> Self {
        Self::new(local.session_id, local.version, local.address)
    }
}

/// Attributes that speak of the path between two hosts, or of encryption, and are not true of ours.
const NOT_OURS: [&str; 24] = [
    "acap",
    "acfg",
    "alt",
    "candidate",
    "cfg",
    "connection",
    "crypto",
    "csup",
    "end-of-candidates",
    "fingerprint",
    "group",
    "ice-lite",
    "ice-mismatch",
    "ice-options",
    "ice-pwd",
    "ice-ufrag",
    "key-mgmt",
    "pcfg",
    "remote-candidates",
    "rtcp-mux-only",
    "setup",
    "source-filter",
    "tcap",
    "zrtp-hash",
];

impl SessionDescription {
    /// The description that the other phone gets: the same media under our origin and at the
    /// addresses of a media server. A section without an address is refused with port zero, so that
    /// both phones count the same sections.
    pub fn relayed(&self, origin: LocalOrigin, addresses: &[Option<MediaAddress>]) -> Self {
        let media = self.media.iter().enumerate();
        let relayed = media.map(|(place, media)| {
            match addresses
                .get(place)
                .copied()
                .flatten()
                .filter(|_| media.port != 0)
            {
                Some(address) => self.relayed_media(media, address),
                None => refused(media),
            }
        });
        let media: Vec<Media> = relayed.collect();
        let session_address = addresses
            .iter()
            .flatten()
            .next()
            .map_or(origin.address, |a| a.rtp.ip());
        Self {
            origin: origin.into(),
            lines: session_lines(&self.lines, session_address),
            media,
        }
    }

    fn relayed_media(&self, media: &Media, address: MediaAddress) -> Media {
        let mut out = media.clone();
        out.port = address.rtp.port();
        out.port_count = None;
        out.lines
            .retain(|line| line.kind != b'c' && line.kind != b'k' && is_ours(line));
        let front = out
            .lines
            .iter()
            .take_while(|line| line.kind == b'i')
            .count();
        out.lines.insert(
            front,
            Line::new(b'c', Connection::to(address.rtp.ip()).to_string()),
        );
        if address.rtcp == address.rtp {
            out.lines.push(Line::attribute("rtcp-mux"));
        } else if address.rtcp.ip() != address.rtp.ip()
            || Some(address.rtcp.port()) != address.rtp.port().checked_add(1)
        {
            let Connection { family, host } = Connection::to(address.rtcp.ip());
            let port = address.rtcp.port();
            out.lines
                .push(Line::attribute(format!("rtcp:{port} IN {family} {host}")));
        }
        // An address of zeros means that nothing is to be sent there (RFC 3264 §8.4); ours is not
        // zero, so it has to be said by the direction.
        let direction = self.direction(media);
        if self.is_zero_address(media) {
            out.set_direction(Direction::of(direction.sends(), false));
        } else if direction != Direction::SendRecv {
            out.set_direction(direction);
        }
        out
    }
}

/// A section that is refused repeats its `m=` line and nothing else.
fn refused(media: &Media) -> Media {
    Media {
        port: 0,
        port_count: None,
        lines: Vec::new(),
        ..media.clone()
    }
}

/// Whether a line may be said again by us. `a=rtcp` and `a=rtcp-mux` are said anew.
fn is_ours(line: &Line) -> bool {
    line.kind != b'a'
        || !NOT_OURS
            .iter()
            .chain(&["rtcp", "rtcp-mux"])
            .any(|name| line.is_attribute(name))
}

fn session_lines(lines: &[Line], address: IpAddr) -> Vec<Line> {
    let mut out = Vec::with_capacity(lines.len() + 3);
    // RFC 8866 §5 has a fixed order: s i u e p c b t …
    let connection = || Line::new(b'c', Connection::to(address).to_string());
    let kept = lines.iter().filter(|line| {
        // Its directions are said by each section; contacts of the other phone's owner are not ours.
        let direction = line
            .as_attribute()
            .is_some_and(|(name, _)| Direction::named(name).is_some());
        !matches!(line.kind, b'c' | b'k' | b's' | b'u' | b'e' | b'p') && is_ours(line) && !direction
    });
    out.push(
        lines
            .iter()
            .find(|line| line.kind == b's')
            .cloned()
            .unwrap_or(Line::new(b's', "-")),
    );
    let mut placed = false;
    for line in kept {
        if !placed && line.kind != b'i' {
            out.push(connection());
            placed = true;
        }
        out.push(line.clone());
    }
    if !placed {
        out.push(connection());
    }
    if !out.iter().any(|line| line.kind == b't') {
        let behind = out
            .iter()
            .take_while(|l| matches!(l.kind, b's' | b'i' | b'c' | b'b'))
            .count();
        out.insert(behind, Line::new(b't', "0 0"));
    }
    out
}
