use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{MAX_LINKS, MAX_PAYLOAD_NAME_OCTETS, MAX_PAYLOADS, MAX_TERMINATIONS, SessionId};

/// All that a media server must do for one session. Always sent whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionDescriptor {
    pub session: SessionId,
    /// Ownership epoch of the call; a descriptor of a lower epoch than the held one is refused.
    pub epoch: u64,
    /// Grows with each change within an epoch; the same revision again gets the same answer.
    pub revision: u64,
    /// One per party; a termination keeps its ports for as long as its id stays in the descriptor.
    pub terminations: Vec<Termination>,
    /// Who is heard by whom.
    pub links: Vec<Link>,
    /// Silence of a party, while it is expected to send, that raises [`crate::Event::RtpTimeout`]. `None`: never.
    #[serde(default)]
    pub rtp_timeout_ms: Option<u64>,
}

/// One party's end of the media: a pair of ports here, an address there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Termination {
    pub id: u8,
    /// Where the party's SDP wants RTP (`c=`, `m=`). `None`: not known yet, for instance before its answer. The
    /// unspecified address (hold in the old way) counts as `None`.
    #[serde(default)]
    pub remote: Option<SocketAddr>,
    /// Where the party's SDP wants RTCP (`a=rtcp`). `None`: the port after `remote`, or the same with mux.
    #[serde(default)]
    pub remote_rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port (RFC 5761). Only to be set when both sides agreed on it: no RTCP port is kept then.
    #[serde(default)]
    pub rtcp_mux: bool,
    /// The family of the local ports.
    pub family: Family,
    #[serde(default)]
    pub direction: Direction,
    /// The payload types in use with this party; they tell clock rates and codecs for the statistics and filter nothing.
    #[serde(default)]
    pub payloads: Vec<Payload>,
    /// Answer to the address that the party's media comes from (symmetric RTP) rather than to the one in its SDP.
    #[serde(default)]
    pub latch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    V4,
    V6,
}

/// Which way media flows at a termination, **as the media server sees it**: `SendOnly` sends to the party and hears
/// nothing from it. A party that says `a=sendonly` is therefore `RecvOnly` here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// Media goes to the party.
    #[must_use]
    pub const fn sends(self) -> bool {
        match self {
            Self::SendRecv | Self::SendOnly => true,
            Self::RecvOnly | Self::Inactive => false,
        }
    }

    /// Media is expected from the party.
    #[must_use]
    pub const fn receives(self) -> bool {
        match self {
            Self::SendRecv | Self::RecvOnly => true,
            Self::SendOnly | Self::Inactive => false,
        }
    }

    /// The same flow as the other end names it (RFC 3264 §6.1).
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }
}

/// One `a=rtpmap`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload {
    pub number: u8,
    /// Encoding name as in the SDP; case does not matter.
    pub name: String,
    pub clock_rate: u32,
}

/// What comes from one termination goes to another. A termination linked to itself hears itself (echo test).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    pub from: u8,
    pub to: u8,
}

/// Why a descriptor makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum DescriptorError {
    #[error("{0} terminations, at most {MAX_TERMINATIONS} are possible")]
    TooManyTerminations(usize),
    #[error("termination {0} is there twice")]
    DuplicateTermination(u8),
    #[error("{0} links, at most {MAX_LINKS} are possible")]
    TooManyLinks(usize),
    #[error("a link names termination {0}, which is not there")]
    UnknownTermination(u8),
    #[error("termination {0} has more than {MAX_PAYLOADS} payload types")]
    TooManyPayloads(u8),
    #[error(
        "termination {0} has a payload type above 127, a name that is empty or too long, or no clock rate"
    )]
    BadPayload(u8),
    #[error(
        "termination {0} has a remote address of the other family, for many hosts, or with port 0"
    )]
    BadRemote(u8),
}

impl SessionDescriptor {
    /// Whether a media server could follow this descriptor.
    pub fn validate(&self) -> Result<(), DescriptorError> {
        if self.terminations.len() > MAX_TERMINATIONS {
            return Err(DescriptorError::TooManyTerminations(
                self.terminations.len(),
            ));
        }
        if self.links.len() > MAX_LINKS {
            return Err(DescriptorError::TooManyLinks(self.links.len()));
        }
        for (index, termination) in self.terminations.iter().enumerate() {
            if self.terminations[..index]
                .iter()
                .any(|earlier| earlier.id == termination.id)
            {
                return Err(DescriptorError::DuplicateTermination(termination.id));
            }
            termination.validate()?;
        }
        for id in self.links.iter().flat_map(|link| [link.from, link.to]) {
            if self.termination(id).is_none() {
                return Err(DescriptorError::UnknownTermination(id));
            }
        }
        Ok(())
    }

    /// The termination with this id.
    #[must_use]
    pub fn termination(&self, id: u8) -> Option<&Termination> {
        self.terminations
            .iter()
            .find(|termination| termination.id == id)
    }
}

impl Termination {
    /// A party of whom nothing is known yet.
    #[must_use]
    pub const fn new(id: u8, family: Family) -> Self {
        Self {
            id,
            remote: None,
            remote_rtcp: None,
            rtcp_mux: false,
            family,
            direction: Direction::SendRecv,
            payloads: Vec::new(),
            latch: true,
        }
    }

    fn validate(&self) -> Result<(), DescriptorError> {
        if self.payloads.len() > MAX_PAYLOADS {
            return Err(DescriptorError::TooManyPayloads(self.id));
        }
        if !self.payloads.iter().all(Payload::is_possible) {
            return Err(DescriptorError::BadPayload(self.id));
        }
        let fits = |address: &SocketAddr| {
            self.family.holds(address) && address.port() != 0 && is_one_host(address)
        };
        if !self.remote.iter().chain(&self.remote_rtcp).all(fits) {
            return Err(DescriptorError::BadRemote(self.id));
        }
        Ok(())
    }
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }

    fn holds(self, address: &SocketAddr) -> bool {
        self == Self::of(address)
    }
}

impl Payload {
    fn is_possible(&self) -> bool {
        self.number <= 127
            && !self.name.is_empty()
            && self.name.len() <= MAX_PAYLOAD_NAME_OCTETS
            && self.clock_rate > 0
    }
}

fn is_one_host(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_multicast(),
    }
}
