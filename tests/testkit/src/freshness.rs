//! Tokens that no other run of a test has used: tags, branches, Call-IDs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static NEXT: AtomicU64 = AtomicU64::new(0);

pub(crate) fn token() -> String {
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_nanos());
    format!(
        "{:x}{:x}{count:x}",
        std::process::id(),
        now & 0xffff_ffff_ffff
    )
}
