//! Whether a media server lives. QUIC alone would notice a lost process or way after seconds.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// How often it is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often it is asked, unless it says something anyway.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// Who was heard so short a time ago is not asked.
const HEARD_LATELY: Duration = TICK;
/// Silent for so long, it is taken for dead: with the time until that is looked at, 300 ms.
const SILENCE_LIMIT: Duration = Duration::from_millis(250);
/// Who looks so late has been kept from hearing as well.
const OWN_STALL: Duration = Duration::from_millis(120);

/// What is to be done at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Ask,
    Wait,
    Gone(Duration),
}

/// When a server was heard last. Takes the time from outside.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard: Instant,
    /// Like `heard`, or when hearing became possible again.
    waits_since: Instant,
    asked: Option<Instant>,
    felt: Instant,
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            waits_since: now,
            asked: None,
            felt: now,
        }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        (self.heard, self.waits_since) = (now, now);
    }

    pub(crate) fn silent(&self, now: Instant) -> Duration {
        now - self.heard
    }

    pub(crate) fn feel(&mut self, now: Instant) -> Beat {
        if now - self.felt >= OWN_STALL {
            self.waits_since = now;
        }
        self.felt = now;
        if now - self.waits_since >= SILENCE_LIMIT {
            return Beat::Gone(self.silent(now));
        }
        let asked_lately = self.asked.is_some_and(|asked| now - asked < ASK_INTERVAL);
        if asked_lately || now - self.heard < HEARD_LATELY {
            return Beat::Wait;
        }
        self.asked = Some(now);
        Beat::Ask
    }
}

/// Knocks at the server's port: where its machine lives and its process does not, the kernel there says so at once.
pub(crate) struct Knocker(UdpSocket);

impl Knocker {
    pub(crate) async fn new(server: SocketAddr) -> anyhow::Result<Self> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.context("bind a socket")?;
        socket.connect(server).await.context("aim a socket")?;
        // Until the runtime has looked at it, nothing can be sent without waiting.
        socket.writable().await.context("open a socket")?;
        Ok(Self(socket))
    }

    /// One octet that is no QUIC packet (RFC 9000 §17: neither bit of the header's form is set), so nothing answers it.
    pub(crate) fn knock(&self) {
        // What it comes to, `refused` hears; a full buffer is as good as a lost datagram.
        let _ = self.0.try_send(&[0]);
    }

    /// Ends when the port turns out to be closed.
    pub(crate) async fn refused(&self) -> std::io::Error {
        let mut octets = [0; 64];
        loop {
            match self.0.recv(&mut octets).await {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    return error;
                }
                // Other errors of the way come and go; nobody has anything to say here.
                Err(_) | Ok(_) => tokio::time::sleep(TICK).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_server_that_falls_silent_is_gone_within_300_ms() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let mut gone_ms = None;
        for tick in 1..=20_u64 {
            let now = start + TICK * tick as u32;
            if tick <= 7 {
                pulse.heard(now - ms(30));
            }
            if let Beat::Gone(silent) = pulse.feel(now) {
                gone_ms = Some(silent.as_millis());
                break;
            }
        }
        let gone_ms = gone_ms.expect("noticed");
        assert!((250..=300).contains(&gone_ms), "{gone_ms}");
    }

    #[test]
    fn it_is_asked_ten_times_a_second() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let mut asked = 0;
        for tick in 1..=20 {
            let now = start + TICK * tick;
            if pulse.feel(now) == Beat::Ask {
                asked += 1;
                pulse.heard(now + ms(1));
            }
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn who_speaks_all_the_time_is_not_asked_until_it_stops() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        for tick in 1..=20 {
            let now = start + TICK * tick;
            pulse.heard(now - ms(10));
            assert_eq!(pulse.feel(now), Beat::Wait);
        }
        let last = start + TICK * 20;
        assert_eq!(pulse.feel(last + TICK), Beat::Ask);
    }

    #[test]
    fn who_was_stopped_itself_listens_first() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        assert_eq!(pulse.feel(start + ms(50)), Beat::Ask);
        assert_eq!(pulse.feel(start + ms(5_000)), Beat::Ask);
        assert_eq!(pulse.feel(start + ms(5_050)), Beat::Wait);
        let gone = (2..20).find_map(|tick| match pulse.feel(start + ms(5_000 + 50 * tick)) {
            Beat::Gone(_) => Some(50 * tick),
            Beat::Ask | Beat::Wait => None,
        });
        assert_eq!(gone, Some(250));
    }

    #[tokio::test]
    async fn a_closed_port_is_noticed_at_once() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let knocker = Knocker::new(server.local_addr().unwrap()).await.unwrap();
        knocker.knock();
        let mut octets = [0; 8];
        assert_eq!(server.recv(&mut octets).await.unwrap(), 1);
        drop(server);
        knocker.knock();
        let refused = tokio::time::timeout(Duration::from_secs(5), knocker.refused()).await;
        assert!(refused.is_ok(), "the kernel says so");
    }
}
