use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

const PORT: u16 = 8443;

/// Where the interface listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTPS address.
    pub listen: SocketAddr,
    /// A certificate chain in PEM; without one the node's own certificate is served.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate in PEM.
    pub key: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
            certificate: None,
            key: None,
        }
    }
}

impl Config {
    /// What is wrong with it, each with the name of its field.
    pub fn problems(&self) -> Vec<String> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                vec!["api.key: is missing; api.certificate needs its key".to_owned()]
            }
            (None, Some(_)) => {
                vec!["api.certificate: is missing; api.key needs its certificate".to_owned()]
            }
            (Some(_), Some(_)) | (None, None) => Vec::new(),
        }
    }
}
