//! A UDP port that listens and calls.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig,
    IdleTimeout, ServerConfig, TransportConfig, VarInt,
};

use crate::connection::Connection;
use crate::{Credentials, Fingerprint, LinkError, Peer, verify};

const IDLE_TIMEOUT_MS: u32 = 3_000;
const KEEP_ALIVE: Duration = Duration::from_millis(500);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECTION_ID_OCTETS: usize = 8;
const MAX_STREAMS: u32 = 1_024;
const MAX_UNFINISHED_HANDSHAKES: usize = 256;
/// Packets that need no acknowledgement of their own at once: the answer that nearly all of ours get carries it.
const UNACKNOWLEDGED_PACKETS: u32 = 10;
const STREAM_WINDOW_OCTETS: u32 = 8 * 1024 * 1024;

/// What a connection is for; each has an ALPN of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Raft and messages between control nodes.
    Cluster,
    /// A machine that wants to become a member.
    Join,
    /// Session descriptors and events between control nodes and media servers.
    Media,
}

impl Service {
    const ALL: [Self; 3] = [Self::Cluster, Self::Join, Self::Media];

    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Cluster => b"carillon-cluster/1",
            Self::Join => b"carillon-join/1",
            Self::Media => b"carillon-media/1",
        }
    }

    pub(crate) fn of_alpn(alpn: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.alpn() == alpn)
    }

    pub(crate) fn frame_limit(self) -> usize {
        match self {
            Self::Cluster => 64 * 1024 * 1024,
            Self::Join => 64 * 1024,
            Self::Media => 1024 * 1024,
        }
    }
}

/// One UDP port: accepts the services it was bound for, and dials.
#[derive(Clone)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    credentials: Option<Arc<Credentials>>,
}

impl Endpoint {
    /// Listens on `address` as the member that `credentials` name.
    pub fn bind(
        address: SocketAddr,
        credentials: Arc<Credentials>,
        services: &[Service],
    ) -> Result<Self, LinkError> {
        let socket =
            UdpSocket::bind(address).map_err(|source| LinkError::Bind { address, source })?;
        Self::on_socket(socket, credentials, services)
    }

    /// As `bind`, on a socket that is already open.
    pub fn on_socket(
        socket: UdpSocket,
        credentials: Arc<Credentials>,
        services: &[Service],
    ) -> Result<Self, LinkError> {
        let tls = verify::server(&credentials, services)?;
        let tls = QuicServerConfig::try_from(tls).map_err(LinkError::certificate)?;
        let mut server = ServerConfig::with_crypto(Arc::new(tls));
        server.transport_config(transport());
        server.max_incoming(MAX_UNFINISHED_HANDSHAKES);
        let config = member_config(&credentials);
        Self::open(socket, config, Some(server), Some(credentials))
    }

    /// A member that only calls, from a port of the system's choice.
    pub fn caller(family_of: SocketAddr, credentials: Arc<Credentials>) -> Result<Self, LinkError> {
        let config = member_config(&credentials);
        Self::open(unbound(family_of)?, config, None, Some(credentials))
    }

    /// A machine that is no member yet.
    pub(crate) fn stranger(family_of: SocketAddr) -> Result<Self, LinkError> {
        Self::open(unbound(family_of)?, EndpointConfig::default(), None, None)
    }

    fn open(
        socket: UdpSocket,
        config: EndpointConfig,
        server: Option<ServerConfig>,
        credentials: Option<Arc<Credentials>>,
    ) -> Result<Self, LinkError> {
        let address = socket
            .local_addr()
            .unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
        let runtime = Arc::new(quinn::TokioRuntime);
        let inner = quinn::Endpoint::new(config, server, socket, runtime)
            .map_err(|source| LinkError::Bind { address, source })?;
        Ok(Self { inner, credentials })
    }

    /// Where it listens.
    pub fn local_address(&self) -> Result<SocketAddr, LinkError> {
        self.inner.local_addr().map_err(LinkError::closed)
    }

    /// Connects to `peer` at `address`; whoever else answers there is refused.
    pub async fn connect(
        &self,
        address: SocketAddr,
        peer: Peer,
        service: Service,
    ) -> Result<Connection, LinkError> {
        let credentials = self
            .credentials
            .as_ref()
            .ok_or_else(|| LinkError::Identity("this endpoint has no identity yet".to_owned()))?;
        let tls = verify::client(credentials, peer, service)?;
        self.dial(address, &peer.host_name(), tls).await
    }

    pub(crate) async fn connect_to_join(
        &self,
        address: SocketAddr,
        authority: Fingerprint,
    ) -> Result<Connection, LinkError> {
        self.dial(address, "join.carillon", verify::joining(authority)?)
            .await
    }

    async fn dial(
        &self,
        address: SocketAddr,
        name: &str,
        tls: rustls::ClientConfig,
    ) -> Result<Connection, LinkError> {
        let failed = |reason: String| LinkError::Connect { address, reason };
        let tls = QuicClientConfig::try_from(tls).map_err(LinkError::certificate)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(transport());
        let connecting = self
            .inner
            .connect_with(config, address, name)
            .map_err(|error| failed(error.to_string()))?;
        let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)
            .await
            .map_err(|_| failed("no answer".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        Connection::new(connection)
    }

    /// The next caller, before its handshake. `None` when the endpoint is closed.
    pub async fn accept(&self) -> Option<Accepting> {
        self.inner.accept().await.map(Accepting)
    }

    /// Ends all connections and tells the peers.
    pub async fn close(&self) {
        self.inner.close(0_u32.into(), b"closing");
        tokio::time::timeout(KEEP_ALIVE, self.inner.wait_idle())
            .await
            .ok();
    }
}

/// A caller whose handshake has not been made. Make it in a task of its own: it takes a round trip.
pub struct Accepting(quinn::Incoming);

impl Accepting {
    /// Shakes hands and verifies the caller.
    pub async fn establish(self) -> Result<Connection, LinkError> {
        let connecting = self.0.accept().map_err(LinkError::closed)?;
        let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)
            .await
            .map_err(|_| LinkError::Timeout)?
            .map_err(LinkError::closed)?;
        Connection::new(connection)
    }
}

fn member_config(credentials: &Credentials) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(credentials.reset_key()));
    config.cid_generator(|| Box::new(ConnectionIds));
    config
}

/// Random identifiers without a mark of the process that chose them: quinn's own have one, by which a restarted node
/// would not know the old connections and would leave their peers waiting.
struct ConnectionIds;

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CONNECTION_ID_OCTETS];
        getrandom::fill(&mut id).expect("the system has randomness");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_OCTETS
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn unbound(family_of: SocketAddr) -> Result<UdpSocket, LinkError> {
    let address: SocketAddr = match family_of {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    UdpSocket::bind(address).map_err(|source| LinkError::Bind { address, source })
}

fn transport() -> Arc<TransportConfig> {
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(UNACKNOWLEDGED_PACKETS.into());
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(Duration::from_millis(20))
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .max_concurrent_uni_streams(MAX_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW_OCTETS.into())
        .datagram_receive_buffer_size(None)
        .ack_frequency_config(Some(acknowledgements));
    Arc::new(transport)
}
