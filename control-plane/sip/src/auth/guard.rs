//! The server's side: challenges out, verdicts on what comes back.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::algorithm::{Exchange, response};
use super::nonce::Nonce;
use super::parameters::quoted;
use super::{Algorithm, Credentials, Ha1};
use crate::uri::Uri;

/// How long an answer to a challenge is taken; after it the client is told that its nonce is stale and asks anew by itself.
pub const NONCE_LIFETIME_MS: u64 = 300_000;
/// Nonces whose counts are remembered. Beyond it the oldest are forgotten and called stale from then on.
pub const NONCE_COUNT_LIMIT: usize = 65_536;
/// How far another node's clock may be ahead of ours.
const CLOCK_SKEW_MS: u64 = 10_000;
/// Counts below the highest one that may still come, out of order, once each.
const WINDOW: u32 = 64;

/// What came of judging credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The client knows the secret and has said so in this request only.
    Accepted,
    /// The proof is right but the nonce is spent: challenge again with `stale=true`.
    Stale,
    /// Challenge again or refuse.
    Refused(Refusal),
}

/// Why credentials do not convince. For counters; a client is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The realm is not ours.
    Realm,
    /// The URI in the credentials is not the one of the request.
    Uri,
    /// The proof is wrong, or there is no such user.
    Response,
}

/// Judges credentials for one realm and remembers the nonce counts it has seen.
pub struct Guard {
    realm: String,
    counts: BTreeMap<Nonce, Counts>,
    /// Nonces up to this one were forgotten for want of room.
    forgotten: Option<Nonce>,
}

/// Counts seen of one nonce: the highest, and which of the [`WINDOW`] below it.
struct Counts {
    highest: u32,
    seen: u64,
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            counts: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// The realm it asks for.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Header values of a challenge, best algorithm first. `salt` makes two challenges of one millisecond differ.
    pub fn challenge(&self, key: &[u8; 32], now_ms: u64, salt: u64, stale: bool) -> [String; 2] {
        let nonce = Nonce {
            made_at_ms: now_ms,
            salt,
        }
        .encode(key, &self.realm);
        let realm = quoted(&self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        Algorithm::OFFERED.map(|algorithm| {
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\"{stale}, algorithm={}, qop=\"auth\"",
                algorithm.as_str()
            )
        })
    }

    /// Judges the credentials of a request. Without a user (`ha1` is none) the same work is done and refused.
    pub fn judge(
        &mut self,
        key: &[u8; 32],
        now_ms: u64,
        method: &str,
        request_uri: &Uri,
        credentials: &Credentials,
        ha1: Option<Ha1<'_>>,
    ) -> Verdict {
        let proven = self.proves(method, credentials, ha1);
        if credentials.realm != self.realm {
            return Verdict::Refused(Refusal::Realm);
        }
        if !same_target(&credentials.uri, request_uri) {
            return Verdict::Refused(Refusal::Uri);
        }
        if !proven {
            return Verdict::Refused(Refusal::Response);
        }
        // Who knows the secret may have its nonce from before the cluster changed its key.
        let Some(nonce) = Nonce::decode(&credentials.nonce, key, &self.realm) else {
            return Verdict::Stale;
        };
        self.forget_expired(now_ms);
        let alive = nonce.made_at_ms <= now_ms + CLOCK_SKEW_MS
            && now_ms < nonce.made_at_ms + NONCE_LIFETIME_MS;
        let count = credentials.count().unwrap_or(0);
        if alive && self.count_is_new(nonce, count) {
            Verdict::Accepted
        } else {
            Verdict::Stale
        }
    }

    fn proves(&self, method: &str, credentials: &Credentials, ha1: Option<Ha1<'_>>) -> bool {
        let stored = ha1.unwrap_or(Ha1::NOBODY).of(credentials.algorithm);
        let exchange = Exchange {
            nonce: &credentials.nonce,
            nonce_count: &credentials.nonce_count,
            client_nonce: &credentials.client_nonce,
            uri: credentials.uri.as_bytes(),
        };
        let expected = response(credentials.algorithm, stored, method, &exchange);
        let offered = credentials.response.to_ascii_lowercase();
        let equal = bool::from(expected.as_bytes().ct_eq(offered.as_bytes()));
        equal & ha1.is_some()
    }

    fn count_is_new(&mut self, nonce: Nonce, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if let Some(counts) = self.counts.get_mut(&nonce) {
            return counts.accept(count);
        }
        if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) {
            return false;
        }
        if self.counts.len() == NONCE_COUNT_LIMIT {
            self.forgotten = self
                .counts
                .pop_first()
                .map(|(oldest, _)| oldest)
                .max(self.forgotten);
            if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) {
                return false;
            }
        }
        self.counts.insert(
            nonce,
            Counts {
                highest: count,
                seen: 1,
            },
        );
        true
    }

    #[cfg(test)]
    pub(super) fn fill(&mut self, made_at_ms: u64, salt: u64) {
        self.count_is_new(Nonce { made_at_ms, salt }, 1);
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.counts.len()
    }

    fn forget_expired(&mut self, now_ms: u64) {
        while let Some(oldest) = self.counts.first_entry() {
            if now_ms < oldest.key().made_at_ms + NONCE_LIFETIME_MS {
                break;
            }
            oldest.remove();
        }
    }
}

impl Counts {
    fn accept(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= WINDOW || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

/// The URI hashed is that of the request, as far as user and host go: phones and proxies differ in
/// the rest (RFC 7616 §3.4 leaves the comparison to the server), and some hash no user.
fn same_target(hashed: &str, request_uri: &Uri) -> bool {
    let Ok(hashed) = hashed.parse::<Uri>() else {
        return false;
    };
    let same_host = match (hashed.host(), request_uri.host()) {
        (Some(hashed), Some(requested)) => hashed.matches(requested),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let user = hashed.user_unescaped();
    same_host && (user.is_none() || user == request_uri.user_unescaped())
}
