//! Values that the interface invents when nobody gives them.

use carillon_model::{Random, Secret, Seeded};

use crate::refusal::{Kind, Place, Refusal};

/// As XiVO's SIP names.
const USERNAME_CHARACTERS: usize = 8;
/// 80 bits: still typed by hand once per phone.
const SECRET_CHARACTERS: usize = 16;
/// 260 bits.
const TOKEN_CHARACTERS: usize = 52;

pub(crate) struct Generator(Seeded);

impl Generator {
    pub(crate) fn new() -> Result<Self, Refusal> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            tracing::error!(%error, "the system gives no randomness");
            Refusal::new(
                Kind::Internal,
                Place::Request,
                "the system gives no randomness",
            )
        })?;
        Ok(Self(Seeded::new(seed)))
    }

    /// What an administrator shows for who it is.
    pub(crate) fn token(&mut self) -> String {
        self.0.token(TOKEN_CHARACTERS)
    }

    pub(crate) fn username(&mut self) -> String {
        self.0.token(USERNAME_CHARACTERS)
    }

    pub(crate) fn secret(&mut self) -> Secret {
        Secret::new(self.0.token(SECRET_CHARACTERS))
    }

    /// Six digits.
    pub(crate) fn provisioning_code(&mut self) -> String {
        format!("{:06}", self.0.next_u64() % 1_000_000)
    }

    pub(crate) fn uuid(&mut self) -> String {
        let bits = u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64());
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }
}
