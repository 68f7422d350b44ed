//! A hash that is the same on every machine and in every process, and cheap.

use std::io;

use serde::Serialize;

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes what is written to it, eight octets at a time, however the writes are cut.
struct Hasher {
    state: u64,
    tail: [u8; 8],
    filled: usize,
    length: u64,
}

impl Hasher {
    fn new() -> Self {
        Self {
            state: SEED,
            tail: [0; 8],
            filled: 0,
            length: 0,
        }
    }

    fn mix(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(FACTOR);
        self.state ^= self.state >> 29;
    }

    fn finish(mut self) -> u64 {
        self.tail[self.filled..].fill(0);
        self.mix(u64::from_le_bytes(self.tail));
        self.mix(self.length);
        // Finaliser of splitmix64: the sums of `Table` need every bit to depend on every octet.
        let mut hash = self.state;
        hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ hash >> 31
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        let mut rest = bytes;
        if self.filled > 0 {
            let taken = rest.len().min(8 - self.filled);
            self.tail[self.filled..self.filled + taken].copy_from_slice(&rest[..taken]);
            self.filled += taken;
            rest = &rest[taken..];
            if self.filled < 8 {
                return Ok(bytes.len());
            }
            self.filled = 0;
            self.mix(u64::from_le_bytes(self.tail));
        }
        let mut words = rest.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(
                word.try_into().expect("chunks of eight"),
            ));
        }
        let left = words.remainder();
        self.tail[..left.len()].copy_from_slice(left);
        self.filled = left.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The hash of a value by its MessagePack octets.
pub(crate) fn hash_of<T: Serialize>(value: &T) -> u64 {
    let mut hasher = Hasher::new();
    rmp_serde::encode::write(&mut hasher, value).expect("plain data written to memory");
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_hash_does_not_depend_on_how_writes_are_cut() {
        let text = b"a text that is longer than one word of eight octets";
        let mut whole = Hasher::new();
        whole.write_all(text).unwrap();
        let whole = whole.finish();
        for step in 1..20 {
            let mut cut = Hasher::new();
            for piece in text.chunks(step) {
                cut.write_all(piece).unwrap();
            }
            assert_eq!(cut.finish(), whole, "cut by {step}");
        }
    }

    #[test]
    fn the_hash_never_changes_between_builds() {
        assert_eq!(hash_of(&"alice"), 12_193_858_357_214_151_184);
    }
}
