//! What a client says in `Authorization` or `Proxy-Authorization`.

use thiserror::Error;

use super::{Algorithm, parameters::parse_digest};

/// A client's answer to a challenge, as it stood on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is.
    pub username: String,
    /// The realm it answers for.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The URI it hashed.
    pub uri: String,
    /// Its proof, hexadecimal.
    pub response: String,
    /// The hash function; MD5 where the client names none.
    pub algorithm: Algorithm,
    /// Its own nonce.
    pub client_nonce: String,
    /// Eight hexadecimal digits, as sent.
    pub nonce_count: String,
}

/// Why credentials cannot be judged at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// Not the Digest scheme, or not its grammar.
    #[error("credentials are not in the digest grammar")]
    Grammar,
    /// A parameter that digest cannot do without.
    #[error("credentials lack {0}")]
    Missing(&'static str),
    /// An algorithm that was not offered.
    #[error("credentials use an algorithm that was not offered")]
    Algorithm,
    /// A quality of protection that was not offered.
    #[error("credentials use a quality of protection that was not offered")]
    Protection,
    /// A nonce count that is not eight hexadecimal digits, or zero.
    #[error("nonce count is not a positive number of eight hexadecimal digits")]
    NonceCount,
}

impl Credentials {
    /// Reads one header value.
    pub fn parse(value: &[u8]) -> Result<Self, CredentialsError> {
        let parameters = parse_digest(value).ok_or(CredentialsError::Grammar)?;
        let find = |name: &str| {
            parameters
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let need = |name: &'static str| {
            find(name)
                .map(str::to_owned)
                .ok_or(CredentialsError::Missing(name))
        };
        let algorithm = find("algorithm")
            .map_or(Some(Algorithm::Md5), Algorithm::parse)
            .ok_or(CredentialsError::Algorithm)?;
        if !need("qop")?.eq_ignore_ascii_case("auth") {
            return Err(CredentialsError::Protection);
        }
        let credentials = Self {
            username: need("username")?,
            realm: need("realm")?,
            nonce: need("nonce")?,
            uri: need("uri")?,
            response: need("response")?,
            algorithm,
            client_nonce: need("cnonce")?,
            nonce_count: need("nc")?,
        };
        credentials.count().ok_or(CredentialsError::NonceCount)?;
        Ok(credentials)
    }

    /// The realm of a header value, without judging the rest.
    pub fn realm_of(value: &[u8]) -> Option<String> {
        parse_digest(value)?
            .into_iter()
            .find(|(name, _)| name == "realm")
            .map(|(_, realm)| realm)
    }

    /// The nonce count as a number.
    pub(super) fn count(&self) -> Option<u32> {
        let well_formed = self.nonce_count.len() == 8
            && self
                .nonce_count
                .bytes()
                .all(|digit| digit.is_ascii_hexdigit());
        let count = u32::from_str_radix(&self.nonce_count, 16).ok()?;
        (well_formed && count > 0).then_some(count)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("algorithm", &self.algorithm)
            .field("nonce_count", &self.nonce_count)
            .finish_non_exhaustive()
    }
}
