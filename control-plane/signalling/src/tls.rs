//! Certificates of the TLS listeners, and whom we trust when we connect.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What the TLS listeners show and trust, as PEM.
#[derive(Clone, Default)]
pub struct TlsIdentity {
    /// The certificate and those above it.
    pub chain_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
    /// Authorities whose servers we connect to.
    pub trusted_pem: Vec<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: Option<TlsAcceptor>,
    connector: TlsConnector,
}

impl Tls {
    pub(crate) fn new(identity: Option<&TlsIdentity>) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let mut trusted = RootCertStore::empty();
        for pem in identity.iter().flat_map(|identity| &identity.trusted_pem) {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| anyhow!("{error}"))?;
                trusted.add(certificate).context("trust an authority")?;
            }
        }
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let acceptor = match identity {
            Some(identity) => Some(acceptor(identity, provider)?),
            None => None,
        };
        Ok(Self {
            acceptor,
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    /// The connector and the name that the server at `peer` must have in its certificate.
    pub(crate) fn connector(&self, peer: SocketAddr) -> (TlsConnector, ServerName<'static>) {
        (self.connector.clone(), ServerName::from(peer.ip()))
    }
}

fn acceptor(
    identity: &TlsIdentity,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(&identity.chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| anyhow!("read the SIP certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem)
        .map_err(|error| anyhow!("read the key of the SIP certificate: {error}"))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use the SIP certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
