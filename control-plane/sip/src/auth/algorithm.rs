//! The two hash functions that RFC 8760 leaves standing, and the hashes made with them.

use md5::Md5;
use sha2::{Digest, Sha256};

/// A digest algorithm we ask for and understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, asked for first.
    Sha256,
    /// MD5, for the phones that know nothing better.
    Md5,
}

impl Algorithm {
    /// The algorithms of a challenge, best first (RFC 8760 §2.4).
    pub const OFFERED: [Self; 2] = [Self::Sha256, Self::Md5];

    /// The token on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// Reads the token; session variants (`-sess`) are never offered and so not understood.
    pub fn parse(token: &str) -> Option<Self> {
        Self::OFFERED
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(token))
    }

    /// Lower-case hexadecimal hash of the parts joined by colons.
    pub fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Sha256 => hash_joined::<Sha256>(parts),
            Self::Md5 => hash_joined::<Md5>(parts),
        }
    }

    /// The stored half of the secret: `H(username:realm:password)`.
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> String {
        self.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()])
    }
}

fn hash_joined<D: Digest>(parts: &[&[u8]]) -> String {
    let mut state = D::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            state.update(b":");
        }
        state.update(part);
    }
    hex::encode(state.finalize())
}

/// What is stored of a user's password for one realm: one hash an algorithm, in lower-case hexadecimal.
#[derive(Clone, Copy)]
pub struct Ha1<'a> {
    /// `SHA-256(username:realm:password)`.
    pub sha256: &'a str,
    /// `MD5(username:realm:password)`.
    pub md5: &'a str,
}

impl<'a> Ha1<'a> {
    /// Hashes of no password at all: lets the same work be done for a user who does not exist.
    pub const NOBODY: Self = Self {
        sha256: "0000000000000000000000000000000000000000000000000000000000000000",
        md5: "00000000000000000000000000000000",
    };

    /// The hash for one algorithm.
    pub fn of(self, algorithm: Algorithm) -> &'a str {
        match algorithm {
            Algorithm::Sha256 => self.sha256,
            Algorithm::Md5 => self.md5,
        }
    }
}

/// `H(HA1:nonce:nc:cnonce:qop:HA2)` with `HA2 = H(method:uri)` (RFC 7616 §3.4.1, quality of protection `auth`).
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &str,
    method: &str,
    exchange: &Exchange<'_>,
) -> String {
    let ha2 = algorithm.hash(&[method.as_bytes(), exchange.uri]);
    algorithm.hash(&[
        ha1.as_bytes(),
        exchange.nonce.as_bytes(),
        exchange.nonce_count.as_bytes(),
        exchange.client_nonce.as_bytes(),
        b"auth",
        ha2.as_bytes(),
    ])
}

/// What server and client said to each other and both hash.
pub(super) struct Exchange<'a> {
    pub(super) nonce: &'a str,
    pub(super) nonce_count: &'a str,
    pub(super) client_nonce: &'a str,
    pub(super) uri: &'a [u8],
}
