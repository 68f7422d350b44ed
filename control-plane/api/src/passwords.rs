//! Password hashes: slow by intention, so never on a thread that others wait for, and never many at a time.

use anyhow::{Context, Result};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use carillon_model::Secret;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::refusal::{Kind, Place, Refusal};

/// Hashes that are computed at the same time: each takes a core and 19 MiB.
const AT_A_TIME: usize = 2;
/// Requests that wait for their turn.
const WAITING: usize = 64;

/// The argon2id hash of a password, with a salt of its own. It takes some 30 ms: call it where that does no harm.
pub fn hash_password(password: &str) -> Result<Secret> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .context("hash a password")?;
    Ok(Secret::new(hash.to_string()))
}

fn matches(password: &str, hash: &Secret) -> bool {
    let Ok(hash) = PasswordHash::new(hash.expose()) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &hash)
        .is_ok()
}

/// Computes hashes in turn.
pub(crate) struct Passwords {
    turns: Semaphore,
    queue: Semaphore,
    /// Checked when there is no such account, so that the time taken tells nothing.
    nobody: Secret,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            turns: Semaphore::new(AT_A_TIME),
            queue: Semaphore::new(WAITING),
            nobody: hash_password("nobody has this password")?,
        })
    }

    /// Whether a password fits a hash; without a hash it takes as long and is false.
    pub(crate) async fn verify(
        &self,
        password: Secret,
        hash: Option<Secret>,
    ) -> Result<bool, Refusal> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let fits = self.run(move || matches(password.expose(), &hash)).await?;
        Ok(fits && known)
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<Secret, Refusal> {
        self.run(move || hash_password(password.expose()))
            .await?
            .map_err(|error| {
                tracing::error!(%error, "a password could not be hashed");
                Refusal::new(
                    Kind::Internal,
                    Place::Body("password".to_owned()),
                    "could not be hashed",
                )
            })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = || {
            let message = "too many logins are waiting at this node; repeat it later";
            Refusal::new(Kind::Unavailable, Place::Request, message).retry_after_s(1)
        };
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let _turn = self.turns.acquire().await.map_err(|_| busy())?;
        spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            Refusal::new(
                Kind::Internal,
                Place::Request,
                "the password could not be checked",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        assert!(matches("correct horse", &hash));
        assert!(!matches("battery staple", &hash));
        assert!(!matches("correct horse", &Secret::new("no hash")));
    }
}
