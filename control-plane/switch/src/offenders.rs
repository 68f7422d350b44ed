//! Sources of wrong passwords.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

/// Failures of one source within a minute before it is blocked.
pub const FAILURES_PER_MINUTE: u32 = 20;
/// How long it is blocked the first time; each further time twice as long.
pub const FIRST_BLOCK_MS: u64 = 30_000;
/// How long it is blocked at most.
pub const LONGEST_BLOCK_MS: u64 = 15 * 60_000;
/// Sources remembered; beyond it the one is forgotten that has the least to be remembered for.
const SOURCES_MAX: usize = 10_000;
const WINDOW_MS: u64 = 60_000;
/// After this long without a failure a source begins anew.
const FORGIVEN_AFTER_MS: u64 = 60 * 60_000;

/// Counts failures by source address.
pub(crate) struct Offenders {
    sources: BTreeMap<IpAddr, Source>,
    /// By when they may be forgotten.
    order: BTreeSet<(u64, IpAddr)>,
}

#[derive(Clone, Copy)]
struct Source {
    window_ms: u64,
    failures: u32,
    blocks: u32,
    blocked_until_ms: u64,
    last_ms: u64,
}

impl Source {
    fn worth(&self) -> u64 {
        self.last_ms.max(self.blocked_until_ms)
    }
}

impl Offenders {
    pub(crate) fn new() -> Self {
        Self {
            sources: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(crate) fn is_blocked(&self, now_ms: u64, address: IpAddr) -> bool {
        self.sources
            .get(&network(address))
            .is_some_and(|source| now_ms < source.blocked_until_ms)
    }

    /// One more failure; says for how long the source is blocked now, if this was the one too many.
    pub(crate) fn failed(&mut self, now_ms: u64, address: IpAddr) -> Option<u64> {
        let address = network(address);
        let known = self
            .sources
            .get(&address)
            .filter(|known| now_ms < known.worth() + FORGIVEN_AFTER_MS);
        let fresh = Source {
            window_ms: now_ms,
            failures: 0,
            blocks: 0,
            blocked_until_ms: 0,
            last_ms: now_ms,
        };
        let mut source = known.copied().unwrap_or(fresh);
        if now_ms >= source.window_ms + WINDOW_MS {
            source.window_ms = now_ms;
            source.failures = 0;
        }
        source.failures += 1;
        source.last_ms = now_ms;
        let mut blocked_for_ms = None;
        if source.failures >= FAILURES_PER_MINUTE && now_ms >= source.blocked_until_ms {
            let for_ms = FIRST_BLOCK_MS
                .saturating_mul(1 << source.blocks.min(16))
                .min(LONGEST_BLOCK_MS);
            source.blocks += 1;
            source.failures = 0;
            source.window_ms = now_ms;
            source.blocked_until_ms = now_ms + for_ms;
            blocked_for_ms = Some(for_ms);
        }
        self.remember(address, source);
        blocked_for_ms
    }

    fn remember(&mut self, address: IpAddr, source: Source) {
        if let Some(old) = self.sources.insert(address, source) {
            self.order.remove(&(old.worth(), address));
        }
        self.order.insert((source.worth(), address));
        if self.sources.len() > SOURCES_MAX
            && let Some((_, least)) = self.order.pop_first()
        {
            self.sources.remove(&least);
        }
    }
}

/// Who has one IPv6 address has the whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.into(),
            None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBER: &str = "192.0.2.66";

    fn fail(offenders: &mut Offenders, now_ms: u64, address: &str, times: u32) -> Option<u64> {
        (0..times)
            .filter_map(|_| offenders.failed(now_ms, address.parse().unwrap()))
            .last()
    }

    #[test]
    fn a_prober_is_blocked_longer_each_time_and_others_are_not() {
        let mut offenders = Offenders::new();
        let prober: IpAddr = PROBER.parse().unwrap();
        assert_eq!(
            fail(&mut offenders, 0, PROBER, FAILURES_PER_MINUTE - 1),
            None
        );
        assert!(!offenders.is_blocked(0, prober));
        assert_eq!(fail(&mut offenders, 0, PROBER, 1), Some(FIRST_BLOCK_MS));
        assert!(offenders.is_blocked(FIRST_BLOCK_MS - 1, prober));
        assert!(!offenders.is_blocked(0, "192.0.2.67".parse().unwrap()));
        assert!(!offenders.is_blocked(FIRST_BLOCK_MS, prober));
        assert_eq!(
            fail(&mut offenders, FIRST_BLOCK_MS, PROBER, 20),
            Some(2 * FIRST_BLOCK_MS)
        );
        let mut now_ms = 10 * FIRST_BLOCK_MS;
        for _ in 0..20 {
            assert!(fail(&mut offenders, now_ms, PROBER, 20).unwrap() <= LONGEST_BLOCK_MS);
            now_ms += LONGEST_BLOCK_MS;
        }
        assert_eq!(
            fail(&mut offenders, now_ms + FORGIVEN_AFTER_MS, PROBER, 20),
            Some(FIRST_BLOCK_MS)
        );
    }

    #[test]
    fn a_phone_with_a_wrong_password_that_asks_twice_a_minute_is_heard() {
        let mut offenders = Offenders::new();
        for minute in 0..10_000 {
            assert_eq!(fail(&mut offenders, minute * 60_000, "192.0.2.7", 2), None);
        }
    }

    #[test]
    fn spoofed_sources_neither_grow_the_table_nor_wash_a_prober_clean() {
        let mut offenders = Offenders::new();
        fail(&mut offenders, 0, PROBER, FAILURES_PER_MINUTE);
        for number in 0..20_000u32 {
            offenders.failed(1, IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        }
        assert_eq!(offenders.sources.len(), SOURCES_MAX);
        assert_eq!(offenders.order.len(), SOURCES_MAX);
        assert!(offenders.is_blocked(2, PROBER.parse().unwrap()));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_source() {
        let mut offenders = Offenders::new();
        for host in 0..FAILURES_PER_MINUTE {
            offenders.failed(0, format!("2001:db8::{host:x}").parse().unwrap());
        }
        assert!(offenders.is_blocked(1, "2001:db8::ffff".parse().unwrap()));
        assert!(!offenders.is_blocked(1, "2001:db8:0:1::1".parse().unwrap()));
    }
}
