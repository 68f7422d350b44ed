//! Where nodes connect to a carrier over TCP or TLS.

use anyhow::{Context, Result};
use carillon_link::Authority;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::eventually;
use crate::phone::Wire;

/// A listener; what comes in by it may have to be encrypted.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    identity: Option<Arc<ServerConfig>>,
}

/// Who signs the carrier's certificates.
pub struct Notary(Authority);

impl Notary {
    pub fn new() -> Result<Self> {
        Ok(Self(Authority::generate("carrier")?))
    }

    /// What those have to trust who connect to the carrier.
    pub fn pem(&self) -> String {
        self.0.certificate_pem()
    }
}

impl Door {
    pub fn tcp(address: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind(address).with_context(|| format!("listen at {address}"))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            identity: None,
        })
    }

    /// With a certificate for its address.
    pub fn tls(address: SocketAddr, notary: &Notary) -> Result<Self> {
        let certificate = notary.0.server_certificate(&[], &[address.ip()])?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes())
            .collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self {
            identity: Some(Arc::new(config)),
            ..Self::tcp(address)?
        })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// The next connection, and who has opened it.
    pub fn accept(&self, within: Duration) -> Result<(Wire, SocketAddr)> {
        let (stream, from) =
            eventually("a node connects", within, || match self.listener.accept() {
                Ok(accepted) => Ok(Some(accepted)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error).context("accept a connection"),
            })?;
        Ok((Wire::accepted(stream, self.identity.as_ref())?, from))
    }
}
