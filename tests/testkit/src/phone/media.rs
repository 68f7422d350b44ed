//! Session descriptions of a phone, and RTP as plain as can be.

use anyhow::{Context, Result};
use carillon_sip::Message;
use carillon_sip::sdp::SessionDescription;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A session description with PCMA and telephone events. `version` rises with every change (RFC 3264 §8).
pub fn offer(rtp: SocketAddr, version: u32, direction: &str) -> String {
    let (address, port) = (rtp.ip(), rtp.port());
    let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 4711 {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n"
    )
}

/// Where the other side wants to get RTP.
pub fn rtp_target(message: &Message) -> Result<SocketAddr> {
    let description = SessionDescription::parse(&message.body)?;
    let (_, audio) = description.audio().context("a session with audio")?;
    description.rtp_address(audio).context("an address for RTP")
}

/// A socket that sends and counts PCMA packets.
#[derive(Debug)]
pub struct Audio {
    socket: UdpSocket,
    ssrc: u32,
    sequence: u16,
}

impl Audio {
    pub fn bind(local: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(local).with_context(|| format!("bind {local}"))?;
        let ssrc = u32::from(socket.local_addr()?.port()) | 0x5eed_0000;
        Ok(Self {
            socket,
            ssrc,
            sequence: 1,
        })
    }

    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends one packet of 20 ms whose payload is `mark` throughout.
    pub fn send(&mut self, target: SocketAddr, mark: u8) -> Result<()> {
        let mut packet = vec![0x80, 8];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend([mark; 160]);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&packet, target)?;
        Ok(())
    }

    /// The mark of the next RTP packet that comes.
    pub fn receive(&self, within: Duration) -> Result<Option<u8>> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut buffer = [0; 2048];
            match self.socket.recv(&mut buffer) {
                Ok(length) if length > 12 && buffer[1] & 0x7f == 8 => return Ok(Some(buffer[12])),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("receive RTP"),
            }
        }
    }
}
