//! Addresses that send what makes no sense.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::limits::{OFFENCE_WINDOW, OFFENCES_MAX, OFFENDERS_MAX, SILENCE};

#[derive(Debug, Clone, Copy)]
struct Record {
    since_ms: u64,
    offences: u32,
    silent_until_ms: u64,
}

/// Counts offences of each source and says whom not to listen to. Bounded.
#[derive(Debug, Default)]
pub(crate) struct Offences {
    records: HashMap<IpAddr, Record>,
    silenced: usize,
}

impl Offences {
    /// One more malformed message of `source`.
    pub(crate) fn record(&mut self, now_ms: u64, source: IpAddr) {
        if self.records.len() >= OFFENDERS_MAX && !self.records.contains_key(&source) {
            self.forget_one(now_ms);
        }
        let fresh = Record {
            since_ms: now_ms,
            offences: 0,
            silent_until_ms: 0,
        };
        let record = self.records.entry(source).or_insert(fresh);
        if now_ms.saturating_sub(record.since_ms) > millis(OFFENCE_WINDOW) {
            record.since_ms = now_ms;
            record.offences = 0;
        }
        record.offences += 1;
        if record.offences > OFFENCES_MAX && record.silent_until_ms <= now_ms {
            self.silenced += usize::from(record.silent_until_ms == 0);
            record.silent_until_ms = now_ms + millis(SILENCE);
            record.offences = 0;
        }
    }

    /// Whether `source` is not to be listened to now.
    pub(crate) fn is_silenced(&mut self, now_ms: u64, source: IpAddr) -> bool {
        if self.silenced == 0 {
            return false;
        }
        let Some(record) = self.records.get(&source) else {
            return false;
        };
        if record.silent_until_ms > now_ms {
            return true;
        }
        if record.silent_until_ms != 0 {
            self.silenced -= 1;
            self.records.remove(&source);
        }
        false
    }

    fn forget_one(&mut self, now_ms: u64) {
        let stale = self
            .records
            .iter()
            .min_by_key(|(_, record)| (record.silent_until_ms > now_ms, record.since_ms))
            .map(|(source, record)| (*source, *record));
        if let Some((source, record)) = stale {
            self.silenced -= usize::from(record.silent_until_ms != 0);
            self.records.remove(&source);
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCANNER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const PHONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_scanner_is_silenced_for_a_while_and_phones_are_not() {
        let mut offences = Offences::default();
        for _ in 0..=OFFENCES_MAX {
            offences.record(1_000, SCANNER);
        }
        assert!(offences.is_silenced(1_001, SCANNER));
        assert!(!offences.is_silenced(1_001, PHONE));
        assert!(!offences.is_silenced(1_000 + millis(SILENCE), SCANNER));
        assert_eq!(offences.silenced, 0);
    }

    #[test]
    fn a_phone_with_a_fault_now_and_then_is_heard() {
        let mut offences = Offences::default();
        for minute in 0..1_000 {
            offences.record(minute * 60_000, PHONE);
            assert!(!offences.is_silenced(minute * 60_000, PHONE));
        }
    }

    #[test]
    fn a_million_spoofed_sources_do_not_grow_the_table() {
        let mut offences = Offences::default();
        for _ in 0..=OFFENCES_MAX {
            offences.record(1, SCANNER);
        }
        for source in 0..20_000_u32 {
            offences.record(2, IpAddr::from(source.to_be_bytes()));
        }
        assert!(offences.records.len() <= OFFENDERS_MAX);
        assert!(
            offences.is_silenced(3, SCANNER),
            "spoofing washes nobody clean"
        );
    }
}
