//! What the name server is told.

use std::net::SocketAddr;

use serde::Deserialize;

/// The name server of a control node. Off unless `domain` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The domain that it answers for, as `pbx.example.org`; its parent delegates it to the control nodes.
    pub domain: Option<String>,
    /// Where it takes questions over UDP and TCP; port 53 of the node's SIP address if not given.
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// What is wrong, with the field first.
    pub fn problems(&self) -> Vec<String> {
        match (&self.domain, self.listen) {
            (None, Some(_)) => {
                vec!["dns.domain: the name server needs a domain to answer for".to_owned()]
            }
            (None, None) => Vec::new(),
            (Some(domain), _) => match crate::Zone::new(domain) {
                Ok(_) => Vec::new(),
                Err(error) => vec![format!("dns.domain: {error:#}")],
            },
        }
    }
}
