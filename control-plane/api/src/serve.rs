//! HTTPS: connections are bounded in number and in the time they may take to say something.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use anyhow::{Context, Result};
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use carillon_telemetry::Metrics;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::{Config, Plane, router};

/// Connections at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 1_000;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// What answers that are under way may still take when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A certificate chain and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The chain, the server's own first.
    pub chain_pem: Vec<u8>,
    /// The key.
    pub key_pem: Vec<u8>,
}

/// The interface, served.
pub struct Server {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Binds the address of the configuration and serves until [`Self::stop`]. `identity` is served if the
    /// configuration names no certificate.
    pub async fn start(
        config: &Config,
        plane: Arc<dyn Plane>,
        identity: &Identity,
        metrics: Metrics,
    ) -> Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("listen for HTTPS on {} (api.listen)", config.listen))?;
        let tls = tls(&own_or(config, identity)?)?;
        Self::serve(listener, tls, plane, metrics)
    }

    /// Serves on a listener that is bound already.
    pub fn serve(
        listener: TcpListener,
        tls: ServerConfig,
        plane: Arc<dyn Plane>,
        metrics: Metrics,
    ) -> Result<Self> {
        listener
            .set_nonblocking(true)
            .context("prepare the HTTPS listener")?;
        let address = listener
            .local_addr()
            .context("ask for the address of the HTTPS listener")?;
        let handle = Handle::new();
        let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)))
            .handshake_timeout(HANDSHAKE_WITHIN)
            .acceptor(Bounded {
                places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            });
        let mut server = axum_server::from_tcp(listener)
            .context("serve HTTPS")?
            .acceptor(acceptor)
            .handle(handle.clone());
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN);
        let service = router(plane, metrics)?.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(server.serve(service));
        tracing::info!(%address, "the REST interface is open");
        Ok(Self {
            address,
            handle,
            task,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and lets those under way finish for a moment.
    pub async fn stop(self) {
        self.handle.graceful_shutdown(Some(FAREWELL));
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the REST interface ended badly"),
            Err(error) => tracing::warn!(%error, "the REST interface ended badly"),
        }
    }
}

fn own_or(config: &Config, identity: &Identity) -> Result<Identity> {
    let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else {
        return Ok(identity.clone());
    };
    let read = |path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("read {}", path.display()))
    };
    Ok(Identity {
        chain_pem: read(certificate)?,
        key_pem: read(key)?,
    })
}

fn tls(identity: &Identity) -> Result<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.chain_pem)
        .collect::<Result<_, _>>()
        .context("read the certificate of the REST interface")?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem)
        .context("read the key of the REST interface")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose the versions of TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use the certificate of the REST interface")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts as many connections as there are places.
#[derive(Clone)]
struct Bounded {
    places: Arc<Semaphore>,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Bounded {
    type Stream = Placed;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Placed, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // What follows the handshake would wait for its acknowledgement, which a peer sends up to 40 ms later (RFC 896, RFC 1122 §4.2.3.2).
        let _ = stream.set_nodelay(true);
        let place = Arc::clone(&self.places).try_acquire_owned();
        let placed = place.map_err(|_| io::Error::other("no place for another connection"));
        std::future::ready(placed.map(|place| {
            (
                Placed {
                    stream,
                    _place: place,
                },
                service,
            )
        }))
    }
}

/// A connection and its place.
struct Placed {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        waker: &mut Waker<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(waker, into)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        waker: &mut Waker<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(waker, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(waker)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_waits_for_no_acknowledgement() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let bounded = Bounded {
            places: Arc::new(Semaphore::new(1)),
        };
        let (placed, ()) = bounded.accept(stream, ()).await.unwrap();
        assert!(placed.stream.nodelay().unwrap());
    }
}
