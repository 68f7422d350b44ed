//! rustls configurations: whom to believe.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{Credentials, Fingerprint, LinkError, Peer, Service};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(authority: &CertificateDer<'static>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone())?;
    Ok(roots)
}

/// A member that listens. Who connects without a certificate gets no further than the join service.
pub(crate) fn server(
    credentials: &Credentials,
    services: &[Service],
) -> Result<ServerConfig, LinkError> {
    let roots = roots(&credentials.authority()).map_err(LinkError::certificate)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = match services.contains(&Service::Join) {
        true => verifier.allow_unauthenticated(),
        false => verifier,
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(LinkError::certificate)?
        .with_client_cert_verifier(verifier.build().map_err(LinkError::certificate)?)
        .with_single_cert(credentials.chain(), credentials.key())
        .map_err(LinkError::certificate)?;
    config.alpn_protocols = services
        .iter()
        .map(|service| service.alpn().to_vec())
        .collect();
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A member that calls `peer`, and talks to nobody else.
pub(crate) fn client(
    credentials: &Credentials,
    peer: Peer,
    service: Service,
) -> Result<ClientConfig, LinkError> {
    let roots = roots(&credentials.authority()).map_err(LinkError::certificate)?;
    let verifier = Verifier {
        trust: Trust::Member { roots, peer },
        provider: provider(),
    };
    let mut config = builder(verifier)?
        .with_client_auth_cert(credentials.chain(), credentials.key())
        .map_err(LinkError::certificate)?;
    config.alpn_protocols = vec![service.alpn().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A machine that is no member yet: it knows the authority's fingerprint and nothing else.
pub(crate) fn joining(authority: Fingerprint) -> Result<ClientConfig, LinkError> {
    let verifier = Verifier {
        trust: Trust::Fingerprint(authority),
        provider: provider(),
    };
    let mut config = builder(verifier)?.with_no_client_auth();
    config.alpn_protocols = vec![Service::Join.alpn().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn builder(
    verifier: Verifier,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, LinkError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(LinkError::certificate)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

#[derive(Debug)]
enum Trust {
    /// This member, by a certificate of our authority.
    Member { roots: RootCertStore, peer: Peer },
    /// Any control node of the authority with this fingerprint, which the peer sends along.
    Fingerprint(Fingerprint),
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        let stated = Peer::of_certificate(leaf).map_err(refused)?;
        match &self.trust {
            Trust::Member { roots, peer } => {
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, &[], now, algorithms)?;
                if stated != *peer {
                    return Err(refused(LinkError::Identity(format!(
                        "expected {peer}, got {stated}"
                    ))));
                }
            }
            Trust::Fingerprint(expected) => {
                let authority = chain
                    .iter()
                    .find(|certificate| Fingerprint::of(certificate) == *expected)
                    .ok_or_else(|| {
                        refused(LinkError::Identity(
                            "another cluster's authority".to_owned(),
                        ))
                    })?;
                let roots = roots(&authority.clone().into_owned())?;
                verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)?;
                if !matches!(stated, Peer::Node(_)) {
                    return Err(refused(LinkError::Identity(format!(
                        "{stated} is no control node"
                    ))));
                }
            }
        }
        Ok(())
    }
}

fn refused(error: LinkError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
