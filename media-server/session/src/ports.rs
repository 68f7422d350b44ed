use std::net::SocketAddr;

use carillon_protocol::{Family, Reason};

/// A session's place in [`crate::Sessions`], as long as the session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// One termination of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub slot: Slot,
    pub termination: u8,
}

/// Which of a termination's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    Rtp,
    Rtcp,
}

/// Names a socket to whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketKey(pub u32);

/// The ports of a termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub rtp: SocketAddr,
    pub rtp_socket: SocketKey,
    /// `None` when RTCP shares the RTP port.
    pub rtcp: Option<(SocketAddr, SocketKey)>,
}

impl Opened {
    /// Where RTCP is awaited.
    #[must_use]
    pub fn rtcp_address(&self) -> SocketAddr {
        self.rtcp.map_or(self.rtp, |(address, _)| address)
    }

    /// The socket that RTCP leaves by.
    #[must_use]
    pub fn rtcp_socket(&self) -> SocketKey {
        self.rtcp.map_or(self.rtp_socket, |(_, socket)| socket)
    }
}

/// Whoever owns the sockets. Answers at once: opening a UDP socket never waits.
pub trait Ports {
    /// An RTP port with the next one for RTCP beside it; with `mux` the RTCP port stays shut.
    fn open(&mut self, place: Place, family: Family, mux: bool) -> Result<Opened, Reason>;

    /// Shuts or opens the RTCP port of an open termination.
    fn share(&mut self, place: Place, ports: &Opened, mux: bool) -> Result<Opened, Reason>;

    /// Gives the ports back.
    fn close(&mut self, place: Place, ports: &Opened);

    /// Pairs that could still be opened.
    fn free_pairs(&self) -> u32;
}
