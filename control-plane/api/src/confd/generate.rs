//! Values that the interface invents when nobody gives them.

use carillon_model::{Random, Secret, Seeded};

use crate::refusal::{Kind, Place, Refusal};

/// As XiVO's SIP names.
const USERNAME_CHARACTERS: usize = 8;
/// 80 bits: still typed by hand once per phone.
const SECRET_CHARACTERS: usize = 16;

pub(super) struct Generator(Seeded);

impl Generator {
    pub(super) fn new() -> Result<Self, Refusal> {
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

    pub(super) fn username(&mut self) -> String {
        self.0.token(USERNAME_CHARACTERS)
    }

    pub(super) fn secret(&mut self) -> Secret {
        Secret::new(self.0.token(SECRET_CHARACTERS))
    }

    /// Six digits.
    pub(super) fn provisioning_code(&mut self) -> String {
        format!("{:06}", self.0.next_u64() % 1_000_000)
    }

    pub(super) fn uuid(&mut self) -> String {
        let bits = u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64());
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }
}
