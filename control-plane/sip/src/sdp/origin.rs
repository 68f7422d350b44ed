use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;

use super::SdpError;
use super::connection::family;
use crate::text::Text;

/// The data of an `o=` line, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A user name, or `-`.
    pub username: Text,
    /// The session; digits.
    pub session_id: Text,
    /// The version of the description; digits.
    pub version: Text,
    /// `IP4` or `IP6`.
    pub family: Text,
    /// The host of the maker.
    pub host: Text,
}

impl Origin {
    /// An origin of our own.
    pub fn new(session_id: u64, version: u64, address: IpAddr) -> Self {
        Self {
            username: Text::from_static("-"),
            session_id: Text::from(session_id.to_string()),
            version: Text::from(version.to_string()),
            family: family(address),
            host: Text::from(address.to_string()),
        }
    }

    pub(super) fn parse(value: &Bytes) -> Result<Self, SdpError> {
        let text = std::str::from_utf8(value).map_err(|_| SdpError::Origin)?;
        let words: Vec<&str> = text.split_ascii_whitespace().take(7).collect();
        // User names with a blank are wrong, but phones write them: the last five words count.
        let (name, rest) = match words.len() {
            6 => (words[0], &words[1..]),
            _ => return Err(SdpError::Origin),
        };
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|o| o.is_ascii_digit());
        match rest {
            [session_id, version, net, family, host]
                if digits(session_id) && digits(version) && net.eq_ignore_ascii_case("IN") =>
            {
                Ok(Self {
                    username: Text::from(name),
                    session_id: Text::from(*session_id),
                    version: Text::from(*version),
                    family: Text::from(*family),
                    host: Text::from(*host),
                })
            }
            _ => Err(SdpError::Origin),
        }
    }

    /// The address of the maker, unspecified where it is a host name.
    pub fn address(&self) -> IpAddr {
        self.host
            .parse()
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Whether two descriptions are of the same session, whichever version (RFC 8866 §5.2).
    pub fn is_same_session(&self, other: &Self) -> bool {
        self.username == other.username
            && self.session_id == other.session_id
            && self.family == other.family
            && self.host == other.host
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            username,
            session_id,
            version,
            family,
            host,
        } = self;
        write!(f, "{username} {session_id} {version} IN {family} {host}")
    }
}
