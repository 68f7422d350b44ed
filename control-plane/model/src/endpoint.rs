//! SIP endpoints: the credentials of a line.

use serde::{Deserialize, Serialize};

use crate::{EndpointId, Secret};

/// The digest realm of a cluster that was given none.
pub const DEFAULT_REALM: &str = "carillon";

/// `H(username ":" realm ":" password)` of RFC 7616 for both algorithms, in lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ha1 {
    /// The realm in it.
    pub realm: String,
    /// By MD5.
    pub md5: Secret,
    /// By SHA-256.
    pub sha256: Secret,
}

impl Ha1 {
    /// Computes both hashes.
    pub fn new(username: &str, realm: &str, secret: &Secret) -> Self {
        use md5::Digest;
        let text = format!("{username}:{realm}:{}", secret.expose());
        Self {
            realm: realm.to_owned(),
            md5: Secret::new(hex::encode(md5::Md5::digest(text.as_bytes()))),
            sha256: Secret::new(hex::encode(sha2::Sha256::digest(text.as_bytes()))),
        }
    }
}

/// A SIP account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SipEndpoint {
    /// Number of the endpoint.
    pub id: EndpointId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// A name for administrators; the username if nobody gave one.
    pub name: String,
    /// A label for administrators.
    pub label: Option<String>,
    /// User name of REGISTER and of digest authentication, unique in the cluster.
    pub username: String,
    /// Password. Kept because administrators read it to set phones up by hand.
    pub secret: Secret,
    /// What digest authentication needs of it; written by apply.
    pub digest: Ha1,
    /// `friend`, `peer` or `user`, as other systems call it.
    pub kind: String,
    /// `dynamic` (registers), or the address of a peer that never registers.
    pub host: String,
    /// Further options, in order, names may repeat.
    pub options: Vec<(String, String)>,
}

impl SipEndpoint {
    /// The value of an option; the first one where it is there twice.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut options = self.options.iter();
        options
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Default for SipEndpoint {
    fn default() -> Self {
        Self {
            id: EndpointId(0),
            revision: 0,
            name: String::new(),
            label: None,
            username: String::new(),
            secret: Secret::default(),
            digest: Ha1::default(),
            kind: "friend".to_owned(),
            host: "dynamic".to_owned(),
            options: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ha1_is_that_of_rfc_7616() {
        // RFC 7616 §3.9.1: the values from which its example responses follow.
        let ha1 = Ha1::new(
            "Mufasa",
            "http-auth@example.org",
            &Secret::new("Circle of Life"),
        );
        assert_eq!(ha1.md5.expose(), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            ha1.sha256.expose(),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
    }
}
