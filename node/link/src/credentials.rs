//! What a member proves itself with.

use std::fmt;

use rcgen::{CertificateParams, KeyPair};
use ring::hmac;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{LinkError, Peer};

/// SHA-256 of the authority's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a DER certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8]
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A key of its own and the request to certify it.
pub struct KeyRequest {
    key: KeyPair,
    request: Vec<u8>,
}

impl KeyRequest {
    /// A fresh key. It never leaves this machine.
    pub fn generate() -> Result<Self, LinkError> {
        Self::of(KeyPair::generate().map_err(LinkError::certificate)?)
    }

    /// The key that an earlier `key_der` gave, to go on with a join that was interrupted.
    pub fn restore(key_der: &[u8]) -> Result<Self, LinkError> {
        Self::of(KeyPair::try_from(key_der).map_err(LinkError::certificate)?)
    }

    fn of(key: KeyPair) -> Result<Self, LinkError> {
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(LinkError::certificate)?;
        Ok(Self {
            key,
            request: request.der().to_vec(),
        })
    }

    /// The private key, PKCS #8, DER.
    pub fn key_der(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// PKCS #10, DER.
    pub fn request_der(&self) -> &[u8] {
        &self.request
    }

    /// The credentials, once the authority has signed.
    pub fn complete(
        self,
        peer: Peer,
        certificate: Vec<u8>,
        authority: Vec<u8>,
    ) -> Result<Credentials, LinkError> {
        Credentials::restore(CredentialsRecord {
            certificate,
            authority,
            key: self.key.serialize_der(),
        })
        .and_then(|credentials| match credentials.peer == peer {
            true => Ok(credentials),
            false => Err(LinkError::Identity(format!(
                "the certificate is for {}",
                credentials.peer
            ))),
        })
    }
}

/// What a member keeps on disk to come back as itself.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialsRecord {
    certificate: Vec<u8>,
    authority: Vec<u8>,
    key: Vec<u8>,
}

/// A member's certificate, key, and the authority it trusts.
pub struct Credentials {
    peer: Peer,
    record: CredentialsRecord,
}

impl Credentials {
    /// The credentials that `record` describes.
    pub fn restore(record: CredentialsRecord) -> Result<Self, LinkError> {
        let peer = Peer::of_certificate(&record.certificate)?;
        Ok(Self { peer, record })
    }

    /// What to keep.
    pub fn record(&self) -> &CredentialsRecord {
        &self.record
    }

    /// Whom the certificate names.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The fingerprint of the authority.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.record.authority)
    }

    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.record.authority.clone())
    }

    /// The authority goes along, so that a joining machine can compare its fingerprint.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![
            CertificateDer::from(self.record.certificate.clone()),
            self.authority(),
        ]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.record.key.clone()))
    }

    /// Derived from the node's key: a restarted node can tell its peers at once that their old connections are gone.
    pub(crate) fn reset_key(&self) -> hmac::Key {
        let mut hash = Sha256::new();
        hash.update(b"carillon stateless reset");
        hash.update(&self.record.key);
        hmac::Key::new(hmac::HMAC_SHA256, &hash.finalize())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
