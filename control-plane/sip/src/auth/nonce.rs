//! Nonces that carry their time and prove themselves: `time ‖ salt ‖ HMAC-SHA256(key, realm ‖ time ‖ salt)`, hexadecimal.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const TIME: usize = 8;
const SALT: usize = 8;
const PROOF: usize = 16;
const LENGTH: usize = TIME + SALT + PROOF;

/// A nonce that one of our nodes made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nonce {
    pub(super) made_at_ms: u64,
    pub(super) salt: u64,
}

impl Nonce {
    pub(super) fn encode(self, key: &[u8; 32], realm: &str) -> String {
        let mut octets = [0; LENGTH];
        octets[..TIME].copy_from_slice(&self.made_at_ms.to_be_bytes());
        octets[TIME..TIME + SALT].copy_from_slice(&self.salt.to_be_bytes());
        octets[TIME + SALT..].copy_from_slice(&self.proof(key, realm));
        hex::encode(octets)
    }

    /// The nonce, if it was made under this key for this realm.
    pub(super) fn decode(text: &str, key: &[u8; 32], realm: &str) -> Option<Self> {
        let mut octets = [0; LENGTH];
        hex::decode_to_slice(text, &mut octets).ok()?;
        let (time, rest) = octets.split_first_chunk::<TIME>()?;
        let (salt, proof) = rest.split_first_chunk::<SALT>()?;
        let nonce = Self {
            made_at_ms: u64::from_be_bytes(*time),
            salt: u64::from_be_bytes(*salt),
        };
        bool::from(nonce.proof(key, realm).ct_eq(proof)).then_some(nonce)
    }

    fn proof(self, key: &[u8; 32], realm: &str) -> [u8; PROOF] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(realm.as_bytes());
        mac.update(&[0]);
        mac.update(&self.made_at_ms.to_be_bytes());
        mac.update(&self.salt.to_be_bytes());
        let full = mac.finalize().into_bytes();
        let mut proof = [0; PROOF];
        proof.copy_from_slice(&full[..PROOF]);
        proof
    }
}
