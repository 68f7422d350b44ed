//! Who a certificate belongs to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::LinkError;

const PREFIX: &str = "spiffe://carillon/";

/// A control node's number in the cluster. Never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity that a certificate of the cluster's authority states in its SAN URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// A control node.
    Node(NodeId),
    /// A media server.
    Media(u32),
}

impl Peer {
    /// The name sent as SNI; the certificate is checked by its URI, not by this.
    pub(crate) fn host_name(self) -> String {
        match self {
            Self::Node(id) => format!("node-{id}.carillon"),
            Self::Media(id) => format!("media-{id}.carillon"),
        }
    }

    /// The identity in a DER certificate. Nothing is verified here: chain first, then this.
    pub(crate) fn of_certificate(der: &[u8]) -> Result<Self, LinkError> {
        let bad = || LinkError::Identity("the certificate names no cluster identity".to_owned());
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| bad())?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| bad())?
            .ok_or_else(bad)?;
        let mut uris = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::URI(uri) => uri.parse().ok(),
                _ => None,
            });
        match (uris.next(), uris.next()) {
            (Some(peer), None) => Ok(peer),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "{PREFIX}node/{id}"),
            Self::Media(id) => write!(f, "{PREFIX}media/{id}"),
        }
    }
}

impl FromStr for Peer {
    type Err = LinkError;

    fn from_str(uri: &str) -> Result<Self, LinkError> {
        let bad = || LinkError::Identity(format!("{uri} is not an identity of the cluster"));
        let (kind, id) = uri
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(bad)?;
        match kind {
            "node" => id
                .parse()
                .map(|id| Self::Node(NodeId(id)))
                .map_err(|_| bad()),
            "media" => id.parse().map(Self::Media).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}
