//! Slows down who guesses passwords, by source address. Bounded: under attack from everywhere the oldest are forgotten.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

/// Sources that are remembered.
const MAX_SOURCES: usize = 10_000;
/// Failures without consequence: people mistype.
const FREE_FAILURES: u32 = 5;
/// A source is forgotten after so long without a failure.
const MEMORY_MS: u64 = 15 * 60 * 1000;
/// The longest wait.
const MAX_WAIT_MS: u64 = 60 * 1000;

#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    last_ms: u64,
}

/// Failed logins by source.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    sources: Mutex<BTreeMap<IpAddr, Record>>,
}

impl Throttle {
    /// How long a source must wait before it is heard; `None` if it need not.
    pub(crate) fn wait_ms(&self, source: IpAddr, now_ms: u64) -> Option<u64> {
        let sources = self.sources.lock().expect("no panic while it is held");
        let record = sources.get(&network(source))?;
        let over = record.failures.checked_sub(FREE_FAILURES)?;
        let penalty = (1000u64 << over.min(10)).min(MAX_WAIT_MS);
        let wait = (record.last_ms + penalty).saturating_sub(now_ms);
        (wait > 0).then_some(wait)
    }

    pub(crate) fn failed(&self, source: IpAddr, now_ms: u64) {
        let mut sources = self.sources.lock().expect("no panic while it is held");
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&network(source)) {
            sources.retain(|_, record| now_ms.saturating_sub(record.last_ms) < MEMORY_MS);
            let oldest = sources
                .iter()
                .min_by_key(|(_, record)| record.last_ms)
                .map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| sources.len() >= MAX_SOURCES) {
                sources.remove(&oldest);
            }
        }
        let record = sources.entry(network(source)).or_insert(Record {
            failures: 0,
            last_ms: now_ms,
        });
        if now_ms.saturating_sub(record.last_ms) >= MEMORY_MS {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.last_ms = now_ms;
    }

    pub(crate) fn succeeded(&self, source: IpAddr) {
        self.sources
            .lock()
            .expect("no panic while it is held")
            .remove(&network(source));
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait() {
        let throttle = Throttle::default();
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 1..FREE_FAILURES {
            throttle.failed(source, 0);
            assert_eq!(throttle.wait_ms(source, 0), None);
        }
        throttle.failed(source, 0);
        assert_eq!(throttle.wait_ms(source, 0), Some(1_000));
        assert_eq!(throttle.wait_ms(source, 1_000), None);
        throttle.failed(source, 1_000);
        assert_eq!(throttle.wait_ms(source, 1_000), Some(2_000));
        for _ in 0..20 {
            throttle.failed(source, 1_000);
        }
        assert_eq!(throttle.wait_ms(source, 1_000), Some(MAX_WAIT_MS));
        assert_eq!(throttle.wait_ms("192.0.2.2".parse().unwrap(), 1_000), None);
        throttle.succeeded(source);
        assert_eq!(throttle.wait_ms(source, 1_000), None);
    }

    #[test]
    fn one_network_of_ipv6_is_one_source_and_the_table_is_bounded() {
        let throttle = Throttle::default();
        for host in 0..20u128 {
            let base = "2001:db8::".parse::<Ipv6Addr>().unwrap().to_bits();
            throttle.failed(Ipv6Addr::from_bits(base + host).into(), 0);
        }
        assert!(
            throttle
                .wait_ms("2001:db8::ffff".parse().unwrap(), 0)
                .is_some()
        );
        for host in 0..MAX_SOURCES as u32 + 50 {
            throttle.failed(std::net::Ipv4Addr::from_bits(host).into(), 5);
        }
        assert_eq!(throttle.sources.lock().unwrap().len(), MAX_SOURCES);
    }
}
