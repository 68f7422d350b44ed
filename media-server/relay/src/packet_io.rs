use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use carillon_session::{Component, Place, SocketKey};

/// Packets of one round at most: after so many, requests and time-outs have their turn.
pub(crate) const MAX_ROUND: usize = 256;

/// A packet that has come.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    pub place: Place,
    pub component: Component,
    pub source: SocketAddr,
    pub octets: usize,
}

/// How packets come in and go out: one thread's sockets.
pub trait PacketIo {
    /// Binds a socket for a termination.
    fn open(
        &mut self,
        address: SocketAddr,
        place: Place,
        component: Component,
    ) -> io::Result<SocketKey>;

    fn close(&mut self, socket: SocketKey);

    /// Waits until something has come, somebody wakes the thread, or the time is over. How much has come.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize>;

    /// The next packet of what has come, `None` after the last. Packets too long for the buffer are passed over.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received>;

    fn send(&mut self, socket: SocketKey, to: SocketAddr, octets: &[u8]) -> io::Result<()>;
}
