//! Randomness as an argument: shells seed it from the operating system, the simulation from its seed.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::id::BASE32;

/// A source of random numbers.
pub trait Random {
    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64;

    /// `length` random characters of lower-case base 32, five bits each: for tags, branches, Call-IDs.
    fn token(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        let mut bits = 0u64;
        for at in 0..length {
            if at % 12 == 0 {
                bits = self.next_u64();
            }
            text.push(char::from(BASE32[bits as usize & 31]));
            bits >>= 5;
        }
        text
    }
}

/// Randomness that follows from a seed, of cryptographic quality if the seed is.
#[derive(Clone, Debug)]
pub struct Seeded(ChaCha12Rng);

impl Seeded {
    /// The source of this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }
}

impl Random for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let mut one = Seeded::new([7; 32]);
        let mut two = Seeded::new([7; 32]);
        let token = one.token(30);
        assert_eq!(token, two.token(30));
        assert_eq!(token.len(), 30);
        assert_ne!(token, one.token(30));
        assert!(token.bytes().all(|byte| BASE32.contains(&byte)));
    }
}
