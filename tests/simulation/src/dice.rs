use std::ops::Range;

use carillon_model::{Random, Seeded};

use crate::trace::Fnv;

/// Chance, all of it from the seed. Each part of the world has its own, so that one part drawing once more does not
/// change what all the others draw.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Seeded);

impl Dice {
    /// The dice of one part of the world.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&seed.to_be_bytes());
        octets[8..16].copy_from_slice(&Fnv::of(part.as_bytes()).to_be_bytes());
        Self(Seeded::new(octets))
    }

    /// One of `range`.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + self.0.next_u64() % width
    }

    /// Yes, so many times out of a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.within(0..1000) < per_mille
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let place = self.within(0..choices.len() as u64);
        choices[usize::try_from(place).expect("a place in a slice")]
    }

    /// A seed for something that draws by itself.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        for eight in octets.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.0.next_u64().to_be_bytes());
        }
        octets
    }
}

impl Random for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
