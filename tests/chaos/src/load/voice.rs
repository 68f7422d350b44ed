//! RTP that carries its own account: each packet says its number and when it left.

use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Between two packets.
pub(crate) const PACKET_EVERY: Duration = Duration::from_millis(20);
const HEADER: usize = 12;
const PAYLOAD: usize = 160;
/// PCMA (RFC 3551 §6).
const PAYLOAD_TYPE: u8 = 8;

/// A packet's account of itself.
#[derive(Debug, Clone, Copy, Default)]
struct Stamp {
    number: u64,
    sent_us: u64,
}

/// One party's socket: what it says and what it has heard.
#[derive(Debug)]
pub(crate) struct Voice {
    socket: UdpSocket,
    began: Instant,
    ssrc: u32,
    next_at: Instant,
    said: Stamp,
    heard: Option<Stamp>,
    heard_lately: bool,
    longest_gap: Duration,
    over: bool,
}

impl Voice {
    /// `began` is the zero of the stamps, the same for both parties of a call.
    pub(crate) fn bind(local: SocketAddr, began: Instant) -> Result<Self> {
        let socket = UdpSocket::bind(local).with_context(|| format!("bind {local}"))?;
        socket.set_nonblocking(true)?;
        let ssrc = u32::from(socket.local_addr()?.port()) | 0xc4a0_0000;
        Ok(Self {
            socket,
            began,
            ssrc,
            next_at: Instant::now(),
            said: Stamp::default(),
            heard: None,
            heard_lately: false,
            longest_gap: Duration::ZERO,
            over: false,
        })
    }

    pub(crate) fn local(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// The phone has hung up: it says nothing more and misses nothing.
    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// Sends what is due. Who was late sends one packet, as a phone does, and not all that it has missed.
    pub(crate) fn speak(&mut self, target: SocketAddr) {
        let now = Instant::now();
        if self.over || now < self.next_at {
            return;
        }
        self.next_at = (self.next_at + PACKET_EVERY).max(now);
        let number = self.said.number + 1;
        let sent_us = micros(now.duration_since(self.began));
        self.said = Stamp { number, sent_us };
        let mut packet = vec![0x80, PAYLOAD_TYPE];
        packet.extend((number as u16).to_be_bytes());
        packet.extend((number as u32).wrapping_mul(160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(number.to_be_bytes());
        packet.extend(sent_us.to_be_bytes());
        packet.resize(HEADER + PAYLOAD, 0xd5);
        // A media server that is gone refuses by ICMP, which the next call reports; that is a gap, and no error here.
        let _ = self.socket.send_to(&packet, target);
    }

    /// Reads what has come.
    pub(crate) fn listen(&mut self) {
        let mut buffer = [0; 2048];
        while !self.over {
            match self.socket.recv(&mut buffer) {
                Ok(length) => self.hear(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }

    fn hear(&mut self, packet: &[u8]) {
        let field = |from: usize| {
            let octets = packet.get(from..from + 8)?;
            Some(u64::from_be_bytes(octets.try_into().ok()?))
        };
        let (Some(number), Some(sent_us)) = (field(HEADER), field(HEADER + 8)) else {
            return;
        };
        if packet[1] & 0x7f != PAYLOAD_TYPE {
            return;
        }
        let before = self.heard;
        // A packet that comes late fills no gap: it is too late to be played.
        if before.is_some_and(|before| number <= before.number) {
            return;
        }
        if let Some(before) = before.filter(|before| number > before.number + 1) {
            self.note_gap(sent_us.saturating_sub(before.sent_us));
        }
        self.heard = Some(Stamp { number, sent_us });
        self.heard_lately = true;
    }

    fn note_gap(&mut self, gap_us: u64) {
        self.longest_gap = self.longest_gap.max(Duration::from_micros(gap_us));
    }

    /// The longest stretch of what `other` has said that was not heard here, since the last time that this was asked.
    /// What is still on its way counts for nothing.
    pub(crate) fn longest_gap(&mut self, other: &Self) -> Duration {
        const ON_ITS_WAY_US: u64 = 200_000;
        if self.over || other.over {
            return std::mem::take(&mut self.longest_gap);
        }
        if let Some(heard) = self.heard {
            let unheard_us = other.said.sent_us.saturating_sub(heard.sent_us);
            if unheard_us > ON_ITS_WAY_US {
                self.note_gap(unheard_us);
            }
        } else if other.said.number > 0 {
            self.note_gap(other.said.sent_us);
        }
        std::mem::take(&mut self.longest_gap)
    }

    /// Whether anything was heard since the last time that this was asked.
    pub(crate) fn has_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard_lately)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (Voice, Voice) {
        let began = Instant::now();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let voice = || Voice::bind(local, began).unwrap();
        (voice(), voice())
    }

    fn packet(number: u64, sent_us: u64) -> Vec<u8> {
        let mut packet = vec![0x80, PAYLOAD_TYPE];
        packet.resize(HEADER, 0);
        packet.extend(number.to_be_bytes());
        packet.extend(sent_us.to_be_bytes());
        packet
    }

    #[test]
    fn packets_that_are_lost_are_a_gap_and_a_speaker_that_was_late_is_none() {
        let (mut alice, bob) = two();
        alice.hear(&packet(1, 20_000));
        alice.hear(&packet(2, 400_000));
        assert_eq!(alice.longest_gap(&bob), Duration::ZERO);
        alice.hear(&packet(5, 460_000));
        alice.hear(&packet(4, 440_000));
        assert_eq!(alice.longest_gap(&bob), Duration::from_millis(60));
        assert_eq!(alice.longest_gap(&bob), Duration::ZERO);
    }

    #[test]
    fn silence_that_lasts_is_a_gap() {
        let (mut alice, mut bob) = two();
        alice.hear(&packet(1, 20_000));
        bob.said = Stamp {
            number: 50,
            sent_us: 1_020_000,
        };
        assert_eq!(alice.longest_gap(&bob), Duration::from_secs(1));
        alice.end();
        assert_eq!(alice.longest_gap(&bob), Duration::ZERO, "nobody listens");
    }
}
