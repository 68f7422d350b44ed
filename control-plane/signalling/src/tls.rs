//! Certificates of the TLS listeners, and whom we trust when we connect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// By what name the server at an address was looked up.
    names: Arc<Mutex<BTreeMap<SocketAddr, ServerName<'static>>>>,
}

/// Servers whose names are remembered.
const NAMES_MAX: usize = 10_000;

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
            names: Arc::default(),
        })
    }

    /// The server at `peer` has to show a certificate of this name: that by which it was looked up, not that of a record
    /// on the way (RFC 5922 §4). Where two names lead to one address, the one that was looked up last counts.
    pub(crate) fn expect(&self, peer: SocketAddr, host: &str) {
        let Ok(name) = ServerName::try_from(host.trim_end_matches('.').to_owned()) else {
            return;
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES_MAX || names.contains_key(&peer) {
            names.insert(peer, name);
        }
    }

    /// The connector and the name that the server at `peer` must have in its certificate.
    pub(crate) fn connector(&self, peer: SocketAddr) -> (TlsConnector, ServerName<'static>) {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.get(&peer).cloned();
        (
            self.connector.clone(),
            name.unwrap_or_else(|| ServerName::from(peer.ip())),
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_to_show_the_name_by_which_it_was_looked_up() {
        let tls = Tls::new(None).expect("who only connects needs no certificate");
        let peer: SocketAddr = "192.0.2.5:5061".parse().expect("an address");
        assert_eq!(tls.connector(peer).1, ServerName::from(peer.ip()));
        tls.expect(peer, "sip.carrier.example.");
        tls.expect(peer, "not a name");
        assert_eq!(tls.connector(peer).1.to_str(), "sip.carrier.example");
    }
}
