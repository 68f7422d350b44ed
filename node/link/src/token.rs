//! Join tokens: one line of text that lets one machine into the cluster once.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Fingerprint, LinkError};

const PREFIX: &str = "carillon1-";
const SECRET_OCTETS: usize = 16;
const CHECKSUM_OCTETS: usize = 4;
const FIXED_OCTETS: usize = 32 + SECRET_OCTETS;

/// Addresses beyond this many are no help to a joining machine.
const MAX_ADDRESSES: usize = 16;

/// The one-time secret of a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinSecret([u8; SECRET_OCTETS]);

impl JoinSecret {
    /// What the cluster keeps instead of the secret.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(…)")
    }
}

/// Where to join, how to recognise the cluster, and the right to do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// The cluster's authority.
    pub authority: Fingerprint,
    /// The right to join, once.
    pub secret: JoinSecret,
    /// Cluster addresses of control nodes.
    pub addresses: Vec<SocketAddr>,
}

/// Text that is no join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a whole join token")]
pub struct TokenError;

impl JoinToken {
    /// A new token with a fresh secret.
    pub fn generate(authority: Fingerprint, addresses: Vec<SocketAddr>) -> Result<Self, LinkError> {
        let mut secret = [0; SECRET_OCTETS];
        getrandom::fill(&mut secret).map_err(LinkError::certificate)?;
        Ok(Self {
            authority,
            secret: JoinSecret(secret),
            addresses: addresses.into_iter().take(MAX_ADDRESSES).collect(),
        })
    }

    /// The line to paste. It is a secret: not `Display`, so that it gets into no log by chance.
    pub fn to_text(&self) -> String {
        let mut octets = Vec::with_capacity(128);
        octets.extend_from_slice(&self.authority.0);
        octets.extend_from_slice(&self.secret.0);
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        octets.extend_from_slice(addresses.join(",").as_bytes());
        let checksum = Sha256::digest(&octets);
        octets.extend_from_slice(&checksum[..CHECKSUM_OCTETS]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets))
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError)?;
        let octets = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError)?;
        let (content, checksum) = octets
            .split_last_chunk::<CHECKSUM_OCTETS>()
            .ok_or(TokenError)?;
        if Sha256::digest(content)[..CHECKSUM_OCTETS] != *checksum || content.len() < FIXED_OCTETS {
            return Err(TokenError);
        }
        let (authority, rest) = content.split_first_chunk::<32>().ok_or(TokenError)?;
        let (secret, addresses) = rest
            .split_first_chunk::<SECRET_OCTETS>()
            .ok_or(TokenError)?;
        let addresses = std::str::from_utf8(addresses).map_err(|_| TokenError)?;
        let addresses = addresses
            .split(',')
            .filter(|address| !address.is_empty())
            .take(MAX_ADDRESSES)
            .map(|address| address.parse().map_err(|_| TokenError))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            authority: Fingerprint(*authority),
            secret: JoinSecret(*secret),
            addresses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        let addresses = vec![
            "10.1.2.3:7400".parse().unwrap(),
            "[2001:db8::1]:7400".parse().unwrap(),
        ];
        JoinToken::generate(Fingerprint([7; 32]), addresses).unwrap()
    }

    #[test]
    fn a_pasted_token_is_the_token() {
        let token = token();
        assert_eq!(format!("  {}\n", token.to_text()).parse(), Ok(token));
    }

    #[test]
    fn a_token_with_a_letter_missing_or_changed_is_none() {
        let text = token().to_text();
        assert_eq!(text[..text.len() - 1].parse::<JoinToken>(), Err(TokenError));
        let changed: String = text
            .char_indices()
            .map(|(i, c)| {
                if i == 30 {
                    if c == 'A' { 'B' } else { 'A' }
                } else {
                    c
                }
            })
            .collect();
        assert_eq!(changed.parse::<JoinToken>(), Err(TokenError));
        assert_eq!("".parse::<JoinToken>(), Err(TokenError));
    }

    #[test]
    fn a_token_does_not_show_its_secret_when_printed() {
        assert!(format!("{:?}", token()).contains("JoinSecret(…)"));
    }
}
