//! Who may use the programming interface.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AdministratorId, Secret, UserId};

/// Tokens that can be valid at a time.
pub(crate) const MAX_TOKENS: usize = 10_000;

/// An administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Administrator {
    /// Number of the account.
    pub id: AdministratorId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Login.
    pub username: String,
    /// Argon2 hash of the password, made before the command was proposed.
    pub password_hash: Secret,
    /// Whether it may log in.
    pub enabled: bool,
    /// When it was made; written by apply.
    pub created_at_ms: u64,
}

impl Default for Administrator {
    fn default() -> Self {
        Self {
            id: AdministratorId(0),
            revision: 0,
            username: String::new(),
            password_hash: Secret::default(),
            enabled: true,
            created_at_ms: 0,
        }
    }
}

/// For whom a token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// An administrator.
    Administrator(AdministratorId),
    /// A user.
    User(UserId),
}

/// SHA-256 of a token: the token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({}…)", hex::encode(&self.0[..4]))
    }
}

/// A right to use the programming interface for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// By what it is found.
    pub hash: TokenHash,
    /// For whom it speaks.
    pub account: Account,
    /// When it was made.
    pub created_at_ms: u64,
    /// Until when it is valid.
    pub expires_at_ms: u64,
    /// The address that asked for it.
    #[serde(default)]
    pub remote_address: Option<String>,
}
