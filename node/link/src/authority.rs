//! The cluster's own certificate authority.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::credentials::{Credentials, Fingerprint, KeyRequest};
use crate::{LinkError, Peer};

/// Clients refuse server certificates that live longer than this.
const SERVER_CERTIFICATE_DAYS: u64 = 397;
/// Members' certificates end with the authority's; a lost member is removed, not waited for.
const END_YEAR: i32 = 2056;
/// Before the product existed, so that a machine with a slow clock accepts it.
const BEGIN_YEAR: i32 = 2026;

/// What is kept of an authority: certificate and private key, DER. Replicated to every control node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityRecord {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for AuthorityRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthorityRecord(…)")
    }
}

/// A certificate and key for HTTPS or SIP over TLS, PEM.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The server's certificate, then the authority's.
    pub chain_pem: String,
    /// PKCS #8.
    pub key_pem: String,
}

/// The cluster's certificate authority, able to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    record: AuthorityRecord,
}

impl Authority {
    /// A new authority for a new cluster.
    pub fn generate(cluster: &str) -> Result<Self, LinkError> {
        let key = KeyPair::generate().map_err(LinkError::certificate)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("Carillon {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(BEGIN_YEAR, 1, 1);
        params.not_after = date_time_ymd(END_YEAR, 1, 1);
        let certificate = params.self_signed(&key).map_err(LinkError::certificate)?;
        Self::restore(AuthorityRecord {
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// The authority that `record` describes.
    pub fn restore(record: AuthorityRecord) -> Result<Self, LinkError> {
        let key = KeyPair::try_from(record.key.as_slice()).map_err(LinkError::certificate)?;
        let certificate = CertificateDer::from(record.certificate.clone());
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(LinkError::certificate)?;
        Ok(Self { issuer, record })
    }

    /// What to keep.
    pub fn record(&self) -> &AuthorityRecord {
        &self.record
    }

    /// The authority's certificate, PEM, for phones and browsers.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.record.certificate)
    }

    /// The fingerprint that join tokens carry.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.record.certificate)
    }

    /// A key and a certificate for `peer`, made here: for the first node, and for tests.
    pub fn credentials(&self, peer: Peer) -> Result<Credentials, LinkError> {
        let request = KeyRequest::generate()?;
        let certificate = self.certify(peer, request.request_der())?;
        request.complete(peer, certificate, self.record.certificate.clone())
    }

    /// A certificate for the key that a joining machine proved to hold. Names in the request are ignored.
    pub fn certify(&self, peer: Peer, request_der: &[u8]) -> Result<Vec<u8>, LinkError> {
        let request = proven(request_der)?;
        let uri = peer
            .to_string()
            .try_into()
            .map_err(LinkError::certificate)?;
        let mut params = end_entity(&peer.host_name());
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = date_time_ymd(BEGIN_YEAR, 1, 1);
        params.not_after = date_time_ymd(END_YEAR, 1, 1);
        self.sign(&params, &request.public_key)
    }

    /// The authority's certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.record.certificate
    }

    /// A certificate for HTTPS and SIP over TLS under the given names and addresses.
    pub fn server_certificate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<ServerCertificate, LinkError> {
        let key = KeyPair::generate().map_err(LinkError::certificate)?;
        let mut params = end_entity(names.first().map_or("carillon", String::as_str));
        for name in names {
            let name = name.as_str().try_into().map_err(LinkError::certificate)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let day = Duration::from_secs(86_400);
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_before = epoch + now.saturating_sub(day);
        params.not_after = epoch + now + day * u32::try_from(SERVER_CERTIFICATE_DAYS).unwrap_or(1);
        let certificate = self.sign(&params, &key)?;
        Ok(ServerCertificate {
            chain_pem: format!(
                "{}{}",
                pem("CERTIFICATE", &certificate),
                self.certificate_pem()
            ),
            key_pem: key.serialize_pem(),
        })
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Vec<u8>, LinkError> {
        let certificate = params
            .signed_by(key, &self.issuer)
            .map_err(LinkError::certificate)?;
        Ok(certificate.der().to_vec())
    }
}

/// SHA-256 of the public key that a request proves to hold.
pub fn requested_key(request_der: &[u8]) -> Result<[u8; 32], LinkError> {
    Ok(Sha256::digest(proven(request_der)?.public_key.der_bytes()).into())
}

fn proven(request_der: &[u8]) -> Result<CertificateSigningRequestParams, LinkError> {
    let request = CertificateSigningRequestDer::from(request_der.to_vec());
    CertificateSigningRequestParams::from_der(&request).map_err(LinkError::certificate)
}

fn end_entity(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
