//! The ports for media. A port that was given back rests, so that a call never hears the one before it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon_protocol::Family;

use crate::config::Config;

/// The pools of both families, shared by all threads. Locked only when a session begins or ends.
#[derive(Debug)]
pub(crate) struct Pools {
    v4: Option<Pool>,
    v6: Option<Pool>,
}

/// The pairs of one address.
#[derive(Debug)]
pub(crate) struct Pool {
    bind: IpAddr,
    advertised: IpAddr,
    pairs: usize,
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    /// Even port and since when it rests; the longest rested first.
    queue: VecDeque<(u16, u64)>,
    rest_us: u64,
}

impl Pools {
    /// `seed` decides the order, so that ports cannot be guessed from earlier ones.
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let v4 = config
            .ipv4
            .map(|address| (address.bind.into(), address.advertised().into()));
        let v6 = config
            .ipv6
            .map(|address| (address.bind.into(), address.advertised().into()));
        let pool = |(bind, advertised)| Pool::new(config, seed, bind, advertised);
        Self {
            v4: v4.map(pool),
            v6: v6.map(pool),
        }
    }

    pub(crate) fn of(&self, family: Family) -> Option<&Pool> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Pool> {
        self.v4.iter().chain(&self.v6)
    }

    pub(crate) fn free_pairs(&self) -> usize {
        self.all().map(|pool| pool.lock().queue.len()).sum()
    }

    pub(crate) fn pairs(&self) -> usize {
        self.all().map(|pool| pool.pairs).sum()
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.all().map(|pool| pool.advertised)
    }
}

impl Pool {
    fn new(config: &Config, seed: u64, bind: IpAddr, advertised: IpAddr) -> Self {
        let mut ports: Vec<u16> = config.pairs().collect();
        shuffle(&mut ports, seed);
        let rest_us = config.port_rest_ms.saturating_mul(1000);
        let queue = ports.iter().map(|port| (*port, 0)).collect();
        Self {
            bind,
            advertised,
            pairs: ports.len(),
            free: Mutex::new(Free { queue, rest_us }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pair that has rested longest, if it has rested long enough.
    pub(crate) fn take(&self, now_us: u64) -> Option<u16> {
        let mut free = self.lock();
        let (port, since_us) = *free.queue.front()?;
        let rested = since_us == 0 || now_us.saturating_sub(since_us) >= free.rest_us;
        if rested {
            free.queue.pop_front();
        }
        rested.then_some(port)
    }

    /// The pair rests from now.
    pub(crate) fn give(&self, now_us: u64, port: u16) {
        self.lock().queue.push_back((port, now_us.max(1)));
    }

    pub(crate) fn bound(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    pub(crate) fn advertised(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.advertised, port)
    }
}

/// Fisher and Yates with xorshift: the order need not be secret, only not the natural one.
fn shuffle(ports: &mut [u16], seed: u64) {
    let mut state = seed | 1;
    for last in (1..ports.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ports.swap(
            last,
            usize::try_from(state % (last as u64 + 1)).expect("at most the last index"),
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::Ipv4Addr;

    use super::*;
    use crate::MediaAddress;

    fn pools(last_port: u16) -> Pools {
        let config = Config {
            ipv4: Some(MediaAddress {
                bind: Ipv4Addr::LOCALHOST,
                advertise: Some(Ipv4Addr::new(192, 0, 2, 1)),
            }),
            last_port,
            port_rest_ms: 3000,
            ..Config::default()
        };
        Pools::new(&config, 42)
    }

    #[test]
    fn pairs_begin_with_an_even_port_and_lie_in_the_range() {
        let pools = pools(10_101);
        let pool = pools.of(Family::V4).unwrap();
        let mut taken: Vec<u16> = std::iter::from_fn(|| pool.take(0)).collect();
        assert_ne!(
            taken[..4],
            [10_000, 10_002, 10_004, 10_006],
            "not in the natural order"
        );
        taken.sort_unstable();
        assert_eq!(taken, (10_000..10_101).step_by(2).collect::<Vec<u16>>());
        assert_eq!((pools.pairs(), pools.free_pairs()), (51, 0));
    }

    #[test]
    fn a_pair_that_was_used_rests_before_another_call_gets_it() {
        let pools = pools(10_001);
        let pool = pools.of(Family::V4).unwrap();
        assert_eq!(pool.take(1_000_000), Some(10_000));
        assert_eq!(pool.take(1_000_000), None);
        pool.give(1_000_000, 10_000);
        assert_eq!(pool.take(3_999_999), None);
        assert_eq!(pool.take(4_000_000), Some(10_000));
    }

    #[test]
    fn phones_are_told_the_advertised_address() {
        let pools = pools(10_001);
        let pool = pools.of(Family::V4).unwrap();
        assert_eq!(pool.bound(10_000).to_string(), "127.0.0.1:10000");
        assert_eq!(pool.advertised(10_000).to_string(), "192.0.2.1:10000");
        assert!(pools.of(Family::V6).is_none());
    }
}
