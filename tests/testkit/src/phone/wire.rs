//! One socket towards one node: UDP, TCP or TLS.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use carillon_sip::framing::{Frame, Framer};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket as Socket2, Type};
use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http;

const DATAGRAM_MAX: usize = 65_535;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How a phone reaches its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// The socket.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    local: SocketAddr,
}

#[derive(Debug)]
enum Socket {
    Udp {
        socket: UdpSocket,
        node: SocketAddr,
    },
    Tcp {
        stream: TcpStream,
        framer: Framer,
    },
    Tls {
        stream: Box<dyn Encrypted>,
        framer: Framer,
    },
}

/// Either end of a TLS connection.
trait Encrypted: Read + Write + Debug + Send {
    fn socket(&self) -> &TcpStream;
}

impl Encrypted for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Encrypted for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Wire {
    /// UDP; messages from other addresses are read too, as a phone must do after a takeover.
    pub fn udp(local: SocketAddr, node: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(local).with_context(|| format!("bind {local}"))?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket: Socket::Udp { socket, node },
            local,
        })
    }

    /// TCP, from an address of the test's choice.
    pub fn tcp(local: SocketAddr, node: SocketAddr) -> Result<Self> {
        let stream = connection(local, node)?;
        let local = stream.local_addr()?;
        Ok(Self {
            socket: Socket::Tcp {
                stream,
                framer: Framer::new(),
            },
            local,
        })
    }

    /// TLS, the node's certificate checked against `config`.
    pub fn tls(node: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let stream = http::connect(config, node)?;
        stream.sock.set_nodelay(true)?;
        let local = stream.sock.local_addr()?;
        Ok(Self {
            socket: Socket::Tls {
                stream: Box::new(stream),
                framer: Framer::new(),
            },
            local,
        })
    }

    /// A connection that a node has opened to us, encrypted where there is a certificate.
    pub fn accepted(stream: TcpStream, identity: Option<&Arc<ServerConfig>>) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(false)?;
        let local = stream.local_addr()?;
        let framer = Framer::new();
        let socket = match identity {
            None => Socket::Tcp { stream, framer },
            Some(identity) => {
                let connection = ServerConnection::new(Arc::clone(identity))?;
                let stream = Box::new(StreamOwned::new(connection, stream));
                Socket::Tls { stream, framer }
            }
        };
        Ok(Self { socket, local })
    }

    pub fn transport(&self) -> Transport {
        match self.socket {
            Socket::Udp { .. } => Transport::Udp,
            Socket::Tcp { .. } => Transport::Tcp,
            Socket::Tls { .. } => Transport::Tls,
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// From now on requests go to another node; only over UDP can a phone do so without a new connection.
    pub fn turn_to(&mut self, other: SocketAddr) -> Result<()> {
        match &mut self.socket {
            Socket::Udp { node, .. } => *node = other,
            Socket::Tcp { .. } | Socket::Tls { .. } => {
                bail!("a connection stays where it was opened")
            }
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<()> {
        match &mut self.socket {
            Socket::Udp { socket, node } => {
                socket.send_to(octets, *node)?;
            }
            Socket::Tcp { stream, .. } => stream.write_all(octets)?,
            Socket::Tls { stream, .. } => {
                stream.write_all(octets)?;
                stream.flush()?;
            }
        }
        Ok(())
    }

    /// One message's octets; nothing when the deadline passes first.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Result<Option<Bytes>> {
        match &mut self.socket {
            Socket::Udp { socket, .. } => loop {
                let Some(left) = left(deadline) else {
                    return Ok(None);
                };
                socket.set_read_timeout(Some(left))?;
                let mut buffer = vec![0; DATAGRAM_MAX];
                match socket.recv_from(&mut buffer) {
                    Ok((length, _)) if buffer[..length].iter().all(u8::is_ascii_whitespace) => {}
                    Ok((length, _)) => return Ok(Some(Bytes::copy_from_slice(&buffer[..length]))),
                    Err(error) if is_quiet(error.kind()) => {}
                    Err(error) => return Err(error).context("receive"),
                }
            },
            Socket::Tcp { stream, framer } => from_stream(framer, deadline, |buffer, left| {
                stream.set_read_timeout(Some(left))?;
                stream.read(buffer)
            }),
            Socket::Tls { stream, framer } => from_stream(framer, deadline, |buffer, left| {
                stream.socket().set_read_timeout(Some(left))?;
                stream.read(buffer)
            }),
        }
    }
}

/// A TCP connection from an address of the test's choice.
pub fn connection(local: SocketAddr, node: SocketAddr) -> Result<TcpStream> {
    let socket = Socket2::new(Domain::for_address(node), Type::STREAM, None)?;
    socket
        .bind(&local.into())
        .with_context(|| format!("bind {local}"))?;
    socket
        .connect_timeout(&node.into(), CONNECT_WITHIN)
        .with_context(|| format!("connect to {node}"))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

fn from_stream(
    framer: &mut Framer,
    deadline: Instant,
    mut read: impl FnMut(&mut [u8], Duration) -> std::io::Result<usize>,
) -> Result<Option<Bytes>> {
    loop {
        while let Some(frame) = framer.next_frame()? {
            match frame {
                Frame::Message(octets) => return Ok(Some(octets)),
                Frame::Ping | Frame::Pong => {}
            }
        }
        let Some(left) = left(deadline) else {
            return Ok(None);
        };
        let mut buffer = [0; 8192];
        match read(&mut buffer, left) {
            Ok(0) => bail!("the node closed the connection"),
            Ok(length) => framer.push(&buffer[..length])?,
            Err(error) if is_quiet(error.kind()) => {}
            Err(error) => return Err(error).context("receive"),
        }
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then(|| left.max(Duration::from_millis(1)))
}

/// Nothing came in time; or the other side's port was closed a moment ago, which UDP reports on the next call.
fn is_quiet(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}
