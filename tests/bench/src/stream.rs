//! Stamped RTP through a relay: two phones' sockets, many calls.

use anyhow::{Result, ensure};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One packet each 20 ms in each direction of a call.
const PACKET_EVERY: Duration = Duration::from_millis(20);
/// RTP header of 12 octets and 20 ms of G.711.
const PACKET_SIZE: usize = 172;

/// Where the two phones of a call must send to.
#[derive(Clone, Copy)]
pub(crate) struct Relayed {
    pub(crate) caller_sends_to: SocketAddr,
    pub(crate) callee_sends_to: SocketAddr,
}

/// What went through.
pub(crate) struct Flowed {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Flowed {
    /// A relay that lost packets was not measured under this load.
    pub(crate) fn check(&self, relay: &str) -> Result<()> {
        ensure!(
            self.received * 100 >= self.sent * 99,
            "{relay} passed {} of {} packets on: the machine is too busy to measure",
            self.received,
            self.sent
        );
        Ok(())
    }
}

/// The two sockets that all calls of a run share: a relay tells its calls apart by its own ports.
pub(crate) struct Phones {
    pub(crate) caller: UdpSocket,
    pub(crate) callee: UdpSocket,
}

impl Phones {
    pub(crate) fn bind(address: &str) -> Result<Self> {
        Ok(Self {
            caller: UdpSocket::bind((address, 0))?,
            callee: UdpSocket::bind((address, 0))?,
        })
    }

    /// Sends both ways through all `calls` for `length` and counts what arrives.
    pub(crate) fn talk(&self, calls: &[Relayed], length: Duration) -> Result<Flowed> {
        let received = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let mut listeners = Vec::new();
        for socket in [&self.caller, &self.callee] {
            let socket = socket.try_clone()?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            let (received, done) = (Arc::clone(&received), Arc::clone(&done));
            listeners.push(thread::spawn(move || listen(&socket, &received, &done)));
        }
        let sent = self.send(calls, length)?;
        thread::park_timeout(Duration::from_millis(200)); // what is still on its way
        done.store(true, Ordering::Relaxed);
        for listener in listeners {
            let _ = listener.join();
        }
        Ok(Flowed {
            sent,
            received: received.load(Ordering::Relaxed),
        })
    }

    fn send(&self, calls: &[Relayed], length: Duration) -> Result<u64> {
        let start = Instant::now();
        let gap = PACKET_EVERY / u32::try_from(calls.len())?;
        let mut packet = [0x55; PACKET_SIZE];
        packet[0] = 0x80;
        packet[1] = 8;
        let mut sent = 0;
        let mut round: u32 = 0;
        while start.elapsed() < length {
            let round_start = start + PACKET_EVERY * round;
            for (index, call) in (0_u32..).zip(calls) {
                let due = round_start + gap * index;
                let wait = due.saturating_duration_since(Instant::now());
                if wait > Duration::from_micros(500) {
                    thread::park_timeout(wait);
                }
                stamp(&mut packet, round, 2 * index);
                self.caller.send_to(&packet, call.caller_sends_to)?;
                stamp(&mut packet, round, 2 * index + 1);
                self.callee.send_to(&packet, call.callee_sends_to)?;
                sent += 2;
            }
            round += 1;
        }
        Ok(sent)
    }
}

fn stamp(packet: &mut [u8; PACKET_SIZE], round: u32, stream: u32) {
    let sequence = u16::try_from(round & 0xffff).expect("masked to 16 bits");
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&(round.wrapping_mul(160)).to_be_bytes());
    packet[8..12].copy_from_slice(&(stream + 1).to_be_bytes());
}

fn listen(socket: &UdpSocket, received: &AtomicU64, done: &AtomicBool) {
    let mut packet = [0; 2048];
    while !done.load(Ordering::Relaxed) {
        if socket.recv(&mut packet).is_ok() {
            received.fetch_add(1, Ordering::Relaxed);
        }
    }
}
