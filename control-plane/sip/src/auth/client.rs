//! The client's side: reading a challenge, choosing among several, answering. Used by trunks and by test phones.

use super::Algorithm;
use super::algorithm::{Exchange, response};
use super::parameters::{parse_digest, quoted};

/// One challenge of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The realm asked for.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// Sent back untouched.
    pub opaque: Option<String>,
    /// The hash function it asks for.
    pub algorithm: Algorithm,
    /// The last answer was right, only its nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// Reads one `WWW-Authenticate` or `Proxy-Authenticate` value; nothing where we cannot answer it.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let parameters = parse_digest(value)?;
        let find = |name: &str| {
            parameters
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let offers_auth = find("qop")?
            .split(',')
            .any(|offer| offer.trim().eq_ignore_ascii_case("auth"));
        offers_auth.then_some(())?;
        Some(Self {
            realm: find("realm")?.to_owned(),
            nonce: find("nonce")?.to_owned(),
            opaque: find("opaque").map(str::to_owned),
            algorithm: find("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)?,
            stale: find("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The first challenge that we can answer: servers write the one they like best first (RFC 8760 §2.4).
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        values.into_iter().find_map(Self::parse)
    }
}

/// Everything an answer needs besides the challenge.
pub struct Answer<'a> {
    /// Who we are.
    pub username: &'a str,
    /// What only we and the server know.
    pub password: &'a str,
    /// Method of the request.
    pub method: &'a str,
    /// Request-URI as it will stand on the wire.
    pub uri: &'a str,
    /// Our own nonce.
    pub client_nonce: &'a str,
    /// How often this nonce was answered, this time included.
    pub nonce_count: u32,
}

impl Answer<'_> {
    /// The header value for `Authorization` or `Proxy-Authorization`.
    pub fn to(&self, challenge: &Challenge) -> String {
        let nonce_count = format!("{:08x}", self.nonce_count);
        let exchange = Exchange {
            nonce: &challenge.nonce,
            nonce_count: &nonce_count,
            client_nonce: self.client_nonce,
            uri: self.uri.as_bytes(),
        };
        let ha1 = challenge
            .algorithm
            .ha1(self.username, &challenge.realm, self.password);
        let proof = response(challenge.algorithm, &ha1, self.method, &exchange);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{proof}\", algorithm={}, cnonce={}, qop=auth, nc={nonce_count}",
            quoted(self.username),
            quoted(&challenge.realm),
            quoted(&challenge.nonce),
            quoted(self.uri),
            challenge.algorithm.as_str(),
            quoted(self.client_nonce),
        );
        if let Some(opaque) = &challenge.opaque {
            value.push_str(", opaque=");
            value.push_str(&quoted(opaque));
        }
        value
    }
}
